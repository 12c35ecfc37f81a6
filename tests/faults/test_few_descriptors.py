"""A limit of open files that is too low for a start: named with what to do, whatever it hits."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.helpers.programs import ROOT
from tests.helpers.waiting import DEADLINE_S

PROGRAM = """
import os, resource
import fanout
with fanout.Publisher("tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20):
    pass  # everything is imported now
in_use = os.listdir("/proc/self/fd")
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
for allowed in range(3, 64):
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    text = "none"
    try:
        fanout.Publisher("tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20).close()
    except (fanout.StartupError, fanout.BindError) as error:
        text = str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    print(text)
    assert os.listdir("/proc/self/fd") == in_use, allowed
    if text == "none":
        break
"""


def output_of(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_limit_that_is_too_low_says_what_to_do() -> None:
    *failures, last = output_of(PROGRAM).splitlines()
    assert last == "none"
    assert len(failures) >= 10
    assert [text for text in failures if "raise the limit (`ulimit -n`)" not in text] == []


LEFT = """
import os, resource, socket, sys
from fanout import Publisher
from fanout.sockets import Pull
from tests.helpers.waiting import wait_until
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
with Publisher("tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20) as publisher, Pull() as pull:
    binds, has_met_it = {
        "bind": (publisher.bind, lambda: publisher.statistics().accept_pauses),
        "ingest": (publisher.ingest, lambda: publisher.ingest_statistics()[0].accept_pauses),
        "answer": (publisher.answer, lambda: publisher.answer_statistics()[0].accept_pauses),
        "pull": (pull.bind, lambda: pull.errors()),
    }[sys.argv[1]]
    host, port = binds("tcp://127.0.0.1:*").removeprefix("tcp://").split(":")
    has_ended, tell = os.pipe()
    if not os.fork():
        os.close(tell)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(1_024, hard), hard))
        strangers = [socket.create_connection((host, int(port))) for _ in range(300)]
        os.read(has_ended, 1)
        os._exit(0)
    wait_until(has_met_it, "no more are accepted")
    left = []
    try:
        while True:
            left.append(os.dup(0))
    except OSError:
        for descriptor in left:
            os.close(descriptor)
    print(len(left))
    os.close(tell)
    os.wait()
"""


@pytest.mark.parametrize("whose", ["bind", "ingest", "answer", "pull"])
def test_strangers_leave_the_program_the_last_ones(whose: str) -> None:
    assert int(output_of(LEFT, whose)) >= 256 // 8 - 1
