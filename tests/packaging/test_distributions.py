"""What users and packagers get: a wheel and a source distribution that are whole, and no more."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.programs import ROOT
from tests.packaging.conftest import build
from tests.packaging.environments import (
    Environment,
    interpreters,
    make_wheel,
    untouched_environment,
)

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

OLDEST = "3.11"  # for which all that is needed has wheels in the oldest version, too
# A publisher that delivers to the least of a subscriber; then whose `workers` it is.
PROGRAM = """
import socket
import fanout
publisher = fanout.Publisher("tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20)
host, _, port = publisher.endpoints[0].removeprefix("tcp://").partition(":")
peer = socket.create_connection((host, int(port)), 60)
greeting = b"\\xff" + bytes(8) + b"\\x7f\\x03\\x00" + b"NULL".ljust(52, b"\\0")
ready = b"\\x04\\x19\\x05READY\\x0bSocket-Type\\x00\\x00\\x00\\x03SUB"
peer.sendall(greeting + ready + b"\\x00\\x02\\x01a")
publisher.wait_for_subscribers(1, topic=b"a", timeout=60)
publisher.publish(b"a", b"delivered")
received = b""
while not received.endswith(b"delivered"):
    more = peer.recv(4096)
    assert more, received
    received += more
peer.close()
publisher.close()
try:
    from workers.main import whose
except ImportError as error:
    whose = error.name
print(whose)
"""
# Files of tests that run in the source distribution, and how. Asserts are plain: rewriting those of
# all files takes twice as long as all the rest.
SOME = ("test_structure", "test_cohorts", "test_pump", "test_session")
LOAD_ALL_AND_RUN_SOME = """
import sys
from importlib import import_module
from pathlib import Path
import pytest
sys.path[:0] = [str(Path.cwd()), str(Path("scripts").resolve())]
every = sorted(Path("tests").rglob("*.py"))
for path in every:
    if path.name != "__main__.py":
        import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
print(len(every), flush=True)
some = [str(path) for path in every if path.name.startswith(tuple(sys.argv[1:]))]
assert len(some) >= len(sys.argv[1:]), some
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "--assert=plain", *some]))
"""
RELATIVE = re.compile(
    r"""\]\((?!https?://|mailto:|\#)   # [text](docs/page.md), ![picture](docs/image.png)
    | ^\[[^\]]+\]:\s+(?!https?://)     # [name]: docs/page.md
    | (?:src|href)=["'](?!https?://|\#)""",
    re.MULTILINE | re.VERBOSE,
)


def names_in(archive: Path) -> set[str]:
    """Paths of the files in a wheel."""
    with zipfile.ZipFile(archive) as opened:
        return set(opened.namelist())


def metadata_of(wheel: Path) -> tuple[str, str]:
    """Name and description."""
    with zipfile.ZipFile(wheel) as opened:
        (name,) = (name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
        message = message_from_bytes(opened.read(name))
    payload = message.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert message["Description-Content-Type"] == "text/markdown"
    return message["Name"], payload.decode()


def sources_of(folder: Path, *patterns: str) -> set[str]:
    """Paths of the files of the project that match, without what is made of them."""
    found = (path for pattern in patterns for path in folder.glob(pattern))
    return {
        path.relative_to(folder).as_posix()
        for path in found
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".so"
    }


def test_the_wheel_has_nothing_at_top_level_but_fanout(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in names_in(wheel)}
    assert tops == {"fanout", next(top for top in tops if top.endswith(".dist-info"))}


def test_the_wheel_has_all_of_the_product(wheel: Path) -> None:
    workers = {f"fanout/{name}" for name in sources_of(ROOT, "workers/**/*.py")}
    expected = sources_of(ROOT, "fanout/**/*.py", "fanout/**/*.pyi") | workers | {"fanout/py.typed"}
    if shutil.which("cc"):  # else it was left out
        expected |= {"fanout/_boxes.abi3.so", "fanout/_speed.abi3.so"}
    assert workers
    assert {name for name in names_in(wheel) if name.startswith("fanout/")} == expected


def test_without_a_compiler_it_is_built_all_the_same(unpacked: Path, tmp_path: Path) -> None:
    """Compiled parts are left out; a compiler that fails is as good as none."""
    shutil.copytree(unpacked, tmp_path / "project", symlinks=True)
    wheel = build("wheel", tmp_path / "project", tmp_path / "wheel", CC="false")
    names = ("fanout/_boxes", "fanout/_speed")
    parts = [name for name in names_in(wheel) if name.startswith(names)]
    assert sorted(parts) == ["fanout/_boxes.pyi", "fanout/_speed.pyi"]


def test_the_description_is_readable_without_its_neighbours(wheel: Path) -> None:
    name, description = metadata_of(wheel)
    assert name == "fanout-zmq"
    assert description.startswith("# fanout\n")
    assert RELATIVE.findall(description) == []
    assert RELATIVE.findall((ROOT / "README.md").read_text(encoding="utf-8"))  # it can find them


def test_the_sdist_is_the_repository(unpacked: Path) -> None:
    folders = ("fanout", "workers", "tests", "docs", "scripts", "examples", ".ci", ".github")
    patterns = [f"{folder}/**/*" for folder in folders]
    patterns += ["*.md", "pyproject.toml", "setup.py", "LICENSE", ".gitignore"]
    assert sources_of(unpacked, *patterns) == sources_of(ROOT, *patterns)
    assert (unpacked / "fanout" / "workers").readlink() == Path("../workers")


def test_the_sdist_holds_each_file_once(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
    assert [name for name in names if "/fanout/workers/" in name] == []
    assert len(names) == len(set(names))


def test_the_tests_in_the_sdist_run(unpacked: Path) -> None:
    """All are there to be run; a few run, those that look at the tree itself among them.

    To have pytest collect all that these files define would take twice as long, and say no more of
    the sdist: that what they import, read and look for while they are loaded is in it.
    """
    done = subprocess.run(
        [sys.executable, "-c", LOAD_ALL_AND_RUN_SOME, *SOME],
        cwd=unpacked,
        env=untouched_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    loaded = int(done.stdout.partition("\n")[0])
    assert loaded == len(sources_of(ROOT, "tests/**/*.py")), "not all were loaded"


def programs(folder: Path) -> tuple[Path, Path, Path]:
    """A program on its own, one with a folder `workers` beside it, and one with a package.

    The folder has no `__init__.py`, the package has one.
    """
    alone, beside, packed = (folder / name / "program.py" for name in ("alone", "beside", "packed"))
    for path in (alone, beside, packed):
        path.parent.mkdir()
        path.write_text(PROGRAM)
    for path in (beside, packed):
        (path.parent / "workers").mkdir()
        (path.parent / "workers" / "main.py").write_text(f"whose = {path.parent.name!r}\n")
    (packed.parent / "workers" / "__init__.py").write_text("")
    return alone, beside, packed


@pytest.mark.parametrize("version", sorted(interpreters()))
def test_users_have_workers_beside_their_program(
    version: str, environment_of: Callable[[str], Environment], tmp_path: Path
) -> None:
    environment = environment_of(version)
    alone, beside, packed = programs(tmp_path)
    assert environment.run(str(alone), directory=alone.parent) == "workers\n"
    assert environment.run(str(beside), directory=beside.parent) == "beside\n"
    assert environment.run(str(packed), directory=packed.parent) == "packed\n"


@pytest.mark.parametrize("version", [one for one in interpreters() if one == OLDEST])
def test_the_oldest_dependencies_that_it_names_are_enough(
    version: str, wheel: Path, tmp_path: Path
) -> None:
    environment = Environment(version, tmp_path / "oldest")
    environment.install_with_oldest_dependencies(wheel)
    alone, *_ = programs(tmp_path)
    assert environment.run(str(alone), directory=alone.parent) == "workers\n"


@pytest.mark.parametrize("version", sorted(interpreters()))
def test_users_have_workers_installed(
    version: str, environment_of: Callable[[str], Environment], tmp_path: Path
) -> None:
    """By a distribution that has them at top level, and takes them with it when it goes."""
    environment = environment_of(version)
    alone, *_ = programs(tmp_path)
    theirs = {"workers/__init__.py": "", "workers/main.py": "whose = 'installed'\n"}
    environment.install(make_wheel(tmp_path, "workers", theirs))
    assert environment.run(str(alone), directory=alone.parent) == "installed\n"
    removed = environment.pip("uninstall", "--yes", "workers")
    assert removed.returncode == 0, removed.stderr
    assert environment.run(str(alone), directory=alone.parent) == "workers\n"
    assert (environment.site / "fanout" / "workers" / "main.py").is_file()
