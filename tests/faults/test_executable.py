"""Programs that are no Python, which cannot start workers by their own executable."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from fanout import Publisher, StartupError
from tests.helpers.programs import ROOT, Program, holdings, require_holdings
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from pathlib import Path

WAY_OUT = r"name a Python that has fanout by multiprocess\.set_executable\(\)"


@pytest.mark.parametrize(
    ("executable", "problem"),
    [
        (None, "sys.executable is empty"),
        (b"", "sys.executable is empty"),
        (b"/no/python", "'/no/python' .* is no file that can be executed"),
        (b"/etc/passwd", "'/etc/passwd' .* is no file that can be executed"),
        (b"/bin", "'/bin' .* is no file that can be executed"),
    ],
)
def test_without_a_python_nothing_is_started(
    executable: bytes | None, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("multiprocess.spawn.get_executable", lambda: executable)
    before = holdings()
    with pytest.raises(StartupError, match=f"{problem}; {WAY_OUT}") as caught:
        Publisher(workers=1)
    assert caught.value.exit_code is None
    require_holdings(before)


def test_a_frozen_program_refuses_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    before = holdings()
    with pytest.raises(StartupError, match=f"frozen.*in place of a worker; .* {WAY_OUT}"):
        Publisher(workers=1)
    require_holdings(before)


def test_a_frozen_program_may_name_a_python(tmp_path: Path) -> None:
    """Its own modules are of no use there."""
    source = """
import sys, multiprocess, psutil
from fanout import Publisher
from fanout.coordinator import spawn
python, sys.executable, sys.frozen = sys.executable, "/no/frozen/program", True
spawn.__file__ = "/no/frozen/fanout/coordinator/spawn.py"
sys.path[:] = ["/no/frozen/base_library.zip"]
multiprocess.set_executable(python)
with Publisher(workers=1, log_bytes=1 << 20) as publisher:
    print(publisher.publish(b"a", b"b"))
"""
    with Program(["-c", source], tmp_path) as program:
        assert program.finish() == ("0\n", "")


# Runs its own script whatever it is told, as a program does that embeds Python; counts its runs.
EMBEDDING = """\
#!/bin/sh
echo run >> {runs}
exec {python} -c '
import sys
sys.executable = "{program}"
import fanout
fanout.Publisher(workers=1, log_bytes=1 << 20)
' "$@"
"""


def test_a_program_that_is_run_in_place_of_a_worker_runs_no_more(tmp_path: Path) -> None:
    """That it is no Python is not to be seen from outside."""
    runs, path = tmp_path / "runs", tmp_path / "program"
    path.write_text(EMBEDDING.format(runs=runs, python=sys.executable, program=path))
    path.chmod(0o755)
    done = subprocess.run(
        [path],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 1
    assert "run in place of a worker" in done.stderr
    assert "StartupError: worker 0 did not start: exit status 1" in done.stderr
    assert runs.read_text() == "run\n" * 2
