"""A limit of open files that is too low for a start: named with what to do, whatever it hits."""

from __future__ import annotations

import subprocess
import sys

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


def test_each_limit_that_is_too_low_says_what_to_do() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_S,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    *failures, last = done.stdout.splitlines()
    assert last == "none"
    assert len(failures) >= 10
    assert [text for text in failures if "raise the limit (`ulimit -n`)" not in text] == []
