"""Mistakes that few seeds show: each has a check of its own, whatever the seeds are.

A change of anything that is simulated makes other seeds of all, so a mistake that one in hundreds
shows would be looked for in all of these, and perhaps not be found. Here nothing is left to chance.
"""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from fanout.shm.segment import Segment
from fanout.workers.connections import budgets
from tests.helpers.log import SMALL
from tests.helpers.taking_over import TakingOver
from tests.simulation.mutations import MUTATIONS
from tests.simulation.shown.mistakes import MISTAKES as OF_SHOWN
from tests.simulation.takeovers.mistakes import MISTAKES as OF_TAKEOVERS
from tests.unit.coordinator import test_handing_on as handing_on
from tests.unit.coordinator import test_lost as lost
from tests.unit.shm import test_credit as credit
from tests.unit.shm import test_stream_record as records
from tests.unit.subscriber import test_core as core
from tests.unit.subscriber import test_giving as giving
from tests.unit.subscriber import test_losses as losses
from tests.unit.subscriber import test_past as past
from tests.unit.workers.connections import test_alike as alike
from tests.unit.workers.connections import test_reading as reading
from tests.unit.workers.connections import test_resuming as resuming
from tests.unit.workers.connections import test_resuming_slow as resuming_slow
from tests.unit.workers.connections import test_sealed as sealed
from tests.unit.workers.connections import test_self_service as self_service
from tests.unit.workers.connections import test_unix_inbox as unix_inbox
from tests.unit.workers.connections.test_inbox import CHUNKS, LAYOUT, Unknown
from tests.unit.workers.stream import test_conflating as conflating
from tests.unit.workers.stream import test_gaps as gaps
from tests.unit.workers.stream import test_joining as joining
from tests.unit.workers.stream import test_judging as judging
from tests.unit.workers.stream import test_pump as pump
from tests.unit.workers.stream import test_rounds as rounds
from tests.unit.workers.stream import test_showing as showing
from tests.unit.workers.stream import test_shown as shown
from tests.unit.workers.stream import test_snapshot as snapshots

if TYPE_CHECKING:
    from collections.abc import Callable


def nobody_goes_on_too_early() -> None:
    with closing(TakingOver(resuming.LAYOUT, resuming.TUNING)) as two:
        resuming.test_nobody_goes_on_before_the_heir_has_come_as_far_as_the_dead_one(two)


def credit_is_taken_back_in_the_middle_of_a_look(when: str) -> None:
    two = credit.Two()
    with closing(two.segment):
        credit.test_who_takes_credit_back_while_another_thread_looks_is_not_overlooked(two, when)


def who_wants_something_else_is_sent_that() -> None:
    with closing(alike.make()) as taking:
        for _ in range(2):
            alike.come(taking, b"")
        alike.test_who_wants_something_else_is_sent_that(taking, "other prefixes")


def what_one_has_cancelled_is_not_shared() -> None:
    feed, topics = showing.Feed(), showing.TOPICS[:12]
    with closing(feed.segment):
        for topic in topics:
            feed.publish(topic)
        ones = joining.all_come(feed, *topics, room=0)
        feed.turn()
        feed.cancels(ones[4], topics[2])
        feed.settle()
        assert [topic for topic, _ in ones[4].got()[0]] == [*topics[:2], *topics[3:]]


def old_or_new_is_left() -> None:
    with closing(Segment.create(SMALL)) as segment:
        records.test_whoever_dies_between_two_stores_leaves_the_old_record_or_the_new_one(segment)


def nothing_taken_is_known() -> None:
    with closing(TakingOver(LAYOUT, CHUNKS, ipc=True)) as two:
        unix_inbox.test_one_whose_socket_has_just_taken_nothing_is_known(two)


def only_who_waits_is_held() -> None:
    bursts: dict[str, Any] = dict.fromkeys(("PEER_BURST_NS", "TALK_BURST_NS"), reading.BURST_NS)
    with mock.patch.multiple(budgets, **bursts), reading.two_who_change() as two:
        reading.test_whose_report_does_not_get_out_is_held_until_it_has_and_nobody_else(two)


def who_has_jumped_goes_on() -> None:
    with closing(TakingOver(resuming_slow.LAYOUT, resuming_slow.TUNING)) as two:
        resuming_slow.test_who_has_jumped_goes_on_from_there(two)


def who_has_got_its_pass_rests() -> None:
    with closing(TakingOver(resuming_slow.LAYOUT, resuming_slow.TUNING)) as two:
        resuming_slow.test_who_has_just_got_its_pass_rests_though_no_record_says_so(two)


def who_is_sent_something_at_times_only_rests_on() -> None:
    with closing(TakingOver(resuming_slow.LAYOUT, resuming_slow.TUNING)) as two:
        resuming_slow.test_who_is_sent_something_at_times_only_rests_on(two)


def an_end_is_brought_forward_when_the_publisher_is_gone() -> None:
    with closing(TakingOver(resuming.LAYOUT, resuming.TUNING)) as two:
        worker = two.workers[0]
        worker._end(3_600.0)
        worker.orphaned()
        assert worker._ending is not None
        assert worker._ending.left(two.around(worker).now()) <= 0.3


def who_jumps_gets_what_comes_as_a_last_value() -> None:
    feed = showing.Feed()
    with closing(feed.segment):
        showing.test_who_jumps_over_what_was_to_come_by_itself_gets_it_as_a_last_value(feed)


def who_waits_for_a_commit_goes_on() -> None:
    feed = showing.Feed()
    with closing(feed.segment):
        showing.test_one_that_is_not_committed_for_long_does_not_keep_the_worker_busy(feed)


def who_is_behind_is_shown_it_where_it_is_due() -> None:
    feed = showing.Feed()
    with closing(feed.segment):
        showing.test_who_is_behind_is_shown_it_where_it_is_due_though_the_same_comes_behind(feed)


WANTS = ((b"",), 4)  # of who waits for its turn in a round
_keep_log = resuming.test_the_log_is_kept_from_the_record_on_though_its_worker_needs_less

ALL = OF_TAKEOVERS, OF_SHOWN, MUTATIONS

# What shows a mistake, beside the seeds; more than one if it shows in more than one way.
CHECKS: dict[str, list[Callable[[], None]]] = {
    "ask_for_less_of_the_past": [
        partial(past.test_what_was_asked_for_with_them_is_asked_for_again, shown=0)
    ],
    "begin_again_after_a_jump": [who_jumps_gets_what_comes_as_a_last_value],
    "begin_again_what_another_one_was_sent": [
        partial(alike.test_who_takes_a_part_of_it_goes_on_there_whoever_has_it, 9, dies=False)
    ],
    "begin_again_what_was_sent": [shown.test_the_part_of_the_names_that_is_sent_is_handed_on],
    "begin_the_next_pass_at_once": [
        conflating.TestAnInterval().test_a_pass_that_ends_with_what_it_does_not_want_is_one
    ],
    "believe_a_checkpoint_of_before": [
        lost.test_what_a_record_says_that_is_newer_than_the_checkpoint_is_known
    ],
    "choose_a_bank_before_it_is_written": [old_or_new_is_left],
    "drop_the_oldest_instead": [
        judging.test_drop_newest_finishes_what_is_queued_and_goes_on_with_the_present
    ],
    "end_them_with_what_is_sent": [
        partial(shown.test_whether_it_ends_with_what_is_being_sent_is_handed_on, is_last=False)
    ],
    "forget_a_jump_when_a_pass_begins": [
        partial(
            snapshots.test_who_has_jumped_and_gets_the_newest_gets_last_values_as_of_where_it_goes_on,
            *(10, 30),
        )
    ],
    "forget_that_it_rests": [who_is_sent_something_at_times_only_rests_on],
    "forget_that_they_end": [
        partial(shown.test_whether_it_ends_with_what_is_being_sent_is_handed_on, is_last=True)
    ],
    "forget_the_nonces_of_what_waits": [sealed.test_what_waits_is_thrown_away_with_its_nonces],
    "forget_the_part_of_the_names": [
        shown.test_the_part_of_the_names_that_is_sent_is_handed_on,
    ],
    "forget_which_last_values_have_come": [
        giving.test_a_later_last_value_does_not_come_again_over_another_line
    ],
    "forget_what_covered_it": [
        partial(
            snapshots.test_a_topic_is_shown_once_whatever_is_cancelled_meanwhile,
            *([b"x", b"xa", b"-x", b"xab"], [1]),
        )
    ],
    "go_on_before_ones_front_is_there": [nobody_goes_on_too_early],
    "go_on_from_the_front_who_waits": [
        partial(rounds.test_who_changes_his_wants_while_he_waits_gets_what_he_wanted_before, *WANTS)
    ],
    "go_on_with_whom_it_was_sending_to": [
        handing_on.test_only_the_one_is_closed_that_its_worker_was_just_sending_to
    ],
    "hand_on_what_it_wants_now_only": [
        handing_on.test_how_its_wants_have_changed_since_its_record_is_handed_on
    ],
    "have_a_look_undo_that_credit_was_taken_back": [
        partial(credit_is_taken_back_in_the_middle_of_a_look, when)
        for when in ("first look", "second look", "look at the tails")
    ],
    "hold_all_if_the_report_of_one_waits": [only_who_waits_is_held],
    "jump_without_a_record": [who_has_jumped_goes_on],
    "keep_nothing_for_records": [partial(_keep_log, b"A"), partial(_keep_log, b"C")],
    "know_no_last_values_but_the_first": [
        giving.test_a_later_last_value_does_not_come_again_over_another_line
    ],
    "know_of_no_restart_where_nothing_was_before": [
        partial(
            core.test_a_line_that_was_never_up_is_told_of_a_restart_and_asks_for_all,
            has_come=has_come,
        )
        for has_come in (False, True)
    ],
    "know_where_what_is_unknown_is": [
        losses.test_a_gap_of_which_nobody_knows_where_it_is_takes_the_bounds_of_others_away
    ],
    "lose_what_comes_when_nothing_waits": [
        partial(judging.test_drop_newest_loses_nothing_that_comes_when_nothing_waits_any_more, b"")
    ],
    "never_count_the_ready": [
        partial(rounds.test_a_turn_ends_at_its_time_and_the_next_goes_on_there, *WANTS)
    ],
    "pass_where_one_is_due": [who_is_behind_is_shown_it_where_it_is_due],
    "remember_only_the_last_gap": [
        gaps.test_what_is_lost_before_it_was_told_is_in_the_same_marker,
    ],
    "rest_only_as_recorded": [who_has_got_its_pass_rests],
    "send_everybody_what_the_last_one_got": [who_wants_something_else_is_sent_that],
    "settle_from_where_the_log_was": [
        pump.test_a_cursor_that_is_settled_after_the_index_was_reused_counts_right
    ],
    "share_what_one_has_cancelled": [what_one_has_cancelled_is_not_shared],
    "take_nothing_back_if_it_takes_nothing": [nothing_taken_is_known],
    "take_what_was_shown_as_what_was_missed": [
        past.test_a_last_value_that_is_missed_by_another_subscription_comes_once
    ],
    "take_the_time_that_was_left_to_close": [an_end_is_brought_forward_when_the_publisher_is_gone],
    "tell_nobody_that_it_has_taken_all_back": [
        self_service.test_that_it_has_taken_all_back_is_told_if_that_may_not_have_been
    ],
    "wait_for_an_event_for_ever": [who_waits_for_a_commit_goes_on],
}


@pytest.mark.parametrize(
    ("name", "number"), [(name, one) for name, some in CHECKS.items() for one in range(len(some))]
)
def test_a_check_of_its_own_shows(name: str, number: int) -> None:
    check = CHECKS[name][number]
    check()  # what fails without the mistake shows nothing
    owner, attribute, broken = next(some[name] for some in ALL if name in some)

    with mock.patch.object(owner, attribute, broken), pytest.raises((AssertionError, Unknown)):
        check()
