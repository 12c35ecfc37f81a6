"""Compiled publishers of the benchmark, as far as `scripts/bench --peers` has built them.

libzmq's takes nothing but a compiler of C; others take cargo and a network, and are not built here.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from benchmarks.peers import PEERS
from benchmarks.peers.programs import PROGRAMS, build_programs, why_left
from benchmarks.session import Session
from benchmarks.traffic import Traffic
from interoperation.building import is_built

if TYPE_CHECKING:
    from pathlib import Path

MESSAGES = 400
TRAFFICS = (Traffic(3, 64), Traffic(4, 1000, topics=20, watched=5))

BUILT = [name for name, kind in PEERS.items() if kind.program and is_built(PROGRAMS[kind.program])]


def _deliver(name: str, traffic: Traffic) -> None:
    """The session itself compares every byte that comes with what should."""
    with Session(PEERS[name], traffic) as session:
        run = session.run(MESSAGES)
    assert run.deliveries == sum(traffic.matches(MESSAGES))
    assert run.cpu_seconds >= 0


if shutil.which("cc"):

    def test_libzmq_from_c_publishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FANOUT_INTEROP", str(tmp_path))
        build_programs(["libzmq-c"], print)
        assert why_left("libzmq-c") == ""
        for traffic in TRAFFICS:
            _deliver("libzmq-c-2io", traffic)


if BUILT:  # a test without any case would count as skipped

    @pytest.mark.slow
    @pytest.mark.parametrize("traffic", TRAFFICS)
    @pytest.mark.parametrize("name", BUILT)
    def test_a_compiled_publisher_publishes(name: str, traffic: Traffic) -> None:
        _deliver(name, traffic)
