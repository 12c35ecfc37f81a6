"""Programs in which somebody else collects exit statuses, or that may not kill their workers."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.helpers.programs import Program

if TYPE_CHECKING:
    from pathlib import Path

SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "continue": signal.SIGCONT}
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up rights")


@pytest.mark.parametrize(
    "how",
    [
        *("sigchld ignored", "a thread reaps", "double fork", "kills refused"),
        *("kills refused, one hangs while it runs", "kills refused, one hangs at the end"),
        pytest.param("rights given up, one hangs at the end", marks=needs_root),
    ],
)
def test_workers_are_lost_replaced_and_released_whoever_reaps_them(
    how: str, tmp_path: Path
) -> None:
    with Program(["-m", "tests.faults.reaping", how], tmp_path) as program:
        while (line := program.line()) != "done":
            what, pid = line.split()
            os.kill(int(pid), SIGNALS[what])
            program.say()
