"""Elsewhere than on Linux: one clear error, before anything else fails."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from fanout import Publisher, StartupError
from tests.helpers.programs import ROOT

ELSEWHERE = """
import fcntl, os, select, sys
import multiprocess.popen_spawn_posix, psutil  # they have a version for each platform
sys.platform = {platform!r}
sys.modules["termios"] = sys.modules["resource"] = None
del fcntl.F_SEAL_SHRINK, os.memfd_create, os.uname, select.epoll
try:
    import fanout
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_the_import_says_where_it_runs(platform: str) -> None:
    program = ELSEWHERE.format(platform=platform)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    expected = f"fanout runs on Linux (x86-64 and aarch64), not on {platform}\n"
    assert (done.stdout, done.stderr) == (expected, "")


def test_another_processor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.uname", lambda: SimpleNamespace(machine="riscv64"))
    with pytest.raises(StartupError, match=r"x86-64 and aarch64\), not on riscv64"):
        Publisher("tcp://127.0.0.1:*")
