"""What a worker process sets up for itself."""

from __future__ import annotations

import subprocess
import sys

from fanout.workers.main import TIMER_SLACK_NS
from tests.helpers.programs import ROOT

SLACK = """
from pathlib import Path
from fanout.workers.main import _keep_naps_short
_keep_naps_short()
print(Path("/proc/self/timerslack_ns").read_text())
"""


def test_sleeps_end_on_time() -> None:
    """In a process of its own, as it is the process that is set."""
    done = subprocess.run(
        [sys.executable, "-c", SLACK], cwd=ROOT, capture_output=True, text=True, timeout=30
    )

    assert done.stdout.strip() == str(TIMER_SLACK_NS), done.stderr
