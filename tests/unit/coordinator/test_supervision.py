"""Supervision in virtual time: who is started, killed, waited for and given up, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest

from fanout.control.messages import Finish
from fanout.coordinator import supervision as rules
from fanout.coordinator.actions import (
    Abort,
    Break,
    FailStart,
    Kill,
    Leave,
    Say,
    Serve,
    Start,
    Tell,
)
from fanout.coordinator.lives import Condition, Sight
from fanout.coordinator.supervision import Supervision
from fanout.coordinator.watching import HANG_UP_GRACE, TICK, TICKS_EACH
from fanout.events import EventKind
from fanout.shm.worker_slot import WorkerState

if TYPE_CHECKING:
    from fanout.events import Event

T = TypeVar("T")

WORKER_TIMEOUT, START_TIMEOUT = 10.0, 30.0


class Watch:
    """Supervision of workers that do as the test says.

    Attributes:
        beating: who gives signs of life.
        getting_on: who makes progress.
        hung_up: who has closed its channel.
        waited_for: for whom something waits.
        conditions: what the kernel says of them.
        tick: seconds between two looks.
    """

    def __init__(self, workers: int = 1, worker_timeout: float = WORKER_TIMEOUT) -> None:
        self.now = 1_000.0
        self.supervision = Supervision(workers, worker_timeout, START_TIMEOUT, self.now)
        self.lives = self.supervision.lives
        self.beating = set(range(workers))
        self.getting_on = set(range(workers))
        self.hung_up: set[int] = set()
        self.waited_for: set[int] = set()
        self.conditions: dict[int, Condition] = {}
        self.tick = min(TICK, worker_timeout / TICKS_EACH)
        self._heartbeats = [7] * workers
        self._progress = [3] * workers
        for action in self.supervision.begin():
            assert isinstance(action, Start)
            self.supervision.started(action.worker)

    def serve(self) -> None:
        """All of them say that they serve."""
        for life in self.lives:
            self.supervision.serves(life.index, self.now)

    def look(self, after: float | None = None) -> list[object]:
        """What is to be done when the coordinator looks again after so many seconds."""
        self.now += self.tick if after is None else after
        for worker in self.beating:
            self._heartbeats[worker] += 1
        for worker in self.getting_on & self.beating:
            self._progress[worker] += 1
        actions = self.supervision.look(self.now, self.sights())
        return [*actions, *self.supervision.due(self.now)]

    def sights(self) -> list[Sight]:
        """What a look at them shows."""
        return [
            Sight(
                *(self._heartbeats[one.index], one.index in self.hung_up),
                *(self._progress[one.index], one.index in self.waited_for),
                self.conditions.get(one.index),
            )
            for one in self.lives
        ]

    def pass_time(self, seconds: float) -> list[object]:
        """The same, tick by tick."""
        until = self.now + seconds
        actions: list[object] = []
        while self.now < until:
            actions += self.look()
        return actions

    def lose(
        self, worker: int = 0, how: str = "exit status 4", code: int | None = None
    ) -> list[object]:
        """Its process ends; one that was killed, or could not be started, too."""
        return list(self.supervision.ended(worker, how, self.now, code))

    def restart(self, worker: int = 0) -> None:
        """Its back-off passes, and its replacement is started."""
        back_off = self.lives[worker].start_at - self.now
        assert back_off < 3_600
        assert Start(worker) in self.pass_time(back_off + TICK)
        self.supervision.started(worker)


def kills(actions: list[object]) -> list[Abort | Kill]:
    return [action for action in actions if isinstance(action, Abort | Kill)]


def only(found: list[T]) -> T:
    """The one that there is to be."""
    assert len(found) == 1
    return found[0]


def told(actions: list[object]) -> list[str]:
    """The reasons of the losses that are told."""
    return [event.reason for event in events(actions, EventKind.WORKER_LOST)]


def given_up(actions: list[object]) -> list[int | None]:
    """The workers of which it is told that they are given up."""
    return [event.worker for event in events(actions, EventKind.WORKER_GIVEN_UP)]


def events(actions: list[object], kind: EventKind) -> list[Event]:
    """The events of this kind that are told; there are no others of workers."""
    tells = [action.event for action in actions if isinstance(action, Tell)]
    assert {event.kind for event in tells} <= {EventKind.WORKER_LOST, EventKind.WORKER_GIVEN_UP}
    return [event for event in tells if event.kind is kind]


# Signs of life.


@pytest.mark.unmeasured
def test_who_gives_signs_of_life_is_left_alone() -> None:
    watch = Watch(2)
    watch.serve()

    assert kills(watch.pass_time(3_600)) == []


def test_who_gives_no_sign_of_life_is_killed_in_time() -> None:
    watch = Watch(2)
    watch.serve()
    watch.look()
    watch.beating.discard(1)

    assert kills(watch.pass_time(WORKER_TIMEOUT - TICK)) == []
    assert kills(watch.look()) == [Abort(1)]
    assert kills(watch.look()) == [Kill(1, watch.lives[1].condemned)]
    assert "worker_timeout" in watch.lives[1].condemned


def test_a_sign_of_life_in_time_makes_up_for_silence() -> None:
    watch = Watch()
    watch.serve()
    for _ in range(4):
        watch.beating.clear()
        silent = watch.pass_time(WORKER_TIMEOUT - TICK)
        watch.beating.add(0)
        assert kills(silent + watch.look()) == []


def test_time_in_which_the_coordinator_was_stopped_is_held_against_nobody() -> None:
    """A laptop sleeps for an hour, and the workers with it; no heartbeat was written."""
    watch = Watch(2)
    watch.serve()
    watch.look()
    watch.beating.clear()

    asleep = watch.look(after=3_600.0)
    awake = watch.look()
    watch.beating.update((0, 1))

    assert kills([*asleep, *awake, *watch.pass_time(60)]) == []


@pytest.mark.parametrize("timeout", [0.5, 1.0, 1.2])
def test_a_pause_is_held_against_nobody_where_the_timeout_is_short(timeout: float) -> None:
    """The look after it comes before the workers run again."""
    watch = Watch(2, timeout)
    watch.serve()
    watch.look()
    watch.beating.clear()

    asleep = watch.look(after=3_600.0)
    watch.beating.update((0, 1))

    assert kills([*asleep, *watch.pass_time(60)]) == []


@pytest.mark.parametrize("timeout", [0.5, 1.0, 1.2])
def test_who_hangs_is_killed_where_the_timeout_is_short(timeout: float) -> None:
    watch = Watch(1, timeout)
    watch.serve()
    watch.look()
    watch.beating.clear()

    assert kills(watch.pass_time(timeout + 2 * TICK))


def test_who_hangs_after_a_pause_of_the_coordinator_is_still_killed() -> None:
    watch = Watch()
    watch.serve()
    watch.beating.clear()
    watch.look(after=3_600.0)

    assert kills(watch.pass_time(WORKER_TIMEOUT))


def test_the_first_reason_to_kill_is_the_one_that_is_told() -> None:
    watch = Watch()
    watch.serve()
    watch.look()
    watch.supervision.condemn(0, "it sent what it cannot send")
    watch.beating.clear()
    watch.hung_up.add(0)
    watch.pass_time(WORKER_TIMEOUT)

    reason = only(told(watch.lose(how="killed by SIGKILL (out of memory?)")))
    assert reason == "killed by us: it sent what it cannot send"


def test_who_is_killed_and_does_not_end_is_killed_again() -> None:
    """What a first signal is for may not work on it."""
    watch = Watch()
    watch.serve()
    watch.look()
    watch.beating.clear()
    watch.pass_time(WORKER_TIMEOUT + 1.0)

    assert len(kills(watch.pass_time(2 * TICK))) == 2


def test_nothing_is_held_against_a_replacement() -> None:
    watch = Watch()
    watch.serve()
    watch.look()
    watch.beating.clear()
    watch.hung_up.add(0)
    watch.pass_time(WORKER_TIMEOUT)
    watch.lose()
    watch.hung_up.clear()
    watch.restart()
    watch.serve()  # its slot still says what its predecessor wrote last

    assert kills(watch.pass_time(WORKER_TIMEOUT - TICK)) == []
    watch.beating.add(0)
    assert kills(watch.pass_time(60)) == []
    assert told(watch.lose()) == ["exit status 4"]


def test_who_never_begins_to_serve_is_killed() -> None:
    watch = Watch()

    assert kills(watch.pass_time(START_TIMEOUT - TICK)) == [], "a heartbeat is no service"
    assert only(kills(watch.look())) == Kill(0, watch.lives[0].condemned)
    assert "start_timeout" in watch.lives[0].condemned


def test_the_time_to_start_in_is_that_of_each_process() -> None:
    watch = Watch()
    watch.pass_time(START_TIMEOUT - TICK)
    watch.serve()
    watch.beating.clear()
    assert kills(watch.pass_time(WORKER_TIMEOUT - TICK)) == [], "starting is no silence"
    watch.lose()
    watch.restart()

    assert kills(watch.pass_time(START_TIMEOUT - TICK)) == []


# Hanging up.


def test_who_hangs_up_and_does_not_end_is_killed() -> None:
    watch = Watch(2)
    watch.serve()
    watch.hung_up.add(1)

    for _ in range(round(HANG_UP_GRACE / watch.tick)):
        assert kills(watch.look()) == [], "its end may be about to be seen"
    assert only(kills(watch.look())) == Kill(1, watch.lives[1].condemned)
    assert "closed its control channel" in watch.lives[1].condemned


def test_who_hangs_up_when_it_ends_is_given_the_time_to() -> None:
    """Near the end there is a look in each turn, however short."""
    watch = Watch()
    watch.serve()
    watch.supervision.finish(5.0, watch.now)
    watch.hung_up.add(0)

    for _ in range(20):
        assert kills(watch.look(after=0.001)) == []


# Losses.


def test_a_lost_worker_is_started_again() -> None:
    watch = Watch(2)
    watch.serve()

    assert told(watch.lose(1)) == ["exit status 4"]
    assert Start(1) in watch.pass_time(2 * TICK)
    assert watch.lives[1].restarts == 1


def test_the_back_off_doubles() -> None:
    watch = Watch()
    watch.serve()
    delays = []
    for _ in range(9):
        watch.lose()
        delays.append(round(watch.lives[0].start_at - watch.now, 6))
        watch.restart()

    assert delays == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


@pytest.mark.unmeasured
def test_the_back_off_has_a_limit_however_often_one_fails() -> None:
    watch = Watch()
    watch.serve()
    fail(watch, 1_100)  # two to that power is more than a float holds

    assert watch.lives[0].start_at - watch.now == rules.BACKOFF_MAX


def fail(watch: Watch, times: int) -> list[object]:
    """It fails so often in a row; returns what the last failure comes to."""
    for number in range(times):
        if number:
            watch.restart()
            watch.serve()
        last = watch.lose()
    return last


def fail_for(watch: Watch, seconds: float, *workers: int) -> list[object]:
    """They end as soon as they are started; returns what all of it comes to."""
    until = watch.now + seconds
    actions: list[object] = []
    while watch.now < until:
        for action in watch.look():
            if isinstance(action, Start):
                watch.supervision.started(action.worker)
                if action.worker in workers:
                    actions += watch.lose(action.worker)
    return actions


def test_a_bad_minute_does_not_end_a_service_of_months() -> None:
    watch = Watch(2)
    watch.serve()
    watch.lose(0)
    watch.lose(1)

    actions = fail_for(watch, 60.0, 0, 1)

    assert len(told(actions)) == sum(life.failures - 1 for life in watch.lives) > 20
    assert Break() not in actions
    assert {life.state for life in watch.lives} == {WorkerState.WAITING}
    assert Start(0) in watch.pass_time(rules.BACKOFF_MAX)


def test_one_that_fails_for_minutes_is_given_up_and_the_others_serve_on() -> None:
    watch = Watch(2)
    watch.serve()
    watch.lose(0)

    before = fail_for(watch, rules.GIVE_UP_AFTER - TICK, 0)
    after = fail_for(watch, 2 * rules.BACKOFF_MAX, 0)

    assert (given_up(before), given_up(after)) == ([], [0])
    assert "1 of 2 workers are left" in events(after, EventKind.WORKER_GIVEN_UP)[0].reason
    assert len(told(after)) >= 1, "that it was lost is told as well"
    assert Break() not in before + after
    assert watch.supervision.ready == [1]
    assert Start(0) not in watch.pass_time(3_600)


def test_one_that_serves_now_and_then_is_not_given_up() -> None:
    watch = Watch()
    watch.serve()
    before = watch.lose() + fail_for(watch, rules.GIVE_UP_AFTER - TICK, 0)
    watch.restart()
    watch.serve()
    after = watch.lose() + fail_for(watch, rules.GIVE_UP_AFTER - TICK, 0)

    assert given_up(before + after) == []


def test_nothing_can_be_delivered_when_none_has_served_for_minutes() -> None:
    watch = Watch(2)
    watch.serve()
    watch.lose(0)
    watch.lose(1)

    before = fail_for(watch, rules.GIVE_UP_AFTER - TICK, 0, 1)
    last = fail_for(watch, 2 * rules.BACKOFF_MAX, 0, 1)

    assert (given_up(before), given_up(last)) == ([], [0, 1])
    assert [before.count(Break()), last.count(Break())] == [0, 1]
    assert isinstance(last[-1], Break), "not before the last of them is given up"
    assert Start(0) not in watch.pass_time(3_600)


def test_one_that_serves_after_all_brings_back_who_was_given_up() -> None:
    watch = Watch(2)
    watch.serve()
    watch.lose(0)
    watch.lose(1)
    fail_for(watch, rules.GIVE_UP_AFTER + 2 * rules.BACKOFF_MAX, 0)
    assert watch.lives[0].state is WorkerState.GONE

    watch.supervision.serves(1, watch.now)

    assert watch.supervision.due(watch.now) == [Start(0)]


def test_a_stopped_machine_is_no_row_of_failures() -> None:
    watch = Watch()
    watch.serve()
    watch.lose()
    watch.restart()
    watch.now += 3_600  # nothing happened: everything was stopped

    assert told(watch.lose()) == ["exit status 4"]
    assert watch.lives[0].state is WorkerState.WAITING


def test_service_makes_up_for_failures() -> None:
    watch = Watch()
    watch.serve()
    fail(watch, rules.FAILURES_MAX)
    watch.restart()
    watch.serve()
    watch.pass_time(30.0)

    assert told(watch.lose()) == ["exit status 4"]
    assert (watch.lives[0].state, watch.lives[0].failures) == (WorkerState.WAITING, 1)


def test_to_be_alive_without_service_makes_up_for_nothing() -> None:
    watch = Watch()
    watch.serve()
    fail(watch, rules.FAILURES_MAX)
    watch.restart()
    watch.now += 3_600  # it does not say that it serves

    assert given_up(watch.lose()) == [0]


def test_who_cannot_be_started_has_failed() -> None:
    watch = Watch()
    watch.serve()
    watch.lose()
    assert Start(0) in watch.pass_time(2 * TICK)

    assert told(watch.lose(how="could not be started: out of memory")) == [
        "could not be started: out of memory"
    ]
    assert watch.lives[0].failures == 2


# The start.


def test_the_start_is_done_once_when_all_serve() -> None:
    watch = Watch(2)

    served = [Serve() in watch.supervision.serves(worker, watch.now) for worker in (0, 1)]
    watch.lose(0)
    watch.restart(0)
    served.append(Serve() in watch.supervision.serves(0, watch.now))

    assert served == [False, True, False]


def test_a_worker_that_is_lost_before_all_serve_fails_the_start() -> None:
    watch = Watch(2)
    watch.supervision.serves(1, watch.now)

    assert FailStart("worker 0 did not start: exit status 3") in watch.lose(how="exit status 3")
    watch = Watch(2)
    watch.serve()
    assert not [one for one in watch.lose() if isinstance(one, FailStart)]


# The end.


def test_who_serves_is_told_to_finish_and_who_does_not_is_killed() -> None:
    watch = Watch(3)
    watch.supervision.serves(0, watch.now)
    watch.lose(1)

    actions = watch.supervision.finish(5.0, watch.now)

    assert actions == [Say(0, Finish(5.0)), Kill(2, "it served nobody yet")]


def test_who_does_not_finish_in_time_is_killed() -> None:
    watch = Watch()
    watch.serve()
    watch.supervision.finish(5.0, watch.now)

    assert kills(watch.pass_time(5.0)) == [], "it may need all of its time, and some to end"
    assert Kill(0, "did not finish in time") in kills(watch.pass_time(2.0))
    soon = watch.now + rules.LATE_TICK
    assert watch.supervision.next_look() <= soon, "it waits although the time is up"


def test_who_was_killed_and_does_not_go_is_left_in_the_end() -> None:
    watch = Watch(2)
    watch.serve()
    watch.supervision.finish(5.0, watch.now)
    watch.lose(1)

    left = [one for one in watch.pass_time(9.0) if isinstance(one, Leave)]
    assert {one.worker for one in left} == {0}
    before = watch.supervision.over
    watch.supervision.left(0, "it does not go")
    assert (before, watch.supervision.over) == (False, True)


def test_who_was_killed_before_the_end_is_waited_for() -> None:
    """Its slot cannot be given to another one, and nobody waits for the end."""
    watch = Watch(worker_timeout=2.0)
    watch.serve()
    watch.beating.clear()

    assert not [one for one in watch.pass_time(60.0) if isinstance(one, Leave)]


def test_an_end_is_brought_forward_and_not_put_off() -> None:
    watch = Watch()
    watch.serve()
    first = watch.supervision.finish(60.0, watch.now)
    sooner = watch.supervision.finish(1.0, watch.now)
    later = watch.supervision.finish(60.0, watch.now)

    assert (first, sooner, later) == ([Say(0, Finish(60.0))], [Say(0, Finish(1.0))], [])
    assert kills(watch.pass_time(3.0))


def test_a_second_call_ends_the_spread_and_leaves_others_the_time_that_they_had() -> None:
    watch = Watch()
    watch.serve()
    first = watch.supervision.finish(5.0, watch.now, 3_600.0)
    watch.now += 100.0
    second = watch.supervision.finish(1e9, watch.now)  # what there is for ever, as a number
    third = watch.supervision.finish(5.0, watch.now, 60.0)
    fourth = watch.supervision.finish(1e9, watch.now, 60.0)

    assert first == [Say(0, Finish(5.0, 3_600.0))]
    assert second == [Say(0, Finish(3_505.0, 0.0))]
    assert third == [Say(0, Finish(65.0, 0.0))], "of both nothing is later"
    assert fourth == []


def test_a_shorter_spread_is_one_from_then_on() -> None:
    watch = Watch()
    watch.serve()
    watch.supervision.finish(5.0, watch.now, 3_600.0)
    watch.now += 100.0
    assert watch.supervision.finish(5.0, watch.now, 60.0) == [Say(0, Finish(5.0, 60.0))]


def test_nobody_is_started_or_missed_once_the_end_has_begun() -> None:
    watch = Watch(2)
    watch.serve()
    watch.lose(0)
    watch.supervision.finish(60.0, watch.now)

    assert told(watch.lose(1)) == []
    assert watch.pass_time(20.0) == []
    assert watch.supervision.over


def test_it_is_over_when_no_process_is_left() -> None:
    watch = Watch(2)
    watch.serve()
    over = [watch.supervision.over]
    watch.supervision.finish(1.0, watch.now)
    for worker in (0, 1):
        over.append(watch.supervision.over)
        watch.lose(worker)
    over.append(watch.supervision.over)

    assert over == [False, False, False, True]


def test_it_wakes_for_what_is_due_and_for_no_more() -> None:
    watch = Watch()
    watch.serve()
    assert watch.supervision.next_look() == watch.now + TICK

    watch.lose()
    assert watch.supervision.next_look() == watch.lives[0].start_at
    watch.supervision.finish(0.0, watch.now)
    assert watch.supervision.next_look() == watch.now + TICK
    assert watch.supervision.is_time_to_look(watch.now)
