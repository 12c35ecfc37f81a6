"""Workers of programs of all kinds: what they find on their path, and what they load of it."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from fanout.coordinator import spawn
from tests.helpers.command import ROOT
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from pathlib import Path

# A program of a user: a publisher starts, and delivers to a subscriber made of the least there is.
PROGRAM = """
import socket
import fanout
publisher = fanout.Publisher("tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20)
address, _, port = publisher.endpoints[0].removeprefix("tcp://").partition(":")
peer = socket.create_connection((address, int(port)), 60)
ready = b"\\x04\\x19\\x05READY\\x0bSocket-Type\\x00\\x00\\x00\\x03SUB"
greeting = b"\\xff" + bytes(8) + b"\\x7f\\x03\\x00" + b"NULL".ljust(52, b"\\0")
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
"""
NOT_THIS_ONE = "raise SystemExit('the wrong ' + __name__)\n"
WAYS = ["stdin", "-c", "-m", "script", "linked script", "folder"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with fanout and nothing else, as it is installed; no test changes it.

    It is compiled once, as by pip: each of the programs would do that for itself.
    """
    folder = tmp_path_factory.mktemp("installed") / "site"
    shutil.copytree(ROOT / "fanout", folder / "fanout")
    compiling = [sys.executable, "-m", "compileall", "-q", str(folder)]
    subprocess.run(compiling, env=environment_for(""), check=True)
    return str(folder)


def install(folder: Path, site: str) -> None:
    """Put a copy of fanout there: a link would lead back to what is beside the original."""
    shutil.copytree(f"{site}/fanout", folder / "fanout")


def environment_for(path: str) -> dict[str, str]:
    """Environment variables with a PYTHONPATH; bytecode is looked for beside the sources."""
    environment = {**os.environ, "PYTHONPATH": path}
    for name in ("COVERAGE_PROCESS_CONFIG", "PYTHONPYCACHEPREFIX"):  # no copies are measured
        environment.pop(name, None)
    return environment


def run(directory: Path, way: str, program: str, path: str = "") -> tuple[str, str, int]:
    """Run a program in a folder, with a PYTHONPATH; returns output, errors and exit status."""
    folder = directory / "scripts"
    folder.mkdir(exist_ok=True)
    (directory / "feed.py").write_text(program)
    (folder / "__main__.py").write_text(program)
    link = folder / "link.py"
    link.unlink(missing_ok=True)
    link.symlink_to("../feed.py")
    arguments = {
        "stdin": ["-"],
        "-c": ["-c", program],
        "-m": ["-m", "feed"],
        "script": ["feed.py"],
        "linked script": ["scripts/link.py"],
        "folder": ["scripts"],
    }[way]
    done = subprocess.run(
        [sys.executable, *arguments],
        input=program if way == "stdin" else "",
        cwd=directory,
        env=environment_for(path),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S * 2,
        check=False,
    )
    return done.stdout, done.stderr, done.returncode


def in_script_folders(directory: Path, name: str, text: str) -> None:
    """Write a file beside the script, whichever way of `WAYS` it is started."""
    for folder in (directory, directory / "scripts"):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize("way", ["stdin", "-c", "script"])
@pytest.mark.parametrize("theirs", ["workers.py", "workers/__init__.py", "workers/main.py"])
def test_users_have_workers_of_their_own(way: str, theirs: str, tmp_path: Path, site: str) -> None:
    """With a module, a package, and a folder without `__init__.py`; no main guard is needed."""
    in_script_folders(tmp_path, theirs, "mine = True\n")
    module = theirs.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    program = f"{PROGRAM}\nfrom {module} import mine\nprint(mine)\n"
    assert run(tmp_path, way, program, site) == ("True\n", "", 0)


@pytest.mark.parametrize("way", WAYS)
def test_files_beside_the_script_do_not_stand_for_the_standard_library(
    way: str, tmp_path: Path, site: str
) -> None:
    """Names that a worker needs, and that the publisher's process has had before it is started."""
    for name in ("signal", "resource", "array", "asyncio", "pathlib", "random", "queue", "msgpack"):
        in_script_folders(tmp_path, f"{name}.py", NOT_THIS_ONE)
    early = (
        "import sys; first = sys.path.pop(0)\n"
        "import fanout, fanout.publisher, random, queue, multiprocess, msgpack, psutil, array\n"
        "import asyncio, dill, resource, multiprocess.popen_spawn_posix\n"
        "sys.path.insert(0, first)\n"
    )
    assert run(tmp_path, way, early + PROGRAM, site) == ("", "", 0)


@pytest.mark.parametrize("way", WAYS)
def test_fanout_and_what_it_needs_may_be_vendored_beside_the_script(
    way: str, tmp_path: Path, site: str
) -> None:
    folder = tmp_path / "scripts" if way == "folder" else tmp_path
    install(folder, site)
    program = "import fanout; print(fanout.__file__)\n" + PROGRAM
    assert run(tmp_path, way, program) == (f"{folder / 'fanout' / '__init__.py'}\n", "", 0)


def test_the_worker_loads_the_fanout_of_the_parent(tmp_path: Path, site: str) -> None:
    """Also when another one comes before it on the path by then."""
    other = tmp_path / "other"
    (other / "fanout").mkdir(parents=True)
    (other / "fanout" / "__init__.py").write_text(NOT_THIS_ONE)
    program = f"import fanout, sys; sys.path.insert(0, {str(other)!r})\n{PROGRAM}"
    assert run(tmp_path, "script", program, site) == ("", "", 0)


def test_packages_after_the_standard_library_do_not_stand_for_it(tmp_path: Path, site: str) -> None:
    """Old packages of such names are on PyPI, and are dragged in by others."""
    packages = tmp_path / "site"
    install(packages, site)
    for name in ("asyncio", "pathlib", "typing", "dataclasses", "selectors"):
        (packages / f"{name}.py").write_text(NOT_THIS_ONE)
    program = f"import sys; sys.path.append({str(packages)!r})\n{PROGRAM}"
    assert run(tmp_path, "script", program) == ("", "", 0)


def test_entries_that_cannot_be_looked_at_are_skipped(tmp_path: Path, site: str) -> None:
    """Root may look at everything, so this has what raises for anybody."""
    program = f"""
import sys
from pathlib import Path

sys.path[1:1] = ["x" * 300, "y/" * 3000, None, b"bytes", Path("path"), 7]
import fanout.publisher
sys.path += ["nul\\0", "\\ud800"]  # Python itself stumbles over them, once it comes so far
{PROGRAM}"""
    assert run(tmp_path, "script", program, site) == ("", "", 0)


def test_no_entry_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder may hang (a network's) or refuse; Python looks when it has to."""

    def refuse(path: object, *_: object, **__: object) -> None:
        raise PermissionError(path)

    with monkeypatch.context() as here:
        here.setattr(sys, "path", ["one", "other"])
        for name in ("stat", "lstat", "access"):
            here.setattr(os, name, refuse)
        assert spawn.path_for_workers() == ["one", "other"]


# Has the worker write its path, what its boot has loaded, and how much of that the collector of
# garbage looks through, to standard output.
TELL = """
import sys
from fanout.coordinator import spawn
before, it, last = spawn._BOOT.rpartition("sys.exit(")
told = "(sys.path, sorted({*sys.modules} - started_with), len(gc.get_objects()))"
report = f"print(repr({told}), flush=True); "
spawn._BOOT = "import sys; started_with = {*sys.modules}\\n" + before + report + it + last
"""


def test_the_order_is_the_parents(tmp_path: Path, site: str) -> None:
    program = f"""
{TELL}
sys.path.insert(1, "early")
sys.path.append("late")
{PROGRAM}
print(sys.path)
"""
    output, errors, status = run(tmp_path, "script", program, site)
    assert (errors, status) == ("", 0)
    (theirs, *_), ours = map(ast.literal_eval, output.splitlines())
    assert ours[:3] == [str(tmp_path), "early", site]
    assert theirs == [*ours[1:], ours[0]]


# What a worker may load of fanout; all else is for those who publish.
PACKAGES_OF_WORKERS = {"basics", "control", "shm", "terms", "workers", "zmtp"}
FILES_OF_WORKERS = {"_platform", "errors", "options", "reasons"}
OF_BASICS = {"cores", "descriptors", "exits", "records", "system_calls", "units"}
OF_TERMS = {
    *("arguments", "introduction", "last_values", "option_fields", "peer_budget", "reserved"),
    *("shares", "slow_options", "slow_policy"),
}
# Not what listens.
OF_TRANSPORT = {
    *("fanout.transport", "fanout.transport.kernel", "fanout.transport.left_file"),
    "fanout.transport.socket_queues",
}
# Of what is beyond it, because of its size or because it belongs to the publishing side.
TOO_LARGE = {
    *("multiprocess", "multiprocessing", "psutil", "dill", "pickle", "ssl", "_ssl", "ctypes"),
    *("json", "pathlib", "random", "tempfile", "difflib", "ipaddress", "urllib", "platform"),
    *("inspect", "ast", "dis", "subprocess", "locale"),
}


def test_a_worker_loads_nothing_of_the_publishing_side(tmp_path: Path, site: str) -> None:
    """Nor anything large that it has no use for; hooks of the interpreter's start do not count."""
    output, errors, status = run(tmp_path, "script", TELL + PROGRAM, site)
    assert (errors, status) == ("", 0)
    _, modules, collectable = ast.literal_eval(output)
    names = {name for name in modules if name.startswith("fanout.")} - OF_TRANSPORT
    assert {name for name in names if name.startswith("fanout.basics.")} == {
        f"fanout.basics.{name}" for name in OF_BASICS
    }
    assert {name for name in names if name.startswith("fanout.terms.")} == {
        f"fanout.terms.{name}" for name in OF_TERMS
    }
    ours = {name.split(".")[1] for name in names}
    assert ours <= PACKAGES_OF_WORKERS | FILES_OF_WORKERS
    assert ours >= PACKAGES_OF_WORKERS
    assert {name.partition(".")[0] for name in modules} & TOO_LARGE == set()
    assert collectable < 1_000


# Has every callback of every loop count as slow, if it is asked whether any is.
IMPATIENT = """
import asyncio

class Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self):
        loop = super().new_event_loop()
        loop.slow_callback_duration = 0
        return loop

asyncio.set_event_loop_policy(Policy())
"""


@pytest.mark.parametrize("how", ["-X dev", "PYTHONASYNCIODEBUG"])
def test_a_worker_is_not_debugged_because_the_program_is(
    how: str, tmp_path: Path, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would tell of its slow turns, on the standard error that it shares with the program."""
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks" / "sitecustomize.py").write_text(IMPATIENT)
    monkeypatch.setenv("PYTHONDEVMODE" if how == "-X dev" else how, "1")
    path = f"{tmp_path / 'hooks'}{os.pathsep}{site}"
    assert run(tmp_path, "script", PROGRAM, path) == ("", "", 0)
