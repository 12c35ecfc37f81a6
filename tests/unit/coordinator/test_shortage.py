"""Shortage: it is told of, once in a while, that nobody could go on with some subscribers."""

from __future__ import annotations

from fanout.coordinator.thinning import SUMMARY_EACH
from fanout.coordinator.watching import TICK
from fanout.events import EventKind
from tests.unit.coordinator.bench import KILLED, Bench

SHORT = EventKind.WORKER_SHORT_OF_MEMORY


def test_it_is_told_at_once_and_then_once_in_a_while_for_each_worker() -> None:
    with Bench(2) as bench:
        first, second = (link.slot for link in bench.coordinator.links)
        bench.pass_time(TICK)
        assert bench.of(SHORT) == []
        first.unrecorded += 2
        bench.pass_time(TICK)
        (told,) = bench.of(SHORT)
        assert (told.worker, "of 2 of its subscribers" in told.reason) == (0, True)

        first.unrecorded += 1_500
        second.unrecorded += 1
        bench.pass_time(SUMMARY_EACH - 2 * TICK)
        assert [event.worker for event in bench.of(SHORT)] == [0, 1]
        bench.pass_time(3 * TICK)
        assert "of 1,500 of its" in bench.of(SHORT)[-1].reason
        bench.pass_time(3 * SUMMARY_EACH)
        assert len(bench.of(SHORT)) == 3


def test_a_new_process_goes_on_from_what_the_one_before_has_counted() -> None:
    with Bench(1) as bench:
        bench.coordinator.links[0].slot.unrecorded = 5
        bench.pass_time(TICK)
        bench.processes[0].exit(KILLED)
        bench.pass_time(2 * SUMMARY_EACH)
        assert bench.coordinator.links[0].slot.unrecorded == 5
        assert len(bench.of(SHORT)) == 1
