"""Supervision that is broken on purpose is noticed, by a check that is named beside the mistake.

Each mistake is small and plausible. A check that fails otherwise than by an assertion, or that
fails without the mistake, is none.
"""

from __future__ import annotations

import math
import signal
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

import pytest

from fanout.coordinator import actions as do
from fanout.coordinator import changes, reports, supervision, watching
from fanout.coordinator import wrecks as wreck_rules
from fanout.coordinator.answers import Answers
from fanout.coordinator.interest import Interest
from fanout.coordinator.lives import Life
from fanout.coordinator.pool import Pool
from fanout.coordinator.reception import Reception
from fanout.coordinator.roster import Roster
from fanout.coordinator.supervision import Supervision
from fanout.coordinator.watching import Watch
from fanout.send import path
from fanout.shm.bells import Bell
from fanout.shm.worker_slot import WorkerSlot, WorkerState
from tests.unit.coordinator import test_coordinator as coordinators
from tests.unit.coordinator import test_lost as losses
from tests.unit.coordinator import test_pool as pools
from tests.unit.coordinator import test_reports as reporting
from tests.unit.coordinator import test_supervision as lives
from tests.unit.coordinator import test_supervision_ends as ends
from tests.unit.coordinator import test_watching as hangs
from tests.unit.coordinator import test_wrecks as wrecks
from tests.unit.send import test_path as paths

if TYPE_CHECKING:
    from collections.abc import Callable


class Mistake(NamedTuple):
    """What is replaced by what, and the check that notices."""

    owner: Any
    attribute: str
    broken: Any
    check: Callable[[], None]


MISTAKES: dict[str, Mistake] = {}


def wrong(name: str, owner: Any, attribute: str, value: Any, *checks: Callable[[], None]) -> None:
    """A constant, or a function that does without the original, in the place of another."""
    for check in checks:
        MISTAKES[f"{name}: {check.__name__}"] = Mistake(owner, attribute, value, check)


def mistake(
    owner: Any, attribute: str, *checks: Callable[[], None]
) -> Callable[[Callable[..., Any]], None]:
    """What is decorated takes the place of a function; it gets the original first."""
    original = getattr(owner, attribute)

    def register(mutant: Callable[..., Any]) -> None:
        def broken(*arguments: Any, **keywords: Any) -> Any:
            return mutant(original, *arguments, **keywords)

        wrong(mutant.__name__, owner, attribute, broken, *checks)

    return register


def without(kind: type) -> Callable[..., Any]:
    """A function that returns actions, with those of this kind left out."""

    def mutant(original: Callable[..., Any], *arguments: Any, **keywords: Any) -> list[Any]:
        return [one for one in original(*arguments, **keywords) if not isinstance(one, kind)]

    return mutant


def leaves_out(
    name: str, owner: Any, attribute: str, kind: type, *checks: Callable[[], None]
) -> None:
    """A function that returns actions does not return those of this kind."""
    mutant = without(kind)
    mutant.__name__ = name
    mistake(owner, attribute, *checks)(mutant)


def in_a_crowd(check: Callable[[paths.Crowd], None]) -> Callable[[], None]:
    """A check of the send path, with a crowd of its own."""

    def run() -> None:
        crowd = paths.Crowd(2)
        try:
            check(crowd)
        finally:
            crowd.close()

    run.__name__ = check.__name__
    return run


# The seven that were once not noticed, all of them together.

wrong(
    "no guard against false alarms",
    *(watching, "TICK_TRUST", math.inf),
    lives.test_time_in_which_the_coordinator_was_stopped_is_held_against_nobody,
    pools.test_a_coordinator_that_was_stopped_kills_nobody,
)


@mistake(Pool, "take_last_reports", pools.test_all_that_a_worker_reported_before_its_end_counts)
def reports_are_not_read_to_the_end(_original: Any, self: Pool, link: Any) -> Any:
    return self._take_reports(link)[1]


leaves_out(
    "the tail word of a lost worker is not released",
    *(reports, "let_go", do.FreeTail),
    reporting.test_a_lost_worker_holds_nothing_back_before_anything_else_is_done,
    pools.test_a_lost_worker_holds_no_message_back,
)


@mistake(WorkerSlot, "release", pools.test_a_lost_worker_holds_no_message_back)
def the_tail_word_stays(original: Any, self: WorkerSlot, *moved: Any) -> None:
    tail = self.tail
    original(self, *moved)
    self.tail = tail


wrong(
    "one that hung up its channel is not killed",
    *(watching, "HANG_UP_GRACE", math.inf),
    lives.test_who_hangs_up_and_does_not_end_is_killed,
    pools.test_one_that_hangs_up_and_does_not_end_is_killed,
)
wrong(
    "service makes up for no failure",
    *(supervision, "STABLE_AFTER", math.inf),
    lives.test_service_makes_up_for_failures,
)
leaves_out(
    "no wake after a reported subscription",
    *(reports, "_subscriptions", do.Wake),
    reporting.test_a_worker_is_woken_after_its_subscription_is_known,
    pools.test_what_a_subscription_missed_is_made_up_for,
)
wrong(
    "no nudge of sleepers",
    *(Bell, "ring", lambda _self: None),
    in_a_crowd(paths.check_that_sleepers_are_woken_when_the_log_is_full),
    in_a_crowd(paths.check_that_who_is_far_behind_is_woken),
)
wrong(
    "no nudge of those far behind before the log is full",
    *(path, "NUDGE_PART", 1e-9),
    in_a_crowd(paths.check_that_who_is_far_behind_is_woken),
)


# Killing.


@mistake(Supervision, "condemn", lives.test_the_first_reason_to_kill_is_the_one_that_is_told)
def the_last_reason_is_told(original: Any, self: Supervision, worker: int, reason: str) -> Any:
    self.lives[worker].condemned = ""
    return original(self, worker, reason)


@mistake(
    Supervision,
    "condemn",
    lives.test_who_gives_no_sign_of_life_is_killed_in_time,
    pools.test_one_that_hangs_is_killed_and_replaced,
    pools.test_one_that_does_not_read_is_killed_and_the_others_live,
    pools.test_one_that_says_what_it_cannot_say_is_killed,
)
def nobody_is_killed(original: Any, self: Supervision, worker: int, reason: str) -> Any:
    original(self, worker, reason)
    return []


@mistake(Supervision, "condemn", lives.test_who_is_killed_and_does_not_end_is_killed_again)
def one_is_killed_once(original: Any, self: Supervision, worker: int, reason: str) -> Any:
    return [] if self.lives[worker].condemned else original(self, worker, reason)


@mistake(Supervision, "started", lives.test_the_time_to_start_in_is_that_of_each_process)
def a_replacement_inherits_silence(original: Any, self: Supervision, worker: int) -> Any:
    life = self.lives[worker]
    silent_for = life.silent_for
    actions = original(self, worker)
    life.silent_for = silent_for
    return actions


@mistake(
    Supervision,
    "ended",
    lives.test_nothing_is_held_against_a_replacement,
    ends.test_a_start_that_fails_is_not_told_as_the_kill_before_it,
)
def a_replacement_inherits_the_blame(
    original: Any, self: Supervision, worker: int, *how: Any
) -> Any:
    life = self.lives[worker]
    condemned = life.condemned
    actions = original(self, worker, *how)
    life.condemned = condemned
    return actions


@mistake(Supervision, "started", lives.test_nothing_is_held_against_a_replacement)
def a_replacement_inherits_the_hang_up(original: Any, self: Supervision, worker: int) -> Any:
    life = self.lives[worker]
    hung_up_for = life.hung_up_for
    actions = original(self, worker)
    life.hung_up_for = hung_up_for
    return actions


@mistake(Supervision, "serves", lives.test_the_time_to_start_in_is_that_of_each_process)
def starting_counts_as_silence(original: Any, self: Supervision, worker: int, now: float) -> Any:
    silent_for = self.lives[worker].silent_for
    actions = original(self, worker, now)
    self.lives[worker].silent_for = silent_for
    return actions


@mistake(Supervision, "_judge", lives.test_who_never_begins_to_serve_is_killed)
def starting_may_take_for_ever(original: Any, self: Supervision, life: Life, *sight: Any) -> str:
    reason: str = original(self, life, *sight)
    return "" if life.state is WorkerState.STARTING else reason


@mistake(Supervision, "_judge", lives.test_who_never_begins_to_serve_is_killed)
def a_heartbeat_is_service(
    original: Any, self: Supervision, life: Life, sight: Any, *times: float
) -> str:
    if sight.heartbeat != life.heartbeat:
        life.silent_for = 0.0
    reason: str = original(self, life, sight, *times)
    return reason


wrong(
    "one that cannot even abort is not killed",
    *(watching, "ABORT_GRACE", 60.0),
    lives.test_who_gives_no_sign_of_life_is_killed_in_time,
    pools.test_one_that_hangs_is_killed_and_replaced,
)
wrong(
    "one that hangs is not asked where",
    *(Watch, "may_print", lambda _self, _life: False),
    lives.test_who_gives_no_sign_of_life_is_killed_in_time,
)
wrong(
    "hanging up is judged by looks, not by time",
    *(watching, "HANG_UP_GRACE", 1e-9),
    lives.test_who_hangs_up_when_it_ends_is_given_the_time_to,
)
wrong(
    "who finishes late is not killed",
    *(supervision, "KILL_GRACE", 1e6),
    lives.test_who_does_not_finish_in_time_is_killed,
)
wrong(
    "who finishes gets no time to end",
    *(supervision, "KILL_GRACE", -1.0),
    lives.test_who_does_not_finish_in_time_is_killed,
)


# Losses.


@mistake(
    Supervision,
    "due",
    lives.test_nobody_is_started_or_missed_once_the_end_has_begun,
)
def the_end_starts_workers(original: Any, self: Supervision, now: float) -> Any:
    finishing_until, self.finishing_until = self.finishing_until, None
    try:
        return original(self, now)
    finally:
        self.finishing_until = finishing_until


@mistake(Supervision, "due", lives.test_a_lost_worker_is_started_again)
def a_lost_worker_is_not_started_again(_original: Any, _self: Supervision, _now: float) -> Any:
    return []


wrong(
    "a worker is given up too early",
    *(supervision, "GIVE_UP_AFTER", 30.0),
    lives.test_a_bad_minute_does_not_end_a_service_of_months,
)
wrong(
    "a worker is given up after its first failure",
    *(supervision, "FAILURES_MAX", 0),
    lives.test_a_stopped_machine_is_no_row_of_failures,
)


@mistake(
    Supervision,
    "ended",
    lives.test_nothing_can_be_delivered_when_none_has_served_for_minutes,
    lives.test_to_be_alive_without_service_makes_up_for_nothing,
)
def a_worker_is_never_given_up(original: Any, self: Supervision, worker: int, *rest: Any) -> Any:
    self.lives[worker].failures = min(self.lives[worker].failures, supervision.FAILURES_MAX - 1)
    return original(self, worker, *rest)


@mistake(
    Supervision, "ended", lives.test_one_that_fails_for_minutes_is_given_up_and_the_others_serve_on
)
def while_another_one_serves_nobody_is_given_up(
    original: Any, self: Supervision, worker: int, how: str, now: float, *code: Any
) -> Any:
    if self.ready:
        self.lives[worker].served = now
    return original(self, worker, how, now, *code)


@mistake(
    Supervision, "_take_up_again", lives.test_one_that_serves_after_all_brings_back_who_was_given_up
)
def who_was_given_up_stays_so(_original: Any, _self: Supervision, _now: float) -> Any:
    return []


@mistake(Supervision, "ended", lives.test_one_that_serves_now_and_then_is_not_given_up)
def a_short_service_is_none(original: Any, self: Supervision, worker: int, *rest: Any) -> Any:
    life = self.lives[worker]
    life.ready_since, life.state = math.inf, WorkerState.STARTING
    return original(self, worker, *rest)


@mistake(Supervision, "ended", lives.test_to_be_alive_without_service_makes_up_for_nothing)
def to_start_is_service(original: Any, self: Supervision, worker: int, *rest: Any) -> Any:
    self.lives[worker].state = WorkerState.READY
    return original(self, worker, *rest)


wrong(
    "broken as soon as one is given up",
    *(Supervision, "broken", property(lambda self: self.lives[0].state is WorkerState.GONE)),
    lives.test_nothing_can_be_delivered_when_none_has_served_for_minutes,
)
wrong(
    "no limit of the back-off",
    supervision,
    "BACKOFF_MAX",
    math.inf,
    lives.test_the_back_off_has_a_limit_however_often_one_fails,
)
wrong(
    "the back-off does not double", supervision, "BACKOFF_MAX", 0.1, lives.test_the_back_off_doubles
)
leaves_out(
    "a loss is not told",
    *(Supervision, "_tell_of_loss", do.Tell),
    lives.test_a_lost_worker_is_started_again,
    pools.test_one_that_hangs_is_killed_and_replaced,
)
leaves_out(
    "a failed start is not told",
    *(Supervision, "_tell_of_loss", do.FailStart),
    lives.test_a_worker_that_is_lost_before_all_serve_fails_the_start,
)
leaves_out(
    "that all are given up is not told",
    *(Supervision, "_tell_of_giving_up", do.Break),
    lives.test_nothing_can_be_delivered_when_none_has_served_for_minutes,
)


leaves_out(
    "that one is given up is not told",
    *(Supervision, "_tell_of_giving_up", do.Tell),
    lives.test_one_that_fails_for_minutes_is_given_up_and_the_others_serve_on,
)


@mistake(Pool, "start", pools.test_one_that_cannot_be_started_is_tried_again)
def who_cannot_be_started_is_forgotten(original: Any, self: Pool, worker: int) -> Any:
    ended, self._ended = self._ended, lambda *_how: []  # type: ignore[method-assign]
    try:
        return original(self, worker)
    finally:
        self._ended = ended  # type: ignore[method-assign]


# Ends from outside.


def check_that_one_that_crashed_waits() -> None:
    ends.test_who_has_ended_by_itself_waits(-signal.SIGSEGV)


def check_that_one_of_which_nothing_is_known_waits() -> None:
    ends.test_who_has_ended_by_itself_waits(None)


wrong(
    "an end from outside is a failure",
    *(supervision, "is_from_outside", lambda _code: False),
    ends.test_who_was_ended_from_outside_is_started_at_once,
    ends.test_no_failure_is_counted_however_often_one_is_ended_from_outside,
)
wrong(
    "every signal is from outside",
    *(supervision, "is_from_outside", lambda code: code is not None and code < 0),
    check_that_one_that_crashed_waits,
)
wrong(
    "what nobody knows is from outside",
    *(supervision, "is_from_outside", lambda code: code is None),
    check_that_one_of_which_nothing_is_known_waits,
)
wrong(
    "any number is started at once",
    *(supervision, "AT_ONCE", 1_000),
    ends.test_so_many_are_started_at_once_in_a_second_of_all_workers,
)


@mistake(Supervision, "ended", ends.test_who_has_failed_is_not_kept_waiting_by_those)
def who_has_failed_waits_for_those(original: Any, self: Supervision, worker: int, *how: Any) -> Any:
    actions = original(self, worker, *how)
    self.lives[worker].is_paced = True
    return actions


@mistake(Supervision, "ended", ends.test_one_that_we_kill_has_failed)
def one_that_we_kill_was_killed_from_outside(
    original: Any, self: Supervision, worker: int, *how: Any
) -> Any:
    self.lives[worker].condemned = ""
    return original(self, worker, *how)


wrong(
    "one that was stopped has failed, and is asked where",
    *(Life, "is_stopped", False),
    ends.test_one_that_somebody_has_stopped_has_not,
    hangs.test_one_that_is_stopped_is_not_asked_where,
)


# Tried again.


@mistake(Supervision, "restart", ends.test_nothing_is_held_against_them_any_more)
def a_restart_forgives_nothing(original: Any, self: Supervision, now: float) -> Any:
    failures = [life.failures for life in self.lives]
    count = original(self, now)
    for life, before in zip(self.lives, failures, strict=True):
        life.failures = before
    return count


@mistake(Supervision, "restart", ends.test_nothing_is_held_against_them_any_more)
def a_restart_gives_no_new_time(original: Any, self: Supervision, now: float) -> Any:
    count = original(self, now)
    for life in self.lives:
        life.served = -math.inf
    return count


@mistake(
    Supervision, "restart", ends.test_those_who_wait_are_started_and_those_who_serve_are_left_alone
)
def a_restart_is_for_those_who_were_given_up(original: Any, self: Supervision, now: float) -> Any:
    return original(self, now) if self.broken else 0


@mistake(Supervision, "restart", ends.test_one_whose_process_is_still_there_gets_no_second_one)
def a_restart_starts_a_second_process(original: Any, self: Supervision, now: float) -> Any:
    for life in self.lives:
        life.is_left = False
    return original(self, now)


@mistake(Supervision, "restart", ends.test_nobody_is_started_in_the_end)
def a_restart_goes_on_in_the_end(original: Any, self: Supervision, now: float) -> Any:
    self.finishing_until = None
    return original(self, now)


leaves_out(
    "that one serves again is not told",
    *(Supervision, "serves", do.Mend),
    ends.test_it_is_mended_when_one_serves_again_and_not_before,
)


@mistake(Supervision, "serves", ends.test_it_is_mended_when_one_serves_again_and_not_before)
def each_that_serves_mends(original: Any, self: Supervision, *who: Any) -> Any:
    return [*original(self, *who), do.Mend()]


@mistake(
    Supervision,
    "_tell_of_giving_up",
    ends.test_it_is_told_once_that_it_is_broken_until_it_is_mended,
)
def it_breaks_again_and_again(original: Any, self: Supervision, life: Life) -> Any:
    self._is_broken = False
    return original(self, life)


@mistake(Supervision, "ended", ends.test_who_was_left_to_itself_can_be_given_up_as_well)
def who_was_left_is_given_up_in_silence(
    original: Any, self: Supervision, worker: int, *how: Any
) -> Any:
    was_left = self.lives[worker].is_left
    actions = original(self, worker, *how)
    return [] if was_left else actions


# Who hangs.


def check_that_it_is_killed_in_time() -> None:
    hangs.test_one_that_hangs_is_killed_in_time(7.3, "R", gives_signs=False)


def check_that_it_is_killed_in_time_where_that_is_short() -> None:
    hangs.test_one_that_hangs_is_killed_in_time(0.5, "T", gives_signs=False)


def check_that_a_group_may_be_stopped() -> None:
    hangs.test_a_group_that_was_stopped_again_and_again_does_not_hang(0.5)


def check_that_one_that_is_starved_has_time() -> None:
    hangs.test_one_that_gets_nothing_of_a_busy_machine_has_twice_the_time(0.0)


def check_that_one_that_gets_little_has_time() -> None:
    hangs.test_one_that_gets_nothing_of_a_busy_machine_has_twice_the_time(0.05)


def check_that_one_that_works_has_no_more_time() -> None:
    hangs.test_one_that_works_or_does_not_want_to_has_not(0.5, "R")


def check_that_one_that_waits_has_no_more_time() -> None:
    hangs.test_one_that_works_or_does_not_want_to_has_not(0.0, "D")


@mistake(Watch, "_note", hangs.test_one_that_lives_and_gets_nowhere_hangs)
def a_sign_of_life_is_enough(
    original: Any, self: Watch, life: Life, sight: Any, *rest: Any, **more: Any
) -> None:
    original(self, life, sight, *rest, **more)
    life.stands_for = 0.0


@mistake(
    Watch,
    "_note",
    hangs.test_one_that_nobody_waits_for_need_not_get_on,
    hangs.test_only_the_time_counts_in_which_something_waited,
)
def something_always_waits(
    original: Any, self: Watch, life: Life, sight: Any, *rest: Any, **more: Any
) -> None:
    original(self, life, sight._replace(is_waited_for=True), *rest, **more)


@mistake(Watch, "_note", hangs.test_progress_makes_up_for_a_pause)
def progress_makes_up_for_nothing(
    original: Any, self: Watch, life: Life, sight: Any, *rest: Any, **more: Any
) -> None:
    life.progress = sight.progress
    original(self, life, sight, *rest, **more)


@mistake(Watch, "judge", hangs.test_one_that_finishes_has_the_time_of_the_end)
def one_that_finishes_is_to_get_on(original: Any, self: Watch, *what: Any, ends: bool) -> Any:
    del ends
    return original(self, *what, ends=False)


wrong(
    "looks are seldom",
    watching,
    "TICKS_EACH",
    1,
    check_that_it_is_killed_in_time_where_that_is_short,
)
wrong(
    "a look comes with the next tick",
    Watch,
    "_left",
    lambda *_what: math.inf,
    check_that_it_is_killed_in_time,
)
wrong(
    "one look counts for all", watching, "TICK_TRUST", math.inf, check_that_a_group_may_be_stopped
)
wrong(
    "a busy machine is no excuse",
    *(watching, "STARVED_WEIGHT", 1.0),
    check_that_one_that_is_starved_has_time,
    hangs.test_a_start_on_a_busy_machine_has_twice_the_time_as_well,
)
wrong(
    "a busy machine excuses everything",
    watching,
    "STARVED_WEIGHT",
    0.0,
    check_that_one_that_is_starved_has_time,
)
wrong(
    "only who gets nothing is starved",
    watching,
    "STARVED_PART",
    1e-9,
    check_that_one_that_gets_little_has_time,
)
wrong(
    "who gets half of a core is starved",
    watching,
    "STARVED_PART",
    0.6,
    check_that_one_that_works_has_no_more_time,
)
wrong("who waits is starved", watching, "RUNNABLE", "D", check_that_one_that_waits_has_no_more_time)


# Connections of lost workers.


@mistake(
    Answers, "forget", reporting.test_a_question_is_answered_when_the_last_has_answered_or_is_lost
)
def a_lost_worker_owes_its_answers(_original: Any, _self: Answers, _worker: int) -> Any:
    return []


leaves_out(
    "duplicates of lost connections stay open",
    *(reports, "end", do.Shut),
    reporting.test_the_connections_of_a_lost_worker_end_and_those_of_others_do_not,
    pools.test_the_connections_of_a_lost_worker_are_ended,
)
leaves_out(
    "lost connections are not booked",
    *(reports, "end", do.Book),
    reporting.test_the_connections_of_a_lost_worker_end_and_those_of_others_do_not,
    pools.test_the_connections_of_a_lost_worker_are_ended,
)


@mistake(
    Roster,
    "remove",
    reporting.test_handshakes_that_are_lost_with_their_worker_are_not_under_way_any_more,
)
def lost_handshakes_stay_half_open(original: Any, self: Roster, subscriber: int) -> Any:
    half_open = self.half_open
    removed = original(self, subscriber)
    self.half_open = half_open
    return removed


@mistake(
    Interest,
    "forget",
    reporting.test_the_connections_of_a_lost_worker_end_and_those_of_others_do_not,
    reporting.test_the_end_of_a_connection_is_shut_booked_and_told_in_this_order,
)
def who_is_gone_stays_interested(_original: Any, _self: Interest, _subscriber: int) -> None:
    return


@mistake(reports, "_subscriptions", reporting.test_one_that_is_not_known_any_more_wants_nothing)
def late_reports_count(original: Any, state: Any, worker: int, message: Any) -> Any:
    state.interest.update(message.subscriber, worker, message.added, message.cancelled)
    return original(state, worker, message)


@mistake(Supervision, "hold", wrecks.test_nobody_takes_the_place_of_one_that_is_not_cleared_yet)
def one_is_started_into_a_slot_in_use(_original: Any, _self: Supervision, _worker: int) -> None:
    return


wrong(
    "a wreck is cleared in one go",
    *(wreck_rules, "SLICE", math.inf),
    wrecks.test_others_have_their_turn_while_a_wreck_is_cleared,
)
wrong(
    "what was wanted before is forgotten",
    *(changes, "CHANGES_MAX", 0),
    losses.test_who_has_changed_lately_is_counted_by_what_it_wanted_when,
)


# The end, and accepting.


@mistake(Supervision, "finish", lives.test_an_end_is_brought_forward_and_not_put_off)
def an_end_is_not_brought_forward(original: Any, self: Supervision, *times: float) -> Any:
    return [] if self.finishing_until is not None else original(self, *times)


@mistake(Supervision, "finish", lives.test_an_end_is_brought_forward_and_not_put_off)
def an_end_is_put_off(original: Any, self: Supervision, *times: float) -> Any:
    self.finishing_until = None
    return original(self, *times)


wrong(
    "it is over while processes are left",
    *(Supervision, "over", property(lambda self: self.finishing_until is not None)),
    lives.test_it_is_over_when_no_process_is_left,
    pools.test_the_end_waits_for_the_workers_and_leaves_nothing,
)


@mistake(Reception, "look", coordinators.test_who_is_refused_for_want_of_descriptors_is_named)
def accepting_is_never_resumed(_original: Any, _self: Reception, _now: float) -> list[Any]:
    return []


@pytest.mark.unmeasured
@pytest.mark.parametrize("name", MISTAKES)
def test_it_is_noticed(name: str) -> None:
    owner, attribute, broken, check = MISTAKES[name]

    with mock.patch.object(owner, attribute, broken), pytest.raises(AssertionError):
        check()


@pytest.mark.parametrize(
    "check", {one.check.__name__: one.check for one in MISTAKES.values()}.values()
)
def test_nothing_is_noticed_where_nothing_is_wrong(check: Callable[[], None]) -> None:
    check()
