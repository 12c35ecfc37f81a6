"""Staffing: workers are replaced and resized one at a time, and never all of them at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.coordinator.lives import Life
from fanout.coordinator.staffing import Staffing
from fanout.shm.worker_slot import WorkerState

READY, WAITING, RETIRED, GONE = (
    WorkerState.READY,
    WorkerState.WAITING,
    WorkerState.RETIRED,
    WorkerState.GONE,
)


class Bench:
    """Workers that end when they are emptied, and serve when they are started, if they can.

    Attributes:
        broken: numbers of those whose new processes do not serve.
        ended: of all that were emptied, in their order.
    """

    def __init__(self, size: int, possible: int | None = None) -> None:
        self.lives = [Life(index) for index in range(possible or size)]
        for life in self.lives[:size]:
            life.begin()
            life.state = READY
        for life in self.lives[size:]:
            life.state = RETIRED
        self.staffing = Staffing(self.lives, size)
        self.broken: set[int] = set()
        self.ended: list[int] = []
        self.least = size

    @property
    def serving(self) -> list[int]:
        return [life.index for life in self.lives if life.state is READY]

    def enlarge(self, possible: int) -> None:
        """More workers are possible."""
        more = range(len(self.lives), possible)
        self.lives += [Life(index, RETIRED) for index in more]

    def start(self) -> None:
        for life in self.lives:
            if life.state is WAITING:
                life.begin()
                if life.index in self.broken:
                    life.failures += 1
                    life.how = "exit status 3"
                else:
                    life.state = READY

    def step(self) -> None:
        """What the coordinator does in a turn; then time passes."""
        self.staffing.engage(0.0)
        chosen = self.staffing.choose()
        if chosen is not None and self.lives[chosen].is_leaving:
            self.ended.append(chosen)
            self.lives[chosen].leave_duty(0.0)
        self.staffing.retire()
        self.least = min(self.least, len(self.serving) + (chosen is not None))
        self.start()

    def settle(self) -> None:
        for _ in range(100):
            if not self.staffing.pending:
                return
            self.step()
        pytest.fail("it never comes to an end")


@given(st.integers(1, 5), st.integers(0, 2))
def test_all_are_replaced_each_once_while_as_many_serve(size: int, more: int) -> None:
    bench = Bench(size, size + more)

    assert bench.staffing.replace_all() == size
    bench.settle()

    helper = [size] if more else []
    assert bench.ended == [*range(size), *helper]
    assert bench.serving == [*range(size)]
    assert bench.least >= size - (not more)
    staffed = bench.staffing.staffed
    assert (staffed.size, staffed.serving, staffed.is_changing) == (size, size, False)
    assert (staffed.problem, staffed.lost) == ("", ())


def test_one_more_serves_before_the_first_is_emptied() -> None:
    bench = Bench(2, 3)
    bench.staffing.replace_all()
    assert bench.staffing.engage(0.0) == [2]
    assert bench.staffing.choose() is None, "it starts"
    bench.start()
    assert bench.staffing.choose() == 0
    assert bench.staffing.choose() == 0, "the same until it is replaced"
    assert bench.lives[0].is_leaving
    assert not bench.lives[1].is_leaving


def test_if_the_one_more_does_not_serve_the_others_are_left_alone() -> None:
    bench = Bench(2, 3)
    bench.broken = {2}
    bench.staffing.replace_all()
    for _ in range(3):
        bench.step()
    bench.lives[2].has_process = False
    bench.settle()

    assert not {0, 1} & set(bench.ended)
    assert bench.serving == [0, 1]
    problem = bench.staffing.staffed.problem
    assert problem.startswith("a new process of worker 2 did not serve: exit status 3")
    assert problem.endswith("those that were not replaced yet were left alone")


def test_if_a_replacement_does_not_serve_the_others_are_left_alone() -> None:
    bench = Bench(3)
    bench.broken = {1}
    bench.staffing.replace_all()
    for _ in range(10):
        bench.step()

    assert bench.ended == [0, 1]
    staffed = bench.staffing.staffed
    assert "worker 1 did not serve" in staffed.problem
    assert (staffed.serving, staffed.lost) == (2, ("worker 1: exit status 3",))
    assert not bench.staffing.is_replacing


def test_one_whose_process_cannot_be_ended_stops_it_as_well() -> None:
    bench = Bench(2)
    bench.staffing.replace_all()
    assert bench.staffing.choose() == 0
    bench.lives[0].is_left = True
    assert bench.staffing.choose() is None
    assert "the process of worker 0 cannot be ended" in bench.staffing.staffed.problem


def test_who_was_replaced_by_itself_meanwhile_is_not_replaced_again() -> None:
    bench = Bench(2)
    bench.staffing.replace_all()
    bench.lives[0].state = WAITING
    assert bench.staffing.choose() == 1


@given(st.integers(1, 5), st.integers(1, 5))
def test_there_are_as_many_as_are_wanted(size: int, wanted: int) -> None:
    bench = Bench(size, max(size, wanted))

    bench.staffing.resize(wanted)
    assert bench.staffing.pending == (wanted != size)
    bench.settle()

    assert bench.serving == [*range(wanted)]
    assert bench.ended == [*range(wanted, size)][::-1], "the last ones first, one at a time"
    assert [life.state for life in bench.lives[wanted:]] == [RETIRED] * (len(bench.lives) - wanted)
    assert bench.staffing.staffed.size == wanted


def test_nobody_is_emptied_as_long_as_none_of_who_stays_serves() -> None:
    bench = Bench(2)
    bench.lives[0].state = WAITING
    bench.staffing.resize(1)
    assert bench.staffing.choose() is None
    bench.lives[0].state = READY
    assert bench.staffing.choose() == 1


def test_fewer_are_wanted_while_all_are_replaced() -> None:
    bench = Bench(4)
    bench.staffing.replace_all()
    bench.step()
    bench.staffing.resize(2)
    bench.settle()

    assert bench.serving == [0, 1]
    assert sorted(bench.ended) == [0, 1, 2, 3]


def test_others_may_not_know_yet_of_workers_that_became_possible() -> None:
    bench = Bench(1)
    bench.enlarge(2)
    bench.staffing.size = 2
    assert bench.staffing.engage(0.0) == []
    bench.staffing.resize(2)
    assert bench.staffing.engage(0.0) == [1]


def test_who_was_given_up_is_a_problem_for_who_waits() -> None:
    bench = Bench(2)
    bench.lives[1].state, bench.lives[1].how = GONE, "exit status 3"
    staffed = bench.staffing.staffed
    assert staffed.problem == "worker 1 was given up: exit status 3"
    assert staffed.serving == 1


def test_who_is_left_to_itself_is_nothing_to_do_until_it_has_ended() -> None:
    bench = Bench(2)
    bench.lives[1].is_left = True
    bench.staffing.resize(1)
    pending = [bench.staffing.pending]
    bench.lives[1].is_left = bench.lives[1].has_process = False
    pending.append(bench.staffing.pending)
    assert bench.staffing.retire() == [1]
    assert [*pending, bench.staffing.pending] == [False, True, False]


def test_at_the_end_there_is_nothing_to_do() -> None:
    bench = Bench(2)
    bench.staffing.replace_all()
    bench.staffing.choose()
    bench.staffing.stop()
    assert bench.staffing.emptied is None
    assert not bench.staffing.pending
