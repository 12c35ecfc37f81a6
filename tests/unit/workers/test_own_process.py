"""What a worker process sets up for itself; in processes of their own, which are what is set."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from fanout.workers.own_process import TIMER_SLACK_NS
from tests.helpers.programs import ROOT

IMPORT = "import os, resource, signal, sys\nfrom fanout.workers import own_process\n"


def run(source: str, **more: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", IMPORT + source]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, **more)  # type: ignore[call-overload,no-any-return]


def test_sleeps_end_on_time() -> None:
    done = run("own_process.keep_naps_short()\nprint(open('/proc/self/timerslack_ns').read())")

    assert done.stdout.strip() == str(TIMER_SLACK_NS), done.stderr


@pytest.mark.parametrize(
    ("worker", "name"),
    [
        *((0, "fanout-worker-0"), (9, "fanout-worker-9"), (10, "fanout-worker10")),
        *((99, "fanout-worker99"), (100, "fanout-work-100"), (255, "fanout-work-255")),
    ],
)
def test_its_number_is_whole_in_its_name(worker: int, name: str) -> None:
    done = run(f"own_process.take_name({worker})\nprint(open('/proc/self/comm').read())")

    assert done.stdout.strip() == name, done.stderr


def test_an_abort_prints_the_stacks_and_leaves_no_core() -> None:
    source = """
import threading
begun = threading.Event()
def aside():
    begun.set()
    threading.Event().wait()
def deep():
    os.kill(os.getpid(), signal.SIGUSR1)
    print(resource.getrlimit(resource.RLIMIT_CORE)[0], flush=True)
    os.abort()
own_process.print_stacks()
threading.Thread(target=aside, daemon=True).start()
begun.wait()
deep()
"""
    done = run(source)

    assert done.returncode == -signal.SIGABRT
    assert done.stdout.strip() == "0", "it did not go on after SIGUSR1"
    assert done.stderr.count("in deep") == done.stderr.count("in aside") == 2, done.stderr
    assert "Fatal Python error: Aborted" in done.stderr


def test_without_standard_error_nothing_is_printed_into_what_has_its_number() -> None:
    """It may be a subscriber's socket."""
    source = """
own_process.print_stacks()
import fcntl
reading, writing = (fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in os.pipe())
os.dup2(writing, 2)
os.kill(os.getpid(), signal.SIGUSR1)
os.set_blocking(reading, False)
try:
    print(os.read(reading, 100), flush=True)
except BlockingIOError:
    print("nothing", flush=True)
os.abort()
"""
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-c", IMPORT + source],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    )

    assert (done.stdout.strip(), done.returncode) == ("nothing", -signal.SIGABRT)
