"""Roster and supervision against naive bookkeeping: slots, handshakes, workers that fail."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fanout.coordinator.actions import Start
from fanout.coordinator.roster import Accepted, Roster
from fanout.coordinator.supervision import (
    AT_ONCE,
    BACKOFF_MAX,
    FAILURES_MAX,
    GIVE_UP_AFTER,
    STABLE_AFTER,
    Supervision,
)
from fanout.shm.worker_slot import WorkerState
from fanout.terms.addresses import AddressRefusal

WORKERS, SLOTS, HALF_OPEN = 3, 5, 3
workers = st.integers(0, WORKERS - 1)


class RosterMachine(RuleBasedStateMachine):
    """Everything that can happen to connections and workers, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.roster = Roster(WORKERS, SLOTS, HALF_OPEN)
        self.now = 0.0
        self.supervision = Supervision(WORKERS, 10.0, 30.0, self.now)
        self.ids: set[int] = set()
        self.served = [0.0] * WORKERS  # when each has last served
        self.foreign: set[int] = set()  # whose last end was from outside
        self.at_once: list[float] = []  # when those were started again

    @rule(loads=st.lists(st.integers(0, 1000), min_size=WORKERS, max_size=WORKERS))
    def admit(self, loads: list[int]) -> None:
        ready = self.supervision.ready
        sizes = {index: len(self.roster.served_by(index)) for index in ready}
        half_open = self.roster.half_open
        full = len(self.roster.connections) == SLOTS
        result = self.roster.admit("peer", "endpoint", "zmtp", ready, loads, self.now)
        if half_open == HALF_OPEN or full or not ready:
            assert isinstance(result, AddressRefusal)
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
    def worker_serves(self, index: int) -> None:
        if self.supervision.lives[index].state is WorkerState.STARTING:
            self.supervision.serves(index, self.now)

    @rule(index=workers, code=st.sampled_from((None, 4, -11, -9)))
    def worker_ends(self, index: int, code: int | None) -> None:
        life = self.supervision.lives[index]
        if life.state not in (WorkerState.STARTING, WorkerState.READY):
            return
        serves = life.state is WorkerState.READY
        before = 0 if serves and self.now - life.ready_since >= STABLE_AFTER else life.failures
        failures = before + (code != -9)
        for connection in self.roster.served_by(index):
            assert connection.worker == index
            self.roster.remove(connection.subscriber)
        assert self.roster.served_by(index) == []
        if serves:
            self.served[index] = self.now
        self.supervision.ended(index, "it ended", self.now, code)
        too_long = self.now - self.served[index] >= GIVE_UP_AFTER
        gone = failures > FAILURES_MAX and too_long and code != -9
        after = self.supervision.lives[index]
        assert after.failures == failures
        assert after.state is (WorkerState.GONE if gone else WorkerState.WAITING)
        self.foreign.discard(index)
        if code == -9:
            self.foreign.add(index)
            assert after.start_at == self.now
        else:
            assert gone or self.now < after.start_at <= self.now + BACKOFF_MAX

    @rule()
    def restart(self) -> None:
        lives = self.supervision.lives
        idle = [one for one in lives if one.state in (WorkerState.WAITING, WorkerState.GONE)]
        assert self.supervision.restart(self.now) == len(idle)
        for life in idle:
            assert (life.state, life.failures) == (WorkerState.WAITING, 0)
            assert life.start_at <= self.now
            self.served[life.index] = self.now
            self.foreign.discard(life.index)

    @rule(seconds=st.sampled_from((0.05, 1.0, 20.0, 200.0)))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        lives = self.supervision.lives
        waiting = [one for one in lives if one.state is WorkerState.WAITING]
        expected = []
        for index in [one.index for one in waiting if one.start_at <= self.now]:
            if index in self.foreign:
                if sum(self.now < time + 1.0 for time in self.at_once) == AT_ONCE:
                    continue
                self.at_once.append(self.now)
            expected.append(Start(index))
        next_look = self.supervision.next_look()
        assert self.supervision.due(self.now) == expected
        assert not expected or next_look <= self.now
        assert all(lives[each.worker].state is WorkerState.STARTING for each in expected)
        assert not self.supervision.due(self.now)

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
        served = [(c.subscriber, i) for i in range(WORKERS) for c in self.roster.served_by(i)]
        assert len(served) == len(self.roster.connections)
        assert dict(served) == {s: c.worker for s, c in self.roster.connections.items()}

    @invariant()
    def broken_means_that_all_are_gone(self) -> None:
        states = {life.state for life in self.supervision.lives}
        assert self.supervision.broken == (states == {WorkerState.GONE})
        assert (len(self.supervision.ready) == WORKERS) == (states == {WorkerState.READY})


TestRoster = RosterMachine.TestCase
TestRoster.settings = settings(max_examples=60, stateful_step_count=40)
