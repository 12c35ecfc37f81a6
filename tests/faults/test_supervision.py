"""Workers that are ended from outside, that hang, and that nobody could start for a while."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

import fanout.asyncio
from fanout import BrokenError, ClosedError, EventKind, Options, Publisher
from fanout.coordinator import supervision, watching
from tests.helpers.happenings import Happenings
from tests.helpers.inside import run_at_the_next_timer
from tests.helpers.programs import Program, pause
from tests.helpers.raw import RawPeer
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from fanout.coordinator.lives import Life

ENDPOINT = "tcp://127.0.0.1:*"


def life_of(publisher: Publisher) -> Life:
    return publisher._engine._coordinator.state.supervision.lives[0]


def test_one_that_is_killed_is_started_at_once_however_often() -> None:
    happenings = Happenings()
    with Publisher(ENDPOINT, workers=1, log_bytes=1 << 22, on_event=happenings) as publisher:
        for count, number in enumerate((signal.SIGKILL, signal.SIGUSR2)):
            os.kill(life_pid(publisher), number)
            happenings.wait_for(EventKind.WORKER_STARTED, count + 2)
        after_kills = life_of(publisher).failures
        os.kill(life_pid(publisher), signal.SIGSEGV)
        started = happenings.wait_for(EventKind.WORKER_STARTED, 4)

        assert [event.restarts for event in started] == [0, 1, 2, 3]
        assert (after_kills, life_of(publisher).failures) == (0, 1)
        assert publisher.statistics().workers[0].restarts == 3


def life_pid(publisher: Publisher) -> int:
    return publisher._engine._coordinator.links[0].pid


# Who hangs.


def test_one_that_is_stopped_is_ended_in_time_and_started_at_once() -> None:
    happenings = Happenings()
    timeout = 1.0
    with Publisher(
        ENDPOINT, workers=1, log_bytes=1 << 22, worker_timeout=timeout, on_event=happenings
    ) as publisher:
        pid = publisher.statistics().workers[0].pid
        begun = time.monotonic()
        pause(pid)
        (lost,) = happenings.wait_for(EventKind.WORKER_LOST)
        passed = time.monotonic() - begun
        happenings.wait_for(EventKind.WORKER_STARTED, 2)

        # When exactly, by its clock, is said in tests/unit/coordinator/test_watching.py.
        assert passed < Options().worker_timeout, "it was not ended by its own time"
        assert lost.reason.startswith(f"killed by us: no sign of life for {timeout:g} s")
        assert lost.exit_code == -signal.SIGKILL
        assert life_of(publisher).failures == 0


STANDS = """
import gc, time
from fanout.shm.worker_slot import WorkerSlot
def act():
    slot = next(one for one in gc.get_objects() if isinstance(one, WorkerSlot))
    get_nowhere(slot)
def get_nowhere(slot):
    while True:
        slot.heartbeat = time.monotonic_ns()
"""


def test_one_that_gives_signs_of_life_and_gets_nowhere_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(watching, "ABORT_GRACE", DEADLINE_S)  # it ends by itself as soon as it can
    trigger = run_at_the_next_timer(STANDS, tmp_path, monkeypatch)
    happenings = Happenings()
    with Publisher(
        ENDPOINT, workers=1, log_bytes=1 << 22, worker_timeout=1.0, on_event=happenings
    ) as publisher:
        trigger.touch()
        while not happenings.of(EventKind.WORKER_LOST):
            publisher.statistics()  # a question waits for it
        (lost,) = happenings.of(EventKind.WORKER_LOST)[:1]
        trigger.unlink()
        happenings.wait_for(EventKind.WORKER_STARTED, 2)

    assert lost.reason == "killed by us: no progress for 1 s (worker_timeout)"
    assert "in get_nowhere" in capfd.readouterr().err


GROUP = """
import os, sys, threading
from fanout import EventKind, Publisher
lost, ends = [], threading.Event()
def on_event(event):
    if event.kind is EventKind.WORKER_LOST:
        lost.append(event.reason)
options = {"workers": 2, "log_bytes": 1 << 20, "worker_timeout": 0.5}
with Publisher("tcp://127.0.0.1:*", on_event=on_event, **options) as publisher:
    def publish():
        while not ends.wait(0.001):
            publisher.publish(b"T", bytes(100))
    thread = threading.Thread(target=publish)
    thread.start()
    print(publisher.endpoints[0])
    for line in sys.stdin:
        print(len(publisher.subscribers()), lost, publisher.statistics().standstills)
    ends.set()
    thread.join()
"""


def test_a_group_that_was_stopped_and_goes_on_loses_nobody(tmp_path: Path) -> None:
    """A laptop that sleeps, `kill -STOP` of a service with all its processes."""
    never = threading.Event()
    with Program(["-c", GROUP], tmp_path) as program, RawPeer.version_3(program.line(), b"T"):
        group = program.process.pid
        for _ in range(3):
            os.killpg(group, signal.SIGSTOP)
            never.wait(1.2)  # more than `clocks.STANDSTILL`
            os.killpg(group, signal.SIGCONT)
            never.wait(0.2)
        output, _errors = program.finish("how are you?\n")

    subscribers, lost, standstills = output.split()
    assert (subscribers, lost) == ("1", "[]")
    assert int(standstills) >= 1, "it is noticed, and held against nobody"


# All given up, and tried again.


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who cannot be started is given up within a second."""
    monkeypatch.setattr(supervision, "GIVE_UP_AFTER", 0.3)
    monkeypatch.setattr(supervision, "BACKOFF_MAX", 0.05)


class Nobody:
    """While it is entered, there is no Python to start a worker with."""

    def __init__(self) -> None:
        self._patch = pytest.MonkeyPatch()

    def __enter__(self) -> None:
        self._patch.setattr("multiprocess.spawn.get_executable", lambda: b"/bin/false")

    def __exit__(self, *error: object) -> None:
        self._patch.undo()


def is_broken(publisher: Publisher) -> bool:
    try:
        publisher.publish(b"T", b"perhaps")
    except BrokenError:
        return True
    return False


@pytest.mark.usefixtures("impatient")
def test_a_broken_publisher_sends_again_when_its_workers_are_started_again() -> None:
    happenings = Happenings()
    published: list[int] = []
    ends = threading.Event()
    with Publisher(ENDPOINT, workers=2, log_bytes=1 << 22, on_event=happenings) as publisher:
        with Nobody():
            for worker in publisher.statistics().workers:
                os.kill(worker.pid, signal.SIGKILL)
            wait_until(lambda: is_broken(publisher), "that nobody is left")
        given_up = {event.worker for event in happenings.wait_for(EventKind.WORKER_GIVEN_UP, 2)}
        before = publisher.statistics().published

        def publish() -> None:
            while not ends.is_set():
                try:
                    published.append(publisher.publish(b"T", b"%d" % len(published)))
                except BrokenError:
                    assert not published, "it broke again"

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            assert publisher.restart_workers() == 2
            happenings.wait_for(EventKind.WORKER_STARTED, 4)
            with RawPeer.version_3(publisher.endpoints[0], b"T") as peer:
                first = int(peer.read_message()[1])
                for number in range(first + 1, first + 1_000):
                    assert peer.read_message() == [b"T", b"%d" % number]
        finally:
            ends.set()
            thread.join()
        assert publisher.restart_workers() == 2, "all of them serve, and are replaced"
        totals = publisher.statistics()

    assert given_up == {0, 1}
    assert published == list(range(before, before + len(published)))
    assert totals.published == before + len(published)
    with pytest.raises(ClosedError):
        publisher.restart_workers()


@pytest.mark.usefixtures("impatient")
def test_a_broken_publisher_for_asyncio_is_mended_as_well() -> None:
    async def main() -> None:
        async with fanout.asyncio.Publisher(ENDPOINT, workers=1, log_bytes=1 << 22) as publisher:
            with Nobody():
                os.kill((await publisher.statistics()).workers[0].pid, signal.SIGKILL)
                await until(publisher, is_open=False)
            assert await publisher.restart_workers() == 1
            await until(publisher, is_open=True)

    async def until(publisher: fanout.asyncio.Publisher, *, is_open: bool) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    await publisher.publish(b"T", b"perhaps")
                    if is_open:
                        return
                except BrokenError:
                    if not is_open:
                        return
                await asyncio.sleep(0.005)

    asyncio.run(main())
