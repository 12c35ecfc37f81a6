"""Whatever is wanted of workers and becomes of them, as many serve in the end as are wanted."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.coordinator.lives import Life, taking
from fanout.coordinator.staffing import Staffing
from fanout.shm.worker_slot import WorkerState

MOST = 6
PLENTY = 500


class Pool:
    """Workers that start, are emptied, end, are killed and fail."""

    def __init__(self, size: int, seed: int) -> None:
        self.rng = random.Random(seed)
        self.lives = [Life(index, WorkerState.READY, has_process=True) for index in range(size)]
        while len(self.lives) < MOST:
            self.lives.append(Life(len(self.lives), WorkerState.RETIRED))
        self.staffing = Staffing(self.lives, size)
        self.fails = False
        self.time = 0.0
        self.least = size  # that took connections, since it was looked last

    def step(self) -> None:
        """What the shell does in a turn, and something of what may happen meanwhile."""
        self.time += 1.0
        staffing, rng = self.staffing, self.rng
        staffing.retire()
        staffing.engage(self.time)
        emptied = staffing.choose()
        leaving = [life.index for life in self.lives if life.is_leaving]
        assert leaving in ([], [emptied]), "one at a time"
        self.least = min(self.least, len(taking(self.lives)))
        for life in self.lives:
            if life.state is WorkerState.WAITING and life.start_at <= self.time:
                life.state, life.has_process = WorkerState.STARTING, True
            elif life.state is WorkerState.STARTING and rng.random() < 0.5:
                if self.fails:
                    self.end(life)
                    life.failures += 1
                else:
                    life.state = WorkerState.READY
            elif life.is_leaving and life.has_process and rng.random() < 0.3:
                life.leave_duty(self.time)

    def end(self, life: Life) -> None:
        life.has_process = life.is_leaving = False
        life.state, life.start_at = WorkerState.WAITING, self.time

    def settle(self) -> None:
        for _ in range(PLENTY):
            self.step()
            serving = [life.index for life in self.lives if life.state is WorkerState.READY]
            if not self.staffing.pending and len(serving) == self.staffing.size:
                return
        raise AssertionError("it does not settle")


CHANGES = st.one_of(
    st.integers(1, MOST - 1),  # so many are wanted
    st.sampled_from(["replace", "kill", "fail", "mend"]),
)


@given(st.integers(1, 4), st.lists(CHANGES, max_size=8), st.integers(0, 1_000))
@settings(max_examples=150)
def test_as_many_serve_in_the_end_as_are_wanted(
    size: int, changes: list[int | str], seed: int
) -> None:
    pool = Pool(size, seed)
    for change in changes:
        if isinstance(change, int):
            pool.staffing.resize(change)
        elif change == "replace":
            pool.staffing.replace_all()
        elif change == "kill":
            running = [life for life in pool.lives if life.has_process]
            if running:
                pool.end(pool.rng.choice(running))
        else:
            pool.fails = change == "fail"
        for _ in range(pool.rng.randrange(12)):
            pool.step()
    pool.fails = False
    pool.settle()
    states = [life.state for life in pool.lives]
    wanted = pool.staffing.size
    assert states == [WorkerState.READY] * wanted + [WorkerState.RETIRED] * (MOST - wanted)


@given(st.integers(1, MOST - 1), st.integers(0, 1_000))
@settings(max_examples=50)
def test_all_are_replaced_and_as_many_take_connections_all_the_time(size: int, seed: int) -> None:
    pool = Pool(size, seed)
    ended: set[int] = set()
    for life in pool.lives[:size]:
        life.ready_since = -1.0
    assert pool.staffing.replace_all() == size
    for _ in range(PLENTY):
        before = [life.has_process for life in pool.lives]
        pool.step()
        gone = zip(pool.lives, before, strict=True)
        ended.update(life.index for life, had in gone if had and not life.has_process)
        if not pool.staffing.pending:
            break
    assert ended == set(range(size + 1))
    assert pool.least >= size
