"""Looks: what nobody tells of by itself is told of and counted by a coordinator, and summed up."""

from __future__ import annotations

from fanout.coordinator.thinning import SUMMARY_EACH
from fanout.coordinator.watching import TICK
from fanout.events import EventKind
from tests.unit.coordinator.bench import Bench

CLOCK_SET, SLEPT, STOOD = EventKind.CLOCK_SET, EventKind.MACHINE_SLEPT, EventKind.STOOD_STILL


def test_a_coordinator_looks_at_its_clocks_and_sums_up() -> None:
    """A program that sets the time again and again fills no log."""
    with Bench() as bench:
        bench.pass_time(2 * TICK)
        assert not any(bench.of(kind) for kind in (CLOCK_SET, SLEPT, STOOD))
        bench.slept += 60.0
        bench.pass_time(TICK)
        for _ in range(6):
            bench.set_by += 1.0
            bench.pass_time(TICK)
        assert (len(bench.of(CLOCK_SET)), len(bench.of(SLEPT))) == (1, 1)
        assert (bench.state.ledger.clock_sets, bench.state.ledger.machine_sleeps) == (6, 1)
        bench.pass_time(SUMMARY_EACH)
        assert [event.count for event in bench.of(CLOCK_SET)] == [1, 5]
