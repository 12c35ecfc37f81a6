"""What a worker is started with: its path, and its command; and when there is no Python to do so.

`tests/integration/test_starting_workers.py` starts them.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from multiprocess import process
from multiprocess import spawn as python

from fanout.coordinator import spawn
from fanout.errors import StartupError
from tests.helpers.command import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PATH_MAX = 4096


def started_as(monkeypatch: pytest.MonkeyPatch, **attributes: object) -> None:
    """Have the main module look as one that was started in some way."""
    main = ModuleType("__main__")
    vars(main).update(attributes)
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(process, "ORIGINAL_DIR", "/began/here")


SCRIPT = {"__file__": "/feeds/feed.py", "__spec__": None}
FOLDER = {"__file__": "/feeds/__main__.py", "__spec__": SimpleNamespace(name="__main__")}
MODULE = {"__file__": "/feeds/feed.py", "__spec__": SimpleNamespace(name="feed")}
COMMAND: dict[str, object] = {"__spec__": None}  # -c, and standard input


@pytest.mark.parametrize(
    ("main", "folder"),
    [
        (SCRIPT, "/feeds"),
        (FOLDER, "/feeds"),
        (MODULE, "/began/here"),
        (MODULE, ""),
        (COMMAND, "/began/here"),
        (COMMAND, ""),
    ],
)
def test_the_folder_of_the_script_comes_last(
    main: dict[str, object], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started_as(monkeypatch, **main)
    monkeypatch.setattr(sys, "path", [folder, "/early", "/lib", "/site"])

    assert spawn.path_for_workers() == ["/early", "/lib", "/site", folder]


@pytest.mark.parametrize(
    ("main", "other"), [(SCRIPT, "/began/here"), (SCRIPT, ""), (MODULE, "/feeds")]
)
def test_another_folder_stays_where_the_program_has_it(
    main: dict[str, object], other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started_as(monkeypatch, **main)
    monkeypatch.setattr(sys, "path", [other, "/lib"])

    assert spawn.path_for_workers() == [other, "/lib"]


def test_the_folder_of_a_linked_script_is_that_of_the_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python puts the folder of the file on the path, a zip's is that of its own name."""
    real = tmp_path.resolve()
    for name in ("real", "bin"):
        (real / name).mkdir()
    (real / "real" / "feed.py").touch()
    (real / "bin" / "feed").symlink_to(real / "real" / "feed.py")
    started_as(monkeypatch, __file__=str(real / "bin" / "feed"), __spec__=None)
    monkeypatch.setattr(sys, "path", [str(real / "real"), str(real / "bin"), "/lib"])

    assert spawn.path_for_workers() == ["/lib", str(real / "real"), str(real / "bin")]


def test_entries_are_handed_over_once_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    started_as(monkeypatch, **SCRIPT)
    monkeypatch.setattr(sys, "path", ["/b", "/feeds", "/a", "/b", "/feeds", "/c", "/a"])

    assert spawn.path_for_workers() == ["/b", "/a", "/c", "/feeds"]


@pytest.mark.parametrize("entry", [None, 7, b"/bytes", "/nul\0", "/\ud800", "/" + "x" * PATH_MAX])
def test_what_is_no_argument_is_left_out(entry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    started_as(monkeypatch, **SCRIPT)
    monkeypatch.setattr(sys, "path", ["/one", entry, "/other"])

    assert spawn.path_for_workers() == ["/one", "/other"]


@pytest.mark.parametrize(("size", "is_kept"), [(PATH_MAX - 1, True), (PATH_MAX, False)])
def test_the_length_of_an_entry_is_that_of_its_bytes(
    size: int, is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    started_as(monkeypatch, **SCRIPT)
    entry = "ü" + "x" * (size - len(os.fsencode("ü")))
    monkeypatch.setattr(sys, "path", [entry])

    assert spawn.path_for_workers() == [entry] * is_kept


def test_names_that_are_no_text_are_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder's name may have any bytes; Python has them as lone surrogates."""
    started_as(monkeypatch, **SCRIPT)
    monkeypatch.setattr(sys, "path", [os.fsdecode(b"/\xff")])

    assert spawn.path_for_workers() == [os.fsdecode(b"/\xff")]


def test_a_frozen_program_hands_no_path_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)

    assert spawn.path_for_workers() == []


# ---------------------------------------------------------------- the command


def test_the_command_names_the_worker_and_hands_over_what_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started_as(monkeypatch, **SCRIPT)
    monkeypatch.setattr(sys, "path", ["/feeds", "/lib"])
    monkeypatch.setattr(python, "get_executable", lambda: b"/usr/bin/python")

    worker = spawn.WorkerProcess(3, 17)
    before, boot, after = split(worker.command())

    assert worker.name == "fanout-worker-3"
    assert before[0] == "/usr/bin/python"
    assert before[-2:] == ["-P", "-c"], "no folder of the current one, whatever the program has"
    assert after == ["fanout-worker-3", "17", str(ROOT), "/lib", "/feeds"]
    compile(boot, "boot", "exec")


def test_the_flags_of_this_python_are_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "warnoptions", ["ignore:of the program"])

    before, _, _ = split(spawn.WorkerProcess(0, 3).command())

    assert "-Wignore:of the program" in before


def split(command: list[str]) -> tuple[list[str], str, list[str]]:
    """What comes before the program that is run, it, and its arguments."""
    index = command.index("-c") + 1
    return command[:index], command[index], command[index + 1 :]


# ---------------------------------------------- whether there is a Python


@pytest.fixture
def executable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that workers are to be run by."""
    path = tmp_path / "python"
    path.touch(0o755)
    monkeypatch.setattr(python, "get_executable", lambda: os.fsencode(path))
    return path


def test_a_file_that_can_be_executed_is_taken_for_a_python(executable: Path) -> None:
    spawn.check_python()

    executable.chmod(0o644)
    with pytest.raises(StartupError, match="is no file that can be executed"):
        spawn.check_python()


@pytest.mark.parametrize("given", [None, "", b""])
def test_without_a_name_there_is_none(
    given: str | bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(python, "get_executable", lambda: given)

    with pytest.raises(StartupError, match=r"sys.executable is empty.*set_executable"):
        spawn.check_python()


def test_a_folder_is_none(executable: Path) -> None:
    executable.unlink()
    executable.mkdir()

    with pytest.raises(StartupError, match="is no file that can be executed"):
        spawn.check_python()


def test_a_frozen_program_is_none_unless_another_is_named(
    executable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    spawn.check_python()

    monkeypatch.setattr(sys, "executable", str(executable))
    with pytest.raises(StartupError, match="this program is frozen"):
        spawn.check_python()
