"""A worker that ends says why: by its exit code, in words, and where people look for it."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from fanout import EventKind, Publisher, StartupError
from fanout.basics.exits import Exit
from fanout.coordinator import spawn, supervision, watching
from tests.helpers.happenings import Happenings
from tests.helpers.inside import run_at_the_next_timer
from tests.helpers.raw import RawPeer
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from pathlib import Path

    from fanout import Event

ENDPOINT = "tcp://127.0.0.1:*"
LOG_BYTES = 64 << 20  # so much more than a worker has room for that is to have none

# Set in the worker after its imports, which need more of both than the worker does.
LIMIT = """
import resource
from fanout.workers import main as entry
def limited(*arguments, {name}=entry.{name}):
    resource.setrlimit(resource.RLIMIT_{what}, ({limit}, {limit}))
    return {name}(*arguments)
entry.{name} = limited
"""
PAGES = "int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()"


def limited(name: str, what: str, limit: str) -> str:
    """The boot of a worker that has a limit from its first call of `name` on."""
    code = LIMIT.format(name=name, what=what, limit=limit)
    return spawn._BOOT.replace("sys.exit(", f"{code}\nsys.exit(")


CANNOT_START = [
    pytest.param("import sys; import no_such_module", Exit.PYTHON, id="python"),
    pytest.param(
        limited("_wait_for_hello", "AS", f"{PAGES} + {LOG_BYTES // 2}"), Exit.MEMORY, id="memory"
    ),
    pytest.param(limited("_wait_for_hello", "NOFILE", "5"), Exit.DESCRIPTORS, id="hello"),
    pytest.param(limited("_serve", "NOFILE", "8"), Exit.DESCRIPTORS, id="loop"),
    pytest.param(
        spawn._BOOT.replace(
            "sys.exit(", "from fanout.shm import layout; layout.LAYOUT_VERSION = 99\nsys.exit("
        ),
        Exit.VERSION,
        id="layout",
    ),
    pytest.param(
        spawn._BOOT.replace(
            "sys.exit(",
            "from fanout.workers import main as entry\n"
            "del entry.Options.__dataclass_fields__['send_timeout']\n"
            "import dataclasses\n"
            "entry.Options = dataclasses.make_dataclass('Options', ['other'])\nsys.exit(",
        ),
        Exit.VERSION,
        id="options",
    ),
]


@pytest.mark.parametrize(("boot", "code"), CANNOT_START)
def test_a_worker_that_cannot_start_says_why(
    boot: str, code: Exit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawn, "_BOOT", boot)

    with pytest.raises(StartupError) as caught:
        Publisher(ENDPOINT, workers=1, log_bytes=LOG_BYTES)

    assert f"exit status {int(code)}: {code.text}" in str(caught.value)
    assert caught.value.exit_code == code


PAUSE_S = 0.5  # longer than it takes to start a process that fails


@pytest.mark.parametrize(
    ("boot", "code"),
    [  # each way to fail once: before it is a worker, without memory, in its loop, by its version
        one for one in CANNOT_START if one.id in ("python", "memory", "loop", "layout")
    ],
)
def test_a_replacement_that_cannot_start_is_told_and_tried_again_later(
    boot: str, code: Exit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "BACKOFF_FIRST", PAUSE_S)
    monkeypatch.setattr(supervision, "BACKOFF_MAX", PAUSE_S)
    happenings = Happenings()
    times: list[float] = []

    def on_event(event: Event) -> None:
        if event.kind is EventKind.WORKER_LOST:
            times.append(time.monotonic())
        happenings(event)

    with (
        Publisher(ENDPOINT, workers=2, log_bytes=LOG_BYTES, on_event=on_event) as publisher,
        RawPeer.version_3(publisher.endpoints[0], b"T") as peer,
    ):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        (there,) = publisher.subscribers()
        with monkeypatch.context() as broken:
            broken.setattr(spawn, "_BOOT", boot)
            os.kill(publisher.statistics().workers[there.worker].pid, signal.SIGKILL)
            lost = happenings.wait_for(EventKind.WORKER_LOST, 3)
            publisher.publish(b"T", b"meanwhile")
            assert peer.read_message() == [b"T", b"meanwhile"]
        happenings.wait_for(EventKind.WORKER_STARTED, 3)
        assert [one.id for one in publisher.subscribers()] == [there.id]

    assert [one.exit_code for one in lost[:3]] == [-signal.SIGKILL, code, code]
    assert all(f"exit status {int(code)}: {code.text}" in one.reason for one in lost[1:3])
    assert times[2] - times[1] > 0.9 * PAUSE_S, "it spins"


def test_a_python_that_cannot_be_executed_is_named_as_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_program = tmp_path / "python"
    no_program.write_bytes(b"\x7fELF, but no more of it")
    no_program.chmod(0o755)
    monkeypatch.setattr("multiprocess.spawn.get_executable", lambda: bytes(no_program))

    with pytest.raises(StartupError) as caught:
        Publisher(ENDPOINT, workers=1, log_bytes=1 << 22)

    assert caught.value.exit_code == Exit.EXEC


def test_a_worker_that_meets_a_bug_says_so_and_its_publisher_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    source = "def act():\n    raise ZeroDivisionError('injected')\n"
    trigger = run_at_the_next_timer(source, tmp_path, monkeypatch)
    happenings = Happenings()

    with Publisher(ENDPOINT, workers=1, log_bytes=1 << 22, on_event=happenings):
        trigger.touch()
        (lost,) = happenings.wait_for(EventKind.WORKER_LOST)[:1]
        trigger.unlink()
        happenings.wait_for(EventKind.WORKER_STARTED, 2)

    assert lost.exit_code == Exit.BUG
    assert lost.reason == f"exit status 4: {Exit.BUG.text}"
    assert "ZeroDivisionError: injected" in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_that_is_killed_says_by_what(
    number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    happenings = Happenings()

    with Publisher(ENDPOINT, workers=1, log_bytes=1 << 22, on_event=happenings) as publisher:
        os.kill(publisher.statistics().workers[0].pid, number)
        (lost,) = happenings.wait_for(EventKind.WORKER_LOST)[:1]

    assert lost.exit_code == -number
    assert f"killed by {number.name}" in lost.reason
    is_told = "Fatal Python error: Segmentation fault" in capfd.readouterr().err
    assert is_told == (number is signal.SIGSEGV)


def test_an_exit_that_somebody_else_has_collected_is_unknown() -> None:
    """With SIGCHLD ignored, the system keeps no exit status."""
    happenings = Happenings()
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with Publisher(ENDPOINT, workers=1, log_bytes=1 << 22, on_event=happenings) as publisher:
            os.kill(publisher.statistics().workers[0].pid, signal.SIGKILL)
            (lost,) = happenings.wait_for(EventKind.WORKER_LOST)[:1]
    finally:
        signal.signal(signal.SIGCHLD, before)

    assert lost.exit_code is None
    assert "another part of this program" in lost.reason


def test_a_worker_has_a_name_and_prints_its_stacks_when_asked(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with Publisher(ENDPOINT, workers=2, log_bytes=1 << 22) as publisher:
        pids = [worker.pid for worker in publisher.statistics().workers]
        names = [psutil.Process(pid).name() for pid in pids]
        os.kill(pids[0], signal.SIGUSR1)
        assert publisher.drain(DEADLINE_S) == ()
        assert [worker.restarts for worker in publisher.statistics().workers] == [0, 0]

    assert names == ["fanout-worker-0", "fanout-worker-1"]
    assert "main.py" in capfd.readouterr().err


# Workers that hang.

HANGS = """
def act():
    stuck_in_a_loop()
def stuck_in_a_loop():
    while True:
        pass
"""


def test_a_worker_that_hangs_prints_where_and_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(watching, "ABORT_GRACE", DEADLINE_S)  # it ends by itself as soon as it can
    trigger = run_at_the_next_timer(HANGS, tmp_path, monkeypatch)
    happenings = Happenings()

    with Publisher(ENDPOINT, workers=1, log_bytes=1 << 22, worker_timeout=2.0, on_event=happenings):
        trigger.touch()
        (lost,) = happenings.wait_for(EventKind.WORKER_LOST)[:1]
        trigger.unlink()
        happenings.wait_for(EventKind.WORKER_STARTED, 2)

    assert lost.exit_code == -signal.SIGABRT
    assert lost.reason == "killed by us: no sign of life for 2 s (worker_timeout)"
    errors = capfd.readouterr().err
    assert "Fatal Python error: Aborted" in errors
    assert "in stuck_in_a_loop" in errors


def test_a_worker_that_is_stopped_cannot_print_and_is_killed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    happenings = Happenings()

    with Publisher(
        ENDPOINT, workers=1, log_bytes=1 << 22, worker_timeout=2.0, on_event=happenings
    ) as publisher:
        os.kill(publisher.statistics().workers[0].pid, signal.SIGSTOP)
        (lost,) = happenings.wait_for(EventKind.WORKER_LOST)[:1]
        happenings.wait_for(EventKind.WORKER_STARTED, 2)

    assert lost.exit_code == -signal.SIGKILL
    assert lost.reason == "killed by us: no sign of life for 2 s (worker_timeout); it is stopped"
    assert "Fatal Python error" not in capfd.readouterr().err
