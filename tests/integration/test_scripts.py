"""The scripts answer what they can without installing anything, and take no half-written option."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.helpers.command import ROOT
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCRIPTS = ROOT / "scripts"
HELP = {
    "bench": "limit ",
    "soak hostile": "sleepers",
    "demo": "--seconds",
    "interop": "rust-zeromq",
    "options": "fanout/terms/option_arguments.py",
    "picture": "scripts/picture FILE",
    "test": "scripts/test --quick",
}


def ask(tmp_path: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What it says where no environment is, with a Python that has no packages."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    python.chmod(0o755)
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return subprocess.run(
        [SCRIPTS / script, *arguments],
        env={**kept, "FANOUT_VENV": str(tmp_path / "none"), "FANOUT_PYTHON": str(python)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


@pytest.mark.parametrize(("script", "words"), HELP.items(), ids=HELP)
def test_help_comes_before_anything_is_installed(tmp_path: Path, script: str, words: str) -> None:
    done = ask(tmp_path, *script.split(), "--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert words in done.stdout
    assert not (tmp_path / "none").exists()


def parsers(path: Path) -> Iterator[ast.Call]:
    text = path.read_text("utf-8")
    for node in ast.walk(ast.parse(text)) if "argparse" in text else ():
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("ArgumentParser", "add_parser"):
                yield node


def test_no_option_can_be_cut_short() -> None:
    """What is short for one today may be short for two tomorrow."""
    found = [
        (path, {word.arg: ast.unparse(word.value) for word in call.keywords})
        for path in SCRIPTS.rglob("*.py")
        for call in parsers(path)
    ]
    assert len(found) > 4
    assert [path for path, words in found if words.get("allow_abbrev") != "False"] == []
