"""The roster against naive bookkeeping: slots, half-open connections, workers that fail."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fanout.coordinator.roster import (
    BACKOFF_MAX,
    FAILURES_MAX,
    STABLE_AFTER,
    Accepted,
    Refusal,
    Roster,
    WorkerState,
)

WORKERS, SLOTS, HALF_OPEN = 3, 5, 3
workers = st.integers(0, WORKERS - 1)


class RosterMachine(RuleBasedStateMachine):
    """Everything that can happen to connections and workers, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.roster = Roster(WORKERS, SLOTS, HALF_OPEN)
        self.now = 0.0
        self.ids: set[int] = set()

    @rule(loads=st.lists(st.integers(0, 1000), min_size=WORKERS, max_size=WORKERS))
    def admit(self, loads: list[int]) -> None:
        ready = [w for w in self.roster.workers if w.state is WorkerState.READY]
        sizes = {w.index: len(w.connections) for w in ready}
        half_open = self.roster.half_open
        full = len(self.roster.connections) == SLOTS
        result = self.roster.admit("peer", "endpoint", "zmtp", loads)
        if half_open == HALF_OPEN or full or not ready:
            assert isinstance(result, Refusal)
            return
        assert isinstance(result, Accepted)
        assert result.subscriber not in self.ids, "an id was used again"
        self.ids.add(result.subscriber)
        least = min((loads[i] // 100, sizes[i]) for i in sizes)
        assert (loads[result.worker] // 100, sizes[result.worker]) == least

    @rule(subscriber=st.integers(0, 12))
    def connected(self, subscriber: int) -> None:
        known = subscriber in self.roster.connections
        assert (self.roster.connected(subscriber, "3.1") is not None) == known

    @rule(subscriber=st.integers(0, 12))
    def remove(self, subscriber: int) -> None:
        known = subscriber in self.roster.connections
        assert (self.roster.remove(subscriber) is not None) == known
        assert self.roster.remove(subscriber) is None

    @rule(index=workers)
    def worker_ready(self, index: int) -> None:
        if self.roster.workers[index].state is WorkerState.STARTING:
            self.roster.worker_ready(index, self.now)

    @rule(index=workers)
    def worker_lost(self, index: int) -> None:
        worker = self.roster.workers[index]
        if worker.state not in (WorkerState.STARTING, WorkerState.READY):
            return
        stable = worker.state is WorkerState.READY and self.now - worker.ready_since >= STABLE_AFTER
        failures = 1 if stable else worker.failures + 1
        mine = set(worker.connections)
        lost = self.roster.worker_lost(index, self.now)
        assert {connection.subscriber for connection in lost} == mine
        assert not mine & self.roster.connections.keys()
        gone = failures > FAILURES_MAX
        after = self.roster.workers[index]
        assert after.state is (WorkerState.GONE if gone else WorkerState.WAITING)
        assert gone or self.now < after.start_at <= self.now + BACKOFF_MAX

    @rule(seconds=st.sampled_from((0.05, 1.0, 20.0)))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        next_due = self.roster.next_due()
        due = self.roster.due(self.now)
        assert bool(due) == (next_due is not None and next_due <= self.now)
        assert all(self.roster.workers[i].state is WorkerState.STARTING for i in due)
        assert not self.roster.due(self.now)

    @invariant()
    def no_two_connections_share_a_slot(self) -> None:
        slots = [connection.slot for connection in self.roster.connections.values()]
        assert len(set(slots)) == len(slots) <= SLOTS
        assert set(slots) <= set(range(SLOTS))

    @invariant()
    def half_open_is_counted(self) -> None:
        open_ones = [c for c in self.roster.connections.values() if c.version is None]
        assert self.roster.half_open == len(open_ones) <= HALF_OPEN

    @invariant()
    def every_connection_has_one_worker(self) -> None:
        by_worker = {s: w.index for w in self.roster.workers for s in w.connections}
        assert sum(len(w.connections) for w in self.roster.workers) == len(by_worker)
        assert by_worker == {s: c.worker for s, c in self.roster.connections.items()}

    @invariant()
    def broken_means_that_all_are_gone(self) -> None:
        states = {worker.state for worker in self.roster.workers}
        assert self.roster.broken == (states == {WorkerState.GONE})
        assert self.roster.all_ready == (states == {WorkerState.READY})


TestRoster = RosterMachine.TestCase
TestRoster.settings = settings(max_examples=60, stateful_step_count=40)
