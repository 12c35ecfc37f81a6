"""What is compiled for the benchmark, and what becomes of what cannot be."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers import PEERS, programs
from benchmarks.peers.programs import PROGRAMS, build_programs, find_libzmq, why_left

if TYPE_CHECKING:
    import pytest


def test_every_program_has_a_peer_and_every_compiled_peer_a_program() -> None:
    assert {kind.program for kind in PEERS.values()} - {""} == PROGRAMS.keys()
    for kind in PEERS.values():
        if kind.program:
            assert dict(kind.options)["threads"] in (1, 2)


def test_every_program_has_a_source_and_a_place_of_its_own() -> None:
    folders = [Path(program.source) for program in PROGRAMS.values()]
    assert all(folder.is_dir() for folder in folders)
    assert len({program.name for program in PROGRAMS.values()}) == len(PROGRAMS)
    assert len({program.run for program in PROGRAMS.values()}) == len(PROGRAMS)


def test_versions_are_pinned_and_named() -> None:
    titles = {program.title for program in PROGRAMS.values()}
    for engine in ("omq-tokio", "rzmq", "monocoque-rs", "zeromq"):
        [version] = {title.split()[1] for title in titles if title.split()[0] == engine}
        manifests = Path(PROGRAMS["omq"].source).glob("*/Cargo.toml")
        [manifest] = [text for path in manifests if f"\n{engine} = " in (text := path.read_text())]
        assert f'"={version}"' in manifest


def test_one_that_cannot_be_built_is_left_out_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    steps = {
        "omq": (sys.executable, "-c", "import sys; sys.exit('no such crate')"),
        "rzmq": (sys.executable, "-c", ""),
    }
    for name, step in steps.items():
        program = replace(PROGRAMS[name], needs=(), build=(step,))
        monkeypatch.setitem(PROGRAMS, name, program)
    monkeypatch.setattr(programs, "_left", {})
    monkeypatch.setenv("FANOUT_INTEROP", str(tmp_path))
    told: list[str] = []

    build_programs(["omq", "rzmq", "omq"], told.append)

    [sentence] = told
    assert sentence.startswith("omq-tokio 0.33.0 is left out: ")
    assert sentence.endswith("no such crate")
    assert "no such crate" in PEERS["omq-1io"].absent
    assert PEERS["rzmq"].absent == why_left("rzmq") == ""


def test_the_library_is_that_of_pyzmq() -> None:
    import zmq

    path = Path(find_libzmq())
    assert path.is_relative_to(Path(zmq.__file__).parents[1])
    assert str(path.resolve()) in Path("/proc/self/maps").read_text()
