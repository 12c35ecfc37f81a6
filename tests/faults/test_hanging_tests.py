"""No run of the tests waits for ever: who hangs is named, with stacks, and the run ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.helpers import background, limited
from tests.helpers.programs import ROOT
from tests.helpers.sharing import pytest_xdist_make_scheduler
from tests.helpers.waiting import DEADLINE_S, wait_until
from tests.helpers.watchdog import FOLDER

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_XDIST_WORKER": ""}
BEGINNING = """
import atexit, itertools, os, sys, threading
from pathlib import Path
from tests.helpers.watchdog import Watchdog
watchdog = Watchdog({seconds}, Path(os.environ["FANOUT_TESTS_AT"]))
"""
HANGS = {
    "a test that holds the interpreter": "watchdog.watch('it')\nsum(itertools.repeat(0))",
    "a thread that never ends": "watchdog.watch_the_exit()\n"
    "threading.Thread(target=threading.Event().wait).start()",
    "a last act that never ends": "atexit.register(lambda: sum(itertools.repeat(0)))\n"
    "watchdog.watch_the_exit()",
}
TESTS = """
import itertools, os, signal, threading
import pytest
from tests.helpers.watchdog import WATCHDOG

@pytest.fixture
def soon(request):
    request.config.stash[WATCHDOG].seconds = 0.5

def test_passes():
    pass

def test_hangs_and_has_a_child(soon):
    if os.fork() == 0:  # it keeps open by what xdist notices the end of its process
        signal.pause()
    sum(itertools.repeat(0))
"""

# The second one crashes while the one that takes the first one's place looks for the tests.
CRASHES = """
import os
from pathlib import Path
from tests.helpers.waiting import wait_until

pytest_plugins = ["tests.helpers.sharing"]
FOLDER = Path(os.environ["CRASHES"])

def pytest_collection():
    if os.environ.get("PYTEST_XDIST_WORKER") == "gw2":
        (FOLDER / "looks").touch()
        wait_until((FOLDER / "crashed").exists, "the second one")
        wait_until((FOLDER / "goes on").exists, "one of the others")
"""
CRASHING = """
import os
import pytest
from conftest import FOLDER
from tests.helpers.waiting import wait_until

def test_first():
    wait_until((FOLDER / "waits").exists, "the second one")
    os._exit(1)

def test_second():
    (FOLDER / "waits").touch()
    wait_until((FOLDER / "looks").exists, "the one in the place of the first")
    (FOLDER / "crashed").touch()
    os._exit(1)

@pytest.mark.parametrize("number", range(12))
def test_passes(number):
    (FOLDER / "goes on").touch()
"""


@pytest.mark.parametrize("hang", HANGS.values(), ids=HANGS)
def test_a_process_that_hangs_ends_itself_and_prints_stacks(tmp_path: Path, hang: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BEGINNING.format(seconds=0.3) + hang],
        env={**ENVIRONMENT, FOLDER: str(tmp_path)},
        timeout=DEADLINE_S,
        check=False,
    )

    stacks = next(tmp_path.glob("*.stacks")).read_text()
    assert (done.returncode, stacks[:8]) == (1, "Timeout ")
    assert 'File "' in stacks


def test_a_process_that_ends_leaves_no_word_of_where_it_was(tmp_path: Path) -> None:
    code = BEGINNING.format(seconds=DEADLINE_S) + "watchdog.watch('it')\nwatchdog.watch_the_exit()"
    environment = {**ENVIRONMENT, FOLDER: str(tmp_path)}

    subprocess.run([sys.executable, "-c", code], env=environment, timeout=DEADLINE_S, check=True)

    assert [path.stat().st_size for path in tmp_path.iterdir()] == [0]


def test_the_run_goes_on_and_names_the_test_that_hangs(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["tests.helpers.watchdog"]')
    (tmp_path / "test_hanging.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nprocess_timeout = {DEADLINE_S}\n")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    plugins = [f"-pno:{name}" for name in ("hypothesispytest", "cacheprovider")]

    status = _run([sys.executable, "-m", "pytest", "-n1", *plugins, str(tmp_path)])

    text = capfd.readouterr().out
    assert status == 1
    assert "1 failed, 1 passed" in text
    assert "test_hangs_and_has_a_child, ended in the middle of that" in text
    assert " in test_hangs_and_has_a_child\n" in text, "there are no stacks"


def test_two_crash_and_both_are_named_and_the_rest_is_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conftest.py").write_text(CRASHES)
    (tmp_path / "test_crashing.py").write_text(CRASHING)
    (tmp_path / "pytest.ini").touch()
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("CRASHES", str(tmp_path))
    plugins = [f"-pno:{name}" for name in ("hypothesispytest", "cacheprovider")]

    status = _run([sys.executable, "-m", "pytest", "-n2", *plugins, str(tmp_path)])

    text = capfd.readouterr().out
    assert status == 1
    assert "INTERNALERROR" not in text
    assert "crashed while running 'test_crashing.py::test_first'" in text
    assert "crashed while running 'test_crashing.py::test_second'" in text
    assert "2 failed, 12 passed" in text, "what crashes is not run again, all else is run"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_those_in_the_background_heed_signals(
    number: signal.Signals, pytestconfig: pytest.Config
) -> None:
    """A command that a test interrupts would ignore it, as this process does, and go on."""
    assert pytestconfig.pluginmanager.hasplugin(background.__name__)
    before = signal.signal(number, signal.SIG_IGN)
    try:
        background.pytest_configure()
        heeded = signal.getsignal(number)
    finally:
        signal.signal(number, before)
    assert heeded is not signal.SIG_IGN


def test_two_long_lists_that_differ_are_told_soon(tmp_path: Path) -> None:
    """The whole difference of these takes hours, and pytest shows it where `CI` is set."""
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["tests.helpers.comparing"]')
    (tmp_path / "test_long.py").write_text(
        "def test_differs():\n"
        "    said = [b'message number %d of the topic' % number for number in range(4_000)]\n"
        "    assert said == [b'message number %d of a topic' % (n + 7) for n in range(4_000)]\n"
        "def test_differs_a_little():\n"
        "    assert list(range(20)) == [*range(19), 20]\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rN", "-pno:cacheprovider", str(tmp_path)],
        env={**ENVIRONMENT, "CI": "true", "BUILD_NUMBER": "1"},
        cwd=tmp_path,
        timeout=DEADLINE_S,
        check=False,
        capture_output=True,
        text=True,
    )
    assert "2 failed" in done.stdout
    assert "At index 0 diff: b'message number 0 of the topic'" in done.stdout
    assert done.stdout.count("Full diff:") == 1, "of the short ones, as ever"


def test_at_the_limit_processes_say_where_they_are(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hangs = (
        "print(flush=True), sum(itertools.repeat(0))"  # what is told of is there, and it as well
    )
    code = BEGINNING.format(seconds=0) + f"watchdog.watch('a test')\n{hangs}"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env={**ENVIRONMENT, FOLDER: str(tmp_path)},
        stdout=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"\n"
            assert (tmp_path / f"{process.pid}.at").read_text() == "a test"
            run = limited.Run(tmp_path)

            assert [one.pid for one in run.processes()] == [process.pid]
            run.show(run.processes())
        finally:
            process.kill()

    text = capfd.readouterr().out
    assert f"process {process.pid}, for " in text
    assert " s at a test\n" in text
    assert 'File "<string>", line 7 in <module>' in text


def test_the_limit_ends_the_run(capfd: pytest.CaptureFixture[str]) -> None:
    hang = [sys.executable, "-c", "import signal; signal.pause()"]

    assert _run(hang, seconds=0) == 1
    assert "not over within 0 s" in capfd.readouterr().out


def test_nobody_stays(capfd: pytest.CaptureFixture[str]) -> None:
    status = _run(["sh", "-c", "sleep 1000 >/dev/null & echo $!"], leaving_s=0)

    text = capfd.readouterr().out
    assert status == 1
    assert "have not ended" in text
    wait_until(lambda: not psutil.pid_exists(int(text.split()[0])), "its end")


def test_one_that_is_just_becoming_another_program_is_seen() -> None:
    """Its environment is empty then: five of 6,000 that were looked at once were missed so."""
    found = iter((b"", b"", b"NAME=value\0"))
    assert limited.environment_of(os.getpid(), lambda _pid: next(found)) == b"NAME=value\0"


def test_a_run_in_which_nobody_hangs_has_the_status_of_its_command() -> None:
    assert [_run(["true"]), _run(["sh", "-c", "exit 5"])] == [0, 5]


def _run(command: list[str], seconds: float = DEADLINE_S, leaving_s: float = DEADLINE_S) -> int:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return limited.run(seconds, command, leaving_s)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


class Node:
    """A process of xdist, which says what it is given to run."""

    def __init__(self) -> None:
        self.gateway = SimpleNamespace(id="gw")
        self.given: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def scheduled(tests: list[str], nodes: list[Node]) -> Any:
    """A scheduler that has begun to give these tests to these processes."""
    pytest.importorskip("xdist")
    from xdist.remote import Producer

    config: Any = SimpleNamespace(
        getvalue=lambda _name: ["popen"] * len(nodes), option=SimpleNamespace(loadscopereorder=True)
    )
    scheduler: Any = pytest_xdist_make_scheduler(config, Producer("tests"))
    for node in nodes:
        scheduler.add_node(node)
        scheduler.add_node_collection(node, tests)
    scheduler.schedule()
    return scheduler


@pytest.mark.parametrize("processes", [3, 5])
def test_one_process_computes_while_the_others_wait_and_then_takes_what_there_is(
    processes: int,
) -> None:
    nodes = [Node() for _ in range(processes)]
    waiting = [f"tests/faults/test_it.py::test_{number}" for number in range(20)]
    tests = [*waiting, *(f"tests/simulation/test_it.py::test_{number}" for number in range(4))]
    scheduler = scheduled(tests, nodes)
    computes = nodes[1]
    for index in range(20, 24):
        scheduler.mark_test_complete(computes, index)

    assert computes.given[:4] == [20, 21, 22, 23]
    assert max(computes.given[4:]) < 20
    assert max(number for node in nodes if node is not computes for number in node.given) < 20


def test_what_a_dead_process_has_left_is_run_by_the_others_to_the_end() -> None:
    alive, dead = Node(), Node()
    tests = [f"tests/faults/test_it.py::test_{number}" for number in range(20)]
    scheduler = scheduled(tests, [alive, dead])
    for number in range(8):
        scheduler.mark_test_complete(dead, dead.given[number])
    assert scheduler.remove_node(dead) == tests[dead.given[8]]

    run: set[int] = set()
    while len(run) < len(alive.given):
        index = next(index for index in alive.given if index not in run)
        run.add(index)
        scheduler.mark_test_complete(alive, index)

    assert run | {*dead.given[:9]} == {*range(20)}, "all but where it has crashed"
    assert alive.shutting_down
