"""What is built once is not built again, and what cannot be built says why."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from interoperation import building
from interoperation.building import Left, build, command_of, fingerprint, is_built
from interoperation.registry import Engine

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """One whose program is built by copying a file."""
    source = tmp_path / "engines" / "toy"
    source.mkdir(parents=True)
    (source / "program.py").write_text("print('ready')\n")
    monkeypatch.setattr(building, "SOURCES", tmp_path / "engines")
    monkeypatch.setenv("FANOUT_INTEROP", str(tmp_path / "cache"))
    copy = "import pathlib as p; p.Path('built').write_bytes(p.Path('program.py').read_bytes())"
    return Engine("toy", "Toy 1", "toy", ((sys.executable, "-c", copy),), ("{build}/built", "-x"))


def test_it_is_built_into_the_cache(engine: Engine, tmp_path: Path) -> None:
    assert not is_built(engine)
    build(engine)
    assert is_built(engine)
    assert command_of(engine) == [f"{tmp_path}/cache/toy/built", "-x"]
    assert (tmp_path / "cache" / "toy" / "built").read_text() == "print('ready')\n"
    assert [path.name for path in (tmp_path / "engines" / "toy").iterdir()] == ["program.py"]


def test_it_is_not_built_again_unless_its_source_has_changed(
    engine: Engine, tmp_path: Path
) -> None:
    build(engine)
    built = tmp_path / "cache" / "toy" / "built"
    built.write_text("mine")
    build(engine)
    assert built.read_text() == "mine"
    (tmp_path / "engines" / "toy" / "program.py").write_text("print('changed')\n")
    assert not is_built(engine)
    build(engine)
    assert built.read_text() == "print('changed')\n"


def test_another_way_to_build_is_another_build(engine: Engine) -> None:
    assert fingerprint(engine) != fingerprint(replace(engine, build=(("true",),)))


def test_a_missing_toolchain_leaves_it_out(engine: Engine) -> None:
    with pytest.raises(Left, match="no-such-compiler not installed"):
        build(replace(engine, needs=("no-such-compiler",)))


def test_a_missing_python_leaves_it_out(engine: Engine) -> None:
    with pytest.raises(Left, match=r"no Python 2\.99"):
        build(replace(engine, python="2.99"))


def test_a_build_that_fails_leaves_it_out_and_says_why(engine: Engine) -> None:
    step = (sys.executable, "-c", "import sys; sys.exit('no network')")
    with pytest.raises(Left, match=r"ended with 1: no network"):
        build(replace(engine, build=(step,)))
    assert not is_built(engine)
