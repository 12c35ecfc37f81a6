"""Builds an engine's program into a cache, once for each state of its source."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from interoperation.registry import SOURCES, Engine

if TYPE_CHECKING:
    from collections.abc import Iterator

BUILD_SECONDS = 600.0
OUTPUT_TAIL = 400  # characters of a failed build that are shown
STAMP = ".built"
REPOSITORY = Path(__file__).parents[2]


class Left(Exception):
    """The engine is left out; the text says why."""


def cache_folder() -> Path:
    """Where builds are kept: FANOUT_INTEROP, or `.interop` in the repository."""
    return Path(os.environ.get("FANOUT_INTEROP") or REPOSITORY / ".interop")


def fingerprint(engine: Engine) -> str:
    """What a build depends on: the commands, and every file of the source."""
    digest = hashlib.sha256(repr((engine.build, engine.run, engine.python)).encode())
    for path in sorted(path for path in (SOURCES / engine.source).rglob("*") if path.is_file()):
        if "__pycache__" not in path.parts:
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def is_built(engine: Engine) -> bool:
    """Whether the cache has this engine, made from the source as it is now."""
    stamp = cache_folder() / engine.name / STAMP
    return stamp.is_file() and stamp.read_text() == fingerprint(engine)


def command_of(engine: Engine) -> list[str]:
    """How the built program is started, without its argument."""
    folder = cache_folder() / engine.name
    return [word.replace("{build}", str(folder)) for word in engine.run]


def build(engine: Engine) -> None:
    """Builds what is not built yet.

    Raises:
        Left: a toolchain is missing, or the build failed, as without a network.
    """
    missing = [program for program in engine.needs if shutil.which(program) is None]
    if missing:
        raise Left(f"{', '.join(missing)} not installed")
    python = find_python(engine.python) if engine.python else ""
    if is_built(engine):
        return
    folder = cache_folder() / engine.name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SOURCES / engine.source, folder)
    for step in engine.build:
        _run([word.replace("{python}", python) for word in step], folder)
    (folder / STAMP).write_text(fingerprint(engine))


def _run(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=BUILD_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Left(f"{command[0]}: {error}") from error
    if done.returncode:
        tail = " ".join(done.stdout.split())[-OUTPUT_TAIL:]
        raise Left(f"'{' '.join(command)}' ended with {done.returncode}: {tail}")


def find_python(version: str) -> str:
    """An interpreter of this version, such as "3.7": of the search path, or one of pyenv's.

    Raises:
        Left: there is none.
    """
    for candidate in _pythons(version):
        if _is_version(candidate, version):
            return str(candidate)
    raise Left(f"no Python {version}")


def _pythons(version: str) -> Iterator[Path]:
    found = shutil.which(f"python{version}")
    if found:
        yield Path(found)
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(root.glob(f"versions/{version}.*/bin/python"))


def _is_version(python: Path, version: str) -> bool:
    """pyenv puts programs in the search path that are not one of the versions in use."""
    try:
        done = subprocess.run(
            [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except OSError:
        return False
    return done.stdout.strip() == version
