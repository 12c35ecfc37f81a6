"""node with its package zeromq, for programs in JavaScript."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from interoperation import building
from interoperation.registry import SOURCES

if TYPE_CHECKING:
    from pathlib import Path

# The package brings its library. Where no registry answers, that is to be known soon.
NPM = ("--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=0", "--fetch-timeout=20000")
NPM_S = 120


def node_with_zeromq(folder: Path) -> str:
    """The node whose programs have the package in this folder; without it the test is skipped."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node")
    shutil.copy(SOURCES / "node" / "package.json", folder)  # the version that is tried elsewhere
    if _loads_zeromq(node, folder):
        return node
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("node has no package zeromq, and there is no npm")
    installed = subprocess.run(
        [npm, "install", *NPM], cwd=folder, capture_output=True, check=False, timeout=NPM_S
    )
    if installed.returncode or not _loads_zeromq(node, folder):
        words = " ".join(installed.stderr.decode(errors="replace").split())[-200:]
        pytest.skip(f"node has no package zeromq, and npm does not get it: {words}")
    return node


def _loads_zeromq(node: str, folder: Path) -> bool:
    """Whether a program in this folder has the package; one built for other tests is as good."""
    built = building.cache_folder() / "node" / "node_modules" / "zeromq"
    if built.is_dir() and not (folder / "node_modules").exists():
        (folder / "node_modules").symlink_to(built.parent)
    tried = [node, "-e", "require('zeromq')"]
    return not subprocess.run(tried, cwd=folder, capture_output=True, check=False).returncode
