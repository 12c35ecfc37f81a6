"""Whether compiled parts are used: each if it is of these sources, and nobody wants Python."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import pytest

from fanout.compiled import BOXES_SOURCES, SOURCES
from tests.helpers.built import ARE_BOXES_BUILT, IS_BUILT, needs_boxes, needs_compiled
from tests.helpers.programs import ROOT
from tests.helpers.waiting import DEADLINE_S

ASK = """
import sys
if {hidden!r}:
    sys.modules["fanout._speed"] = sys.modules["fanout._boxes"] = None
from fanout.compiled import are_boxes_compiled, is_compiled
print(is_compiled(), is_compiled(), are_boxes_compiled(), are_boxes_compiled())
"""
PUBLISH = """
import fanout
import fanout.asyncio
from fanout.compiled import is_compiled
with fanout.Publisher(workers=1, log_bytes="1M") as publisher:
    with publisher.batch() as batch:
        batch.publish(b"t", b"x")
    print(fanout.__file__, publisher.statistics().compiled, publisher.publish(b"t", b"x"))
"""


def run(
    code: str, folder: Path = ROOT, **environment: str | None
) -> subprocess.CompletedProcess[str]:
    """What a program does in this folder.

    Args:
        environment: variables that are set in it, or None: not set.
    """
    given = {name: text for name, text in os.environ.items() if name not in environment}
    given |= {name: text for name, text in environment.items() if text is not None}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,  # where it looks for modules first
        env=given,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )


# What makes boxes, and a publisher that has nothing to do with them.
SEAL = """
import fanout
from fanout.security.sodium import Sodium
print(fanout.__file__, Sodium().stretches is not None, Sodium().stretches is not None)
"""


def share_bytecode(folder: Path) -> None:
    """What is linked need not be compiled again, where its bytecode is not beside it."""
    if sys.pycache_prefix is None:
        return
    kept, wanted = (
        Path(sys.pycache_prefix, path.relative_to("/"), "fanout") for path in (ROOT, folder)
    )
    wanted.mkdir(parents=True)
    for path in kept.iterdir() if kept.is_dir() else ():
        if path.is_dir():
            (wanted / path.name).symlink_to(path)


def copy_with(folder: Path, change: tuple[bytes, bytes], name: str = "_speed") -> Path:
    """A fanout whose compiled part differs from the one that is here in this; returns the part."""
    (folder / "fanout").mkdir()
    found = find_spec(f"fanout.{name}")
    assert found is not None
    assert found.origin is not None
    part = Path(found.origin)
    for path in (ROOT / "fanout").iterdir():
        if path.name not in (part.name, "__pycache__"):
            (folder / "fanout" / path.name).symlink_to(path)
    share_bytecode(folder)
    before = part.read_bytes()
    assert before.count(change[0]) == 1
    copy = folder / "fanout" / part.name
    copy.write_bytes(before.replace(*change))
    return copy


@pytest.mark.parametrize(
    ("value", "hidden", "is_wanted"),
    [
        (None, False, True),
        ("", False, True),
        ("0", False, True),
        ("1", False, False),
        (None, True, False),
    ],
)
def test_each_is_used_if_it_is_there_and_wanted(
    value: str | None, hidden: bool, is_wanted: bool
) -> None:
    done = run(ASK.format(hidden=hidden), FANOUT_PURE=value)

    expected = [is_wanted and IS_BUILT] * 2 + [is_wanted and ARE_BOXES_BUILT] * 2
    assert done.stdout.split() == list(map(str, expected))


def test_the_sources_that_are_expected_are_those_that_are_there() -> None:
    folder = ROOT / "fanout"
    sources = [folder / "_speed.c", *sorted(folder.glob("speed/*.h"))]
    digest = sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()

    assert digest.startswith(SOURCES), f'write SOURCES = "{digest[:16]}", and build it again'
    assert len(SOURCES) == 16
    boxes = sha256((folder / "_boxes.c").read_bytes()).hexdigest()
    assert boxes.startswith(BOXES_SOURCES), f'write BOXES_SOURCES = "{boxes[:16]}", and build it'
    assert len(BOXES_SOURCES) == 16


def test_what_is_returned_is_counted_whichever_headers_it_is_built_with() -> None:
    """Those of Python 3.12 and 3.13 have Py_RETURN_NONE count nothing, for 3.11 as well.

    What was built with them would take None from a Python 3.11, one by one, until it is freed.
    """
    folder = ROOT / "fanout"
    for path in (*folder.glob("*.c"), *folder.glob("speed/*.h")):
        assert "Py_RETURN_" not in path.read_text(encoding="utf-8"), path


@needs_compiled
@pytest.mark.parametrize(
    "change",
    [
        pytest.param((SOURCES.encode(), b"f" * len(SOURCES)), id="built from others"),
        pytest.param((b"\0sources\0", b"\0no_name\0"), id="from before it said from what"),
    ],
)
def test_one_of_other_sources_is_left_unused_and_that_is_said_once(
    tmp_path: Path, change: tuple[bytes, bytes]
) -> None:
    """As it is left over in a checkout that was changed since it was built."""
    part = copy_with(tmp_path, change)

    done = run(PUBLISH, tmp_path, FANOUT_PURE=None)

    assert done.stdout.split() == [str(tmp_path / "fanout" / "__init__.py"), "False", "1"]
    assert done.stderr.count("RuntimeWarning") == 1
    assert f"({part}) is left unused, since it was built from other sources" in done.stderr
    assert "pip install --editable ." in done.stderr


@needs_compiled
def test_nothing_is_said_of_one_that_nobody_wants(tmp_path: Path) -> None:
    copy_with(tmp_path, (SOURCES.encode(), b"f" * len(SOURCES)))

    done = run(PUBLISH, tmp_path, FANOUT_PURE="1")

    assert (done.stdout.split()[1:], done.stderr) == (["False", "1"], "")


@needs_compiled
def test_a_copy_of_the_right_one_is_used(tmp_path: Path) -> None:
    """Else what is said above of the others would hold of any."""
    copy_with(tmp_path, (SOURCES.encode(), SOURCES.encode()))

    done = run(PUBLISH, tmp_path, FANOUT_PURE=None)

    assert (done.stdout.split()[1:], done.stderr) == (["True", "1"], "")


@needs_boxes
def test_what_seals_is_left_unused_if_it_is_of_other_sources(tmp_path: Path) -> None:
    """And that is said once, to who has boxes alone: the rest is as it was."""
    part = copy_with(tmp_path, (BOXES_SOURCES.encode(), b"f" * len(BOXES_SOURCES)), "_boxes")

    done, other = run(SEAL, tmp_path, FANOUT_PURE=None), run(PUBLISH, tmp_path, FANOUT_PURE=None)

    assert done.stdout.split() == [str(tmp_path / "fanout" / "__init__.py"), "False", "False"]
    assert done.stderr.count("RuntimeWarning") == 1
    assert f"({part}) is left unused, since it was built from other sources" in done.stderr
    assert "CURVE takes up to twice as much" in done.stderr
    assert (other.stdout.split()[1:], other.stderr) == ([str(IS_BUILT), "1"], "")


@needs_boxes
@pytest.mark.parametrize(("value", "expected"), [(None, "True"), ("1", "False")])
def test_what_seals_is_used_if_it_is_wanted(value: str | None, expected: str) -> None:
    done = run(SEAL, FANOUT_PURE=value)

    assert (done.stdout.split()[1:], done.stderr) == ([expected] * 2, "")
