"""The demonstration as a process: short, so the stalled subscriber may not be evicted yet."""

from __future__ import annotations

import subprocess
import sys

from tests.helpers.programs import ROOT
from tests.helpers.waiting import DEADLINE_S

SCRIPTS = ROOT / "scripts"


def test_healthy_subscribers_get_everything() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "demonstration", "--seconds", "2"],
        cwd=SCRIPTS,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "none missing, none twice, all in order" in " ".join(result.stdout.split())
    assert result.stderr == ""


def test_nonsense_is_a_usage_error() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "demonstration", "--seconds", "-1"],
        cwd=SCRIPTS,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert result.returncode == 2
