"""The distributions, built once: from a copy of the repository, and the wheel from the sdist.

The sdist is made as any build tool makes it, the wheel by `pip wheel .`, as users do.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.helpers.programs import ROOT
from tests.packaging.environments import Environment, pip_for, untouched_environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOT_OF_THE_PROJECT = shutil.ignore_patterns(
    ".git", ".venv*", ".coverage*", ".*_cache", ".hypothesis", "*.egg-info", "__pycache__",
    *("build", "dist", "htmlcov"),
)  # fmt: skip


WITHOUT_A_REGISTRY = ("--no-deps", "--no-build-isolation", "--no-index")


def build(kind: str, project: Path, into: Path, **variables: str) -> Path:
    """Build a `sdist` or `wheel` as any build tool does, with the setuptools that is here.

    Args:
        variables: of the environment, besides those that there are.
    """
    program = f"import sys; from setuptools.build_meta import *; build_{kind}(sys.argv[1])"
    into.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", program, str(into)],
        cwd=project,
        env={**untouched_environment(), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (found,) = into.iterdir()
    return found


def pip_wheel(project: Path, into: Path) -> Path:
    """Build a wheel by `pip wheel .`, with the setuptools that is here."""
    done = subprocess.run(
        [*pip_for(sys.executable), "wheel", *WITHOUT_A_REGISTRY, "--wheel-dir", str(into), "."],
        cwd=project,
        env=untouched_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = into.iterdir()
    return found


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source distribution."""
    folder = tmp_path_factory.mktemp("building")
    shutil.copytree(ROOT, folder / "project", symlinks=True, ignore=NOT_OF_THE_PROJECT)
    return build("sdist", folder / "project", folder / "sdist")


@pytest.fixture(scope="session")
def unpacked(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the project in the source distribution."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")  # the strictest there is
    (project,) = folder.iterdir()
    return project


@pytest.fixture(scope="session")
def wheel(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built from the source distribution by `pip wheel .`."""
    copy = tmp_path_factory.mktemp("wheel")
    shutil.copytree(unpacked, copy / "project", symlinks=True)
    return pip_wheel(copy / "project", copy / "wheel")


@pytest.fixture(scope="session")
def environment_of(
    wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Environment]:
    """Environments with the wheel and what it needs, by version; a test leaves one as it was."""

    @cache
    def made(version: str) -> Environment:
        environment = Environment(version, tmp_path_factory.mktemp("environment") / version)
        environment.install_with_dependencies(wheel)
        return environment

    return made
