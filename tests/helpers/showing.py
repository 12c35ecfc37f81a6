"""What a publisher shows of itself to those around it, where no secret is to be found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.helpers.command import ROOT
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from fanout import Publisher


def shown_by(publisher: Publisher) -> tuple[list[str], bytes]:
    """Its repr, and command line and environment of a worker; and its shared memory.

    A core file of the worker would have all that it knows: there is to be none.
    """
    process = Path(f"/proc/{publisher.statistics().workers[0].pid}")
    texts = [(process / name).read_text("latin-1") for name in ("cmdline", "environ")]
    limits = (process / "limits").read_text()
    assert "Max core file size        0                    0" in limits
    return [repr(publisher), *texts], bytes(publisher._engine._coordinator.segment.words)


def top_of(name: str) -> Any:
    """What `fanout top` shows of the publisher with this name."""
    shown = ("top", "--once", "--json", "--interval", "0", "--name", name)
    done = subprocess.run(
        [sys.executable, "-m", "fanout", *shown],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
