"""Programs whose standard streams are closed: no descriptor of ours has the number of one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.helpers.collecting import Collector
from tests.helpers.programs import ROOT
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from pathlib import Path

FIRST = [b"t", b"first"]
LAST = [b"t", b"last"]


def standard(pid: int) -> list[str]:
    """What the standard numbers of a process are; without those that are closed."""
    found = []
    for number in range(3):
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{number}"))
        except FileNotFoundError:
            continue
    return found


def text_of(path: Path) -> str:
    wait_until(path.exists, path.name)
    return path.read_text()


@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", ">&-", "2>&-", "<&- 2>&-"])
def test_no_descriptor_of_ours_is_that_of_a_standard_stream(closed: str, tmp_path: Path) -> None:
    """Neither is a library's message written into the log, nor into a subscriber's stream."""
    shell = f'exec "$0" -m tests.faults.closed_streams {closed}'
    program = subprocess.Popen(
        ["/bin/sh", "-c", shell, sys.executable],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with ExitStack() as later:
        later.callback(program.wait)
        later.callback(program.kill)
        endpoints = text_of(tmp_path / "endpoints").split()
        subscribers = [later.enter_context(Collector(one, b"")) for one in endpoints * 2]
        pids = list(map(int, text_of(tmp_path / "pids").split()))
        for one in subscribers:
            one.expect([FIRST])
        files = {pid: standard(pid) for pid in pids}
        os.kill(pids[0], signal.SIGUSR1)
        for one in subscribers:
            one.expect([FIRST, LAST])
        result = eval(text_of(tmp_path / "result"))
        assert program.wait(DEADLINE_S) == 0

    open_ones = 3 - closed.count("&-")
    assert files[pids[0]] == [os.devnull] * open_ones, "the program's are not as they were"
    assert [files[pid] for pid in pids[1:]] == [[os.devnull] * 3] * 2
    same_as_before, figures, before, after = result
    assert same_as_before
    assert figures == (0, 0, 0)
    assert before == after


def test_a_worker_that_is_started_later_has_no_low_numbers_either(tmp_path: Path) -> None:
    """Nor do two publishers that start at once disturb each other."""
    source = """
import os, signal, threading
from fanout import Publisher
happened = threading.Condition()
started = []
def on_event(event):
    with happened:
        if event.kind == "worker_started":
            started.append(event.worker)
            happened.notify_all()
def run():
    options = {"workers": 2, "log_bytes": 1 << 20}
    with Publisher("tcp://127.0.0.1:*", on_event=on_event, **options) as publisher:
        os.kill(publisher.statistics().workers[0].pid, signal.SIGKILL)
        with happened:
            assert happened.wait_for(lambda: len(started) == 9, 60)
        assert [worker.restarts for worker in publisher.statistics().workers] == [1, 0]
os.close(0); os.close(1)
threads = [threading.Thread(target=run) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
open_ones = [n for n in range(3) if os.path.exists(f"/proc/self/fd/{n}")]
os._exit(0 if len(started) == 9 and 1 not in open_ones else 1)
"""
    done = subprocess.run(
        [sys.executable, "-c", source],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_nor_has_who_receives_sends_asks_or_is_checked(tmp_path: Path) -> None:
    """Else what a library writes there goes to whom they are connected to."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.closed_guests"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=2 * DEADLINE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
