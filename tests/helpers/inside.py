"""Code that runs inside worker processes before anything of fanout does, without a hook in it.

Python imports `sitecustomize` from its path when it starts, and workers inherit that path.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

ONLY_IN_WORKERS = """\
with open("/proc/self/cmdline") as file:
    is_worker = "fanout-worker-" in file.read()
if is_worker:
    exec(%r)
"""

# The worker sets a timer ten times a second: when it does and `path` exists, `act` is run.
WHEN_IT_SETS_A_TIMER = """\
import asyncio, os
call_later = asyncio.BaseEventLoop.call_later
def call_later_or_act(loop, *arguments, **more):
    if os.path.exists({path!r}):
        act()
    return call_later(loop, *arguments, **more)
asyncio.BaseEventLoop.call_later = call_later_or_act
"""


def run_in_workers(source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have workers that are started from now on run `source` first."""
    (folder / "sitecustomize.py").write_text(ONLY_IN_WORKERS % source)
    before = os.environ.get("PYTHONPATH")
    path = f"{folder}{os.pathsep}{before}" if before else str(folder)
    monkeypatch.setenv("PYTHONPATH", path)


def run_at_the_next_timer(source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As `run_in_workers`, but `source` defines `act`, which is run when they set a timer.

    Returns:
        A path: it begins when there is a file.
    """
    trigger = folder / "now"
    run_in_workers(source + WHEN_IT_SETS_A_TIMER.format(path=str(trigger)), folder, monkeypatch)
    return trigger
