"""Clean environments of the interpreters there are, and what is installed into them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.helpers.programs import ROOT

OURS = f"{sys.version_info.major}.{sys.version_info.minor}"
BASE = str(Path(sys.base_prefix, "bin", f"python{OURS}"))  # of which our environment was made
DEPENDENCIES = ("multiprocess", "dill", "msgpack", "psutil")


@cache
def interpreters() -> dict[str, str]:
    """Version and program of each Python that can be tried: the one of the tests, and others."""
    found = {OURS: sys.executable}
    for version in ("3.11", "3.12", "3.13"):
        pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
        # What pyenv has first on the path is a shell script that takes ten times as long.
        candidates = [str(each) for each in sorted(pyenv.glob(f"{version}.*/bin/python"))]
        candidates += [shutil.which(f"python{version}") or ""]
        for candidate in filter(None, candidates):
            if version not in found and _runs(candidate, "-c", ""):
                found[version] = candidate
    return found


def _runs(python: str, *arguments: str) -> bool:
    return subprocess.run([python, *arguments], capture_output=True, check=False).returncode == 0


def _has_pip(python: str) -> bool:
    return shutil.which(python) is not None and _runs(python, "-c", "import pip")


def untouched_environment() -> dict[str, str]:
    """Environment variables without what would lead to this tree, or measure another.

    Bytecode is looked for where it is for users, beside the sources: what is installed need not be
    compiled once more.
    """
    left_out = ("PYTHONPATH", "PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE", "COVERAGE")
    return {name: os.environ[name] for name in os.environ if not name.startswith(left_out)}


def pip_for(python: str, *, of: str = BASE) -> list[str]:
    """A command that runs pip on an environment that need not have it.

    Args:
        of: an interpreter that has it, perhaps: else ours has.
    """
    with_pip = next((one for one in (of, BASE) if _has_pip(one)), sys.executable)
    return [with_pip, "-m", "pip", "--disable-pip-version-check", "--python", python]


class Environment:
    """A virtual environment without pip; that of its interpreter installs into it, or else ours."""

    def __init__(self, version: str, folder: Path) -> None:
        self.python = str(folder / "bin" / "python")
        base = interpreters()[version]
        making = [base, "-m", "venv", "--without-pip", str(folder)]
        subprocess.run(making, env=untouched_environment(), check=True)
        self._pip = pip_for(self.python, of=base)  # ours may have been made without, as this one
        (self.site,) = folder.glob("lib/python*/site-packages")
        self.is_ours = version == OURS

    def run(self, *arguments: str, directory: Path) -> str:
        """What its interpreter prints; it must end well and have nothing to complain about."""
        done = subprocess.run(
            [self.python, *arguments],
            cwd=directory,
            env=untouched_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stderr, done.returncode) == ("", 0)
        return done.stdout

    def pip(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run pip on it."""
        return subprocess.run(
            [*self._pip, *arguments],
            env=untouched_environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def install(self, wheel: Path) -> None:
        """Install a wheel that needs nothing, or nothing that is not there by now."""
        done = self.pip("install", "--no-compile", "--no-index", "--no-deps", str(wheel))
        assert done.returncode == 0, done.stderr

    def install_with_dependencies(self, wheel: Path) -> None:
        """Install it; another Python's dependencies come from a registry, ours are what we have."""
        if self.is_ours:
            self._copy_dependencies()
            self.install(wheel)
            return
        self._install_from_registry(str(wheel))

    def install_with_oldest_dependencies(self, wheel: Path) -> None:
        """Install it, and of each that it needs the oldest version that it says is enough."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        oldest = [each.replace(">=", "==") for each in project["dependencies"]]
        self._install_from_registry(str(wheel), *oldest)

    def _install_from_registry(self, *what: str) -> None:
        done = self.pip("install", "--no-compile", "--only-binary", ":all:", *what)
        if "from versions: none" in done.stderr:
            pytest.skip("there is no package registry to install dependencies from")
        assert done.returncode == 0, done.stderr

    def _copy_dependencies(self) -> None:
        for name in DEPENDENCIES:
            for file in distribution(name).files or ():
                if ".." not in file.parts:
                    target = self.site / file
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(str(file.locate()), target)


def make_wheel(folder: Path, name: str, files: dict[str, str]) -> Path:
    """A wheel of somebody else's distribution."""
    info = f"{name}-1.0.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(file, text)
    return path
