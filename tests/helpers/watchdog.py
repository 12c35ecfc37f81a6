"""Ends this process, with the stacks of all its threads, when nothing else can.

pytest-timeout ends a test by an exception. That helps neither with a test that hangs in C and holds
the interpreter, nor with one that swallows the exception, nor with an interpreter that hangs at its
exit. So a timer of faulthandler runs beside each part of a test, and at the end: it is C, needs no
interpreter, and ends the process. What has started it (xdist, `tests/helpers/limited.py`) notices.
"""

from __future__ import annotations

import atexit
import faulthandler
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

# Where to write what this process is at, and stacks, in files named after its number; without it,
# stacks go to standard error.
FOLDER = "FANOUT_TESTS_AT"
STACKS = signal.SIGUSR1  # prints them; the process goes on, as workers do
COLLECTING = 3  # takes so many times as long as a test may, where nothing is compiled yet
KILLED_LATER_S = 30  # for its stacks, after its own end


class Watchdog:
    """The timer of this process, and what the process is at.

    Args:
        seconds: what no part of a test takes, nor the end of this process; 0 for no limit.
        folder: for what it is at, and for stacks.
    """

    def __init__(self, seconds: float, folder: Path | None) -> None:
        self.seconds = seconds
        self._armed: tuple[float, float] | None = None  # when, and for how long
        self._process = os.getpid()
        self._path = None if folder is None else folder / f"{self._process}.at"
        self._at = -1
        if self._path is None:
            self._stacks = os.dup(sys.__stderr__.fileno())  # type: ignore[union-attr]  # it is open
        else:
            self._at = os.open(self._path, os.O_WRONLY | os.O_CREAT)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            self._stacks = os.open(self._path.with_suffix(".stacks"), flags)
            atexit.register(self._has_ended)
        faulthandler.register(STACKS, file=self._stacks, all_threads=True, chain=False)

    def watch(self, what: str, times: int = 1) -> None:
        """From now on it is at that, which must be over within so many times the seconds.

        Or within some thousandths less: a timer that was just set is not set again. It is a thread,
        which a busy machine takes some ms to start and to end.
        """
        self._is_at(what)
        limit, now = times * self.seconds, time.monotonic()
        if limit <= 0:
            return
        if self._armed is None or self._armed[1] != limit or now - self._armed[0] > limit / 500:
            faulthandler.dump_traceback_later(limit, file=self._stacks, exit=True)
            self._armed = now, limit

    def was_disarmed(self) -> None:
        """Somebody else has ended the timer."""
        self._armed = None

    def rest(self) -> None:
        """It is at nothing, which may last."""
        self._armed = None
        faulthandler.cancel_dump_traceback_later()
        self._is_at("")

    def watch_the_exit(self) -> None:
        """Watch over the end of the interpreter, whenever that begins."""

        def wait() -> None:
            threading.main_thread().join()  # the first thing that it does at its end
            self.watch("the exit")

        threading.Thread(target=wait, name="watches the exit", daemon=True).start()
        # What is registered last comes first. It may be that the thread never gets the interpreter.
        atexit.register(self._watch_what_comes_now)

    def print_stacks(self) -> None:
        """Those of all threads."""
        faulthandler.dump_traceback(file=self._stacks, all_threads=True)

    def _is_at(self, what: str) -> None:
        if self._at >= 0:
            os.ftruncate(self._at, 0)
            name = os.environ.get("PYTEST_XDIST_WORKER", "")
            os.pwrite(self._at, f"{name} {what}".strip().encode(), 0)

    def _watch_what_comes_now(self) -> None:
        if os.getpid() == self._process:
            self.watch("the exit")

    def _has_ended(self) -> None:
        if self._path is not None and os.getpid() == self._process:  # no child of a fork
            self._path.unlink(missing_ok=True)


WATCHDOG = pytest.StashKey[Watchdog]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The seconds."""
    parser.addini("process_timeout", "what no part of a test takes, nor an end, in seconds")


def pytest_configure(config: pytest.Config) -> None:
    """Begin; output is not captured yet."""
    seconds = float(config.getini("process_timeout") or 0)
    folder = os.environ.get(FOLDER)
    config.stash[WATCHDOG] = Watchdog(seconds, Path(folder) if folder else None)


def _only_starts_others(config: pytest.Config) -> bool:
    """Whether this is the process of xdist that runs no test."""
    return config.pluginmanager.hasplugin("dsession")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Have xdist wait for processes that end: it kills those that are late, and says nothing."""
    if _only_starts_others(session.config):
        from xdist.workermanage import NodeManager

        NodeManager.EXIT_TIMEOUT = session.config.stash[WATCHDOG].seconds + KILLED_LATER_S


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Looking for the tests has an end too."""
    watchdog = session.config.stash[WATCHDOG]
    watchdog.watch("collecting", COLLECTING)
    try:
        return (yield)
    finally:
        watchdog.rest()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """After a test there is nothing to watch: the next may be long in coming."""
    try:
        return (yield)
    finally:
        item.config.stash[WATCHDOG].rest()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Each part of a test has its time."""
    item.config.stash[WATCHDOG].watch(f"{item.nodeid} (setup)")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """The test itself."""
    item.config.stash[WATCHDOG].watch(item.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Its end."""
    item.config.stash[WATCHDOG].watch(f"{item.nodeid} (teardown)")


def pytest_exception_interact(node: pytest.Item | pytest.Collector) -> None:
    """pytest ends the timer when a part of a test fails: the next part sets it."""
    node.config.stash[WATCHDOG].was_disarmed()


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_timeout_set_timer(item: pytest.Item) -> Generator[None, object, object]:
    """Have pytest-timeout print stacks where they are seen: its own are lost under xdist."""
    answer = yield
    give_up = signal.getsignal(signal.SIGALRM)
    if callable(give_up):
        signal.signal(signal.SIGALRM, _after_stacks(item.config.stash[WATCHDOG], give_up))
    return answer


def _after_stacks(
    watchdog: Watchdog, give_up: Callable[..., object]
) -> Callable[[int, object], None]:
    def handler(number: int, frame: object) -> None:
        watchdog.print_stacks()
        give_up(number, frame)

    return handler


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, object, object]:
    """The end of all tests of this process; it goes on to be watched at its exit."""
    watchdog = session.config.stash[WATCHDOG]
    if not _only_starts_others(session.config):  # that one waits for the others
        watchdog.watch("the end of the tests")
    try:
        return (yield)
    finally:
        watchdog.rest()
        watchdog.watch_the_exit()
