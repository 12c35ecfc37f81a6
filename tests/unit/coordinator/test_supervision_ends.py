"""Ends of workers: by themselves, by us and from outside; who is given up, and tried again."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from fanout.basics.exits import is_from_outside
from fanout.coordinator.actions import Break, Mend, Start
from fanout.coordinator.lives import Condition
from fanout.coordinator.staffing import Staffing
from fanout.coordinator.supervision import AT_ONCE, BACKOFF_MAX, FAILURES_MAX, GIVE_UP_AFTER
from fanout.coordinator.watching import TICK
from fanout.shm.worker_slot import WorkerState
from tests.unit.coordinator.test_supervision import (
    WORKER_TIMEOUT,
    Watch,
    fail,
    fail_for,
    given_up,
    kills,
    told,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

SIGKILL = -signal.SIGKILL


def starts(actions: Sequence[object]) -> list[int]:
    return [action.worker for action in actions if isinstance(action, Start)]


@pytest.mark.parametrize(
    ("code", "is_foreign"),
    [
        *((code, False) for code in (None, 0, 1, 3, 4, 5, 255)),
        *((-number, True) for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)),
        *((-number, True) for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGRTMIN)),
        *((-number, False) for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS)),
        *((-number, False) for number in (signal.SIGFPE, signal.SIGILL, signal.SIGSYS)),
    ],
)
def test_a_signal_that_is_not_for_what_a_process_does_is_from_outside(
    code: int | None, is_foreign: bool
) -> None:
    assert is_from_outside(code) == is_foreign


def test_who_was_ended_from_outside_is_started_at_once() -> None:
    watch = Watch()
    watch.serve()

    assert told(watch.lose(how="killed by SIGKILL", code=SIGKILL)) == ["killed by SIGKILL"]
    assert watch.supervision.next_look() <= watch.now
    assert watch.supervision.due(watch.now) == [Start(0)]


@pytest.mark.parametrize("code", [None, 4, -signal.SIGSEGV])
def test_who_has_ended_by_itself_waits(code: int | None) -> None:
    watch = Watch()
    watch.serve()
    watch.lose(code=code)

    assert watch.supervision.due(watch.now) == []
    assert watch.lives[0].failures == 1


def test_no_failure_is_counted_however_often_one_is_ended_from_outside() -> None:
    watch = Watch()
    watch.serve()
    fail(watch, FAILURES_MAX)
    for _ in range(2 * FAILURES_MAX):
        watch.restart()
        watch.now += GIVE_UP_AFTER
        actions = watch.lose(code=SIGKILL)
        assert given_up(actions) == []
        assert Break() not in actions

    assert watch.lives[0].failures == FAILURES_MAX


def test_so_many_are_started_at_once_in_a_second_of_all_workers() -> None:
    watch = Watch(10)
    watch.serve()
    for worker in range(10):
        watch.lose(worker, code=SIGKILL)

    begun = watch.now
    passed: list[float] = []
    while len(passed) < 10:
        watch.now = max(watch.now, watch.supervision.next_look())
        passed += [round(watch.now - begun, 6) for _ in watch.supervision.due(watch.now)]
        watch.supervision.look(watch.now, watch.sights())

    assert passed == [0.0] * AT_ONCE + [1.0] * AT_ONCE + [2.0] * (10 - 2 * AT_ONCE)


def test_who_has_failed_is_not_kept_waiting_by_those() -> None:
    watch = Watch(AT_ONCE + 2)
    watch.serve()
    for worker in range(AT_ONCE + 1):
        watch.lose(worker, code=SIGKILL)
    watch.lose(AT_ONCE + 1)

    assert len(watch.supervision.due(watch.now)) == AT_ONCE
    assert starts(watch.look(after=0.2)) == [AT_ONCE + 1]


def test_one_that_we_kill_has_failed() -> None:
    """Whatever signal it has ended by."""
    watch = Watch()
    watch.serve()
    watch.supervision.condemn(0, "it sent what it cannot send")
    watch.lose(code=SIGKILL)

    assert (watch.lives[0].failures, watch.supervision.due(watch.now)) == (1, [])


def test_one_that_somebody_has_stopped_has_not() -> None:
    watch = Watch()
    watch.serve()
    watch.look()
    watch.beating.clear()
    watch.conditions[0] = Condition("T", 1.0)
    assert kills(watch.pass_time(WORKER_TIMEOUT))

    assert told(watch.lose(code=SIGKILL)) == [
        "killed by us: no sign of life for 10 s (worker_timeout); it is stopped"
    ]
    assert (watch.lives[0].failures, watch.supervision.due(watch.now)) == (0, [Start(0)])


def test_a_start_that_fails_is_not_told_as_the_kill_before_it() -> None:
    watch = Watch()
    watch.serve()
    watch.supervision.condemn(0, "it sent what it cannot send")
    watch.lose(code=SIGKILL)
    assert Start(0) in watch.look()

    assert told(watch.lose(how="could not be started: no memory")) == [
        "could not be started: no memory"
    ]


# Given up, and tried again.


def broken(workers: int = 2) -> Watch:
    """All of them were given up."""
    watch = Watch(workers)
    watch.serve()
    for worker in range(workers):
        watch.lose(worker)
    actions = fail_for(watch, GIVE_UP_AFTER + 2 * BACKOFF_MAX, *range(workers))
    assert actions.count(Break()) == 1
    return watch


def test_all_that_were_given_up_are_started_when_the_user_wants_it() -> None:
    watch = broken()

    assert watch.supervision.restart(watch.now) == 2
    assert starts(watch.supervision.due(watch.now)) == [0, 1]
    assert not watch.supervision.broken


def test_nothing_is_held_against_them_any_more() -> None:
    watch = broken()
    watch.supervision.restart(watch.now)
    for worker in starts(watch.supervision.due(watch.now)):
        watch.supervision.started(worker)
    watch.lose(0)
    watch.lose(1)

    assert [life.failures for life in watch.lives] == [1, 1]
    assert given_up(fail_for(watch, GIVE_UP_AFTER - TICK, 0, 1)) == []


def test_it_is_mended_when_one_serves_again_and_not_before() -> None:
    watch = broken()
    watch.supervision.restart(watch.now)
    for worker in starts(watch.supervision.due(watch.now)):
        watch.supervision.started(worker)

    first = watch.supervision.serves(1, watch.now)
    second = watch.supervision.serves(0, watch.now)

    assert (first.count(Mend()), second.count(Mend())) == (1, 0)


def test_it_is_told_once_that_it_is_broken_until_it_is_mended() -> None:
    watch = broken(1)
    watch.supervision.restart(watch.now)
    again = fail_for(watch, GIVE_UP_AFTER + 2 * BACKOFF_MAX, 0)
    assert (given_up(again), again.count(Break())) == ([0], 0)

    watch.supervision.restart(watch.now)
    assert starts(watch.supervision.due(watch.now)) == [0]
    watch.supervision.started(0)
    assert Mend() in watch.supervision.serves(0, watch.now)
    last = watch.lose() + fail_for(watch, GIVE_UP_AFTER + 2 * BACKOFF_MAX, 0)
    assert last.count(Break()) == 1


def test_those_who_wait_are_started_and_those_who_serve_are_left_alone() -> None:
    watch = Watch(3)
    watch.serve()
    fail(watch, 7)
    watch.lose(1)

    assert watch.supervision.restart(watch.now) == 2
    assert starts(watch.supervision.due(watch.now)) == [0, 1]
    assert watch.supervision.restart(watch.now) == 0
    assert watch.lives[2].state is WorkerState.READY


def test_one_whose_process_is_still_there_gets_no_second_one() -> None:
    watch = Watch(2)
    watch.serve()
    watch.supervision.condemn(0, "it hangs")
    watch.supervision.left(0, "not permitted")

    assert watch.supervision.restart(watch.now) == 0
    assert watch.supervision.due(watch.now) == []
    (told,) = Staffing(watch.lives, 2).staffed.lost
    assert told.startswith("worker 0: it hangs; its process cannot be killed (not permitted)")


def test_who_waits_for_workers_hears_that_one_was_given_up_until_it_is_tried_again() -> None:
    watch = Watch(3)
    watch.serve()
    watch.lose(1, how="exit status 3")
    staffing = Staffing(watch.lives, 3)
    assert (staffing.staffed.serving, staffing.staffed.problem) == (2, "")
    fail_for(watch, GIVE_UP_AFTER + 2 * BACKOFF_MAX, 1)
    assert staffing.staffed.problem.startswith("worker 1 was given up: ")
    assert not staffing.staffed.is_changing
    watch.supervision.restart(watch.now)
    assert staffing.staffed.problem == ""


def test_nobody_is_started_in_the_end() -> None:
    watch = broken()
    watch.supervision.finish(1.0, watch.now)

    assert watch.supervision.restart(watch.now) == 0
    assert watch.supervision.due(watch.now) == []


def test_who_was_left_to_itself_can_be_given_up_as_well() -> None:
    """It has ended since, and nothing else of it is told twice."""
    watch = Watch()
    watch.serve()
    fail(watch, FAILURES_MAX)
    watch.restart()
    watch.supervision.condemn(0, "it did not begin to serve")
    watch.supervision.left(0, "not permitted")
    watch.now += GIVE_UP_AFTER

    actions = watch.lose()

    assert (told(actions), given_up(actions)) == ([], [0])
    assert Break() in actions
