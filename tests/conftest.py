"""What holds for all tests."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from contextlib import contextmanager, nullcontext
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import integers

import fanout
from tests.helpers.interrupting import Tracers, traced, tracers, untraced

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager

# Thousands of processes are started, and measuring coverage makes the start of each take twice as
# long. So it is measured only in the children of those tests that have them run what no unit test
# does. Lines that `scripts/test` reports as missing, and that workers run: a file is missing here.
MEASURED_IN_CHILDREN = (
    "unit",
    "integration/test_fences.py",
    "integration/test_misbehaviour.py",
    "integration/test_storms.py",
)
# Measuring makes code of many small steps take twice as long. What these tests run is run by those
# of "unit" and "integration" as well; so nothing is traced while they run, in no thread. The same
# goes for single tests that are marked `unmeasured`, and for what they start.
UNMEASURED = (
    "property",
    "simulation",
    "faults",
    "interop",
    "packaging",
    "integration/test_cancelling_sockets.py",
    *(f"unit/{name}" for name in ("benchmarks", "demonstration", "interoperation", "soaking")),
    "unit/test_documentation.py",
    "unit/test_repository.py",
    "unit/test_structure.py",
)
OF_COVERAGE = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")  # variables that start it
TESTS = Path(__file__).parent
pytest_plugins = [
    "tests.helpers.background",
    "tests.helpers.comparing",
    "tests.helpers.secrecy",
    "tests.helpers.sharing",
    "tests.helpers.watchdog",
]
TRACERS = pytest.StashKey[Tracers]()  # that measure
TEARDOWN_S = 60  # far above what any teardown takes

# Tests never judge by the clock: a busy machine must not make them fail. The timeout for each test
# (pyproject.toml) is what ends one that hangs.
settings.register_profile(
    "fanout", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("fanout")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Measure nothing in the process of xdist that runs no test, but hears of the end of each.

    And let it hear of no more than that, where nobody wants to know how long each part has taken.
    """
    if session.config.pluginmanager.hasplugin("dsession"):
        sys.settrace(None)
        threading.settrace(None)
    options = session.config.option
    is_asked = options.durations or options.xmlpath or options.verbose > 0
    if hasattr(session.config, "workerinput") and not is_asked:
        for plugin in session.config.pluginmanager.get_plugins():
            if type(plugin).__name__ == "WorkerInteractor":
                plugin.sendevent = partial(_send_what_is_shown, plugin.sendevent)


def _send_what_is_shown(send: Callable[..., None], event: str, **content: Any) -> None:
    """Tell the process that runs no test of each test once, if nothing is wrong with it.

    xdist tells of its begin, and three times of its parts: 0.4 ms of CPU of each of 9,000 tests.
    """
    report = content.get("data", {}) if event == "testreport" else {}
    is_good_end = report.get("outcome") == "passed" and report.get("when") != "call"
    if event != "logstart" and not is_good_end:
        send(event, **content)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import what is measured, and have nothing measured while the tests are looked for.

    Else each process would take twice as long for that, in which hardly a line of ours runs.
    """
    gc.disable()  # nearly all that is made now stays: it would be looked at again and again
    try:
        if sys.gettrace() is None:
            return (yield)
        for module in walk_packages(fanout.__path__, "fanout."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
        with untraced():
            return (yield)
    finally:
        gc.enable()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep what was collected out of the collections of garbage during the tests.

    Thousands of tests and their modules are never garbage, but looking at them takes 0.1 s each
    time: for everything that a test asks to be collected, and as often again without being asked.
    """
    if session.config.option.collectonly:
        _have_sources_read()
    gc.collect()
    gc.freeze()


@settings(max_examples=1, database=None)
@given(integers())
def _have_sources_read(_number: int) -> None:
    """Have hypothesis look for numbers in all sources, which it keeps for later processes.

    That takes some seconds. Where several processes share the tests, each would do it; so does the
    one that has compiled all of them before (`scripts/test`).
    """


@contextmanager
def _children_measured_or_not(item: pytest.Item) -> Iterator[None]:
    """Let what this test starts measure coverage, if it is where that is wanted."""
    measured = _is_below(item.path, MEASURED_IN_CHILDREN) and not _is_unmeasured(item)
    names = () if measured else [name for name in OF_COVERAGE if name in os.environ]
    before = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ.update(before)


def _is_unmeasured(item: pytest.Item) -> bool:
    marked = item.get_closest_marker("unmeasured") is not None
    return marked or _is_below(item.path, UNMEASURED)


@cache
def _is_below(path: Path, names: tuple[str, ...]) -> bool:
    return any(path.is_relative_to(TESTS / name) for name in names)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool | None, bool | None]:
    """Have nothing measured but fixtures, tests and their end; and not all of these."""
    item.config.stash[TRACERS] = tracers()
    with untraced(), _children_measured_or_not(item):
        return (yield)


def _measures(item: pytest.Item) -> AbstractContextManager[None]:
    """A block in which what is to be measured is."""
    by = item.config.stash[TRACERS]
    is_not = _is_unmeasured(item) or by == (None, None)
    return nullcontext() if is_not else traced(by)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_fixture_setup(request: pytest.FixtureRequest) -> Generator[None, object, object]:
    """Measure it, as the test that it is made for."""
    with _measures(request._pyfuncitem):
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Measure the test itself."""
    with _measures(pyfuncitem):
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True, specname="pytest_runtest_teardown")
def measure_the_end(item: pytest.Item) -> Generator[None, object, object]:
    """Measure the end of fixtures."""
    with _measures(item):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Limit a teardown after a failure: pytest-timeout does not, for the sake of debuggers."""

    def give_up(_number: int, _frame: object) -> None:
        pytest.fail(f"the teardown of {item.nodeid} took more than {TEARDOWN_S} s")

    if signal.getitimer(signal.ITIMER_REAL)[0]:
        return (yield)  # the timeout of the test still runs
    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, TEARDOWN_S)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
