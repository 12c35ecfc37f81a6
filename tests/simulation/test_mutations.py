"""Every checker is able to fail: broken on purpose, the system is caught within some seeds."""

from __future__ import annotations

from unittest import mock

import pytest

from tests.simulation.mutations import MUTATIONS
from tests.simulation.test_caught_directly import CHECKS
from tests.simulation.violated import Violated
from tests.simulation.world import HELD_FROM, LATE_FROM, World

SEEDS_MAX = 250  # most are caught by the first few
LATE = range(LATE_FROM, LATE_FROM + 100)  # what is about who has missed something, by these alone
HELD = range(HELD_FROM, HELD_FROM + 50)  # and about who waits at a limit of `block`, by these

# The seeds that catch them soonest, most of them within a hundredth of a second: a mistake of which
# one knows nothing is looked for in 0.2 s for each seed. A change of what is simulated makes other
# seeds of them, and those below `SEEDS_MAX` are tried then, behind those of `LATE` or `HELD` if it
# was one of these; find better ones, now and again, by
# `python -m tests.simulation --mutations --runs 24`.
TRIED_FIRST: dict[str, int] = {
    "act_although_the_report_waits": 0,
    "act_before_the_report": 0,
    "answer_before_the_front_is_there": 2,
    "answer_without_settling": 1,
    "begin_the_past_a_message_late": 10_000,
    "call_nobody_slow": 1,
    "call_silent_whom_nothing_is_sent": 10,
    "change_what_was_wanted_before": 88,
    "close_nobody": 0,
    "commit_before_bytes": 219,
    "commit_before_index": 4,
    "commit_half_a_batch": 0,
    "conflate_nothing": 2,
    "conflate_without_counting": 2,
    "correct_no_bytes": 7,
    "count_as_sent_what_he_waits_for": 47,
    "count_no_bytes_of_who_was_sent_none": 4,
    "count_no_newest": 3,
    "count_nothing_of_the_past": 10_002,
    "count_the_bytes_of_everybody": 16,
    "count_the_messages_of_everybody": 19,
    "count_what_nobody_saw": 60,
    "drop_more_than_one_must": 1,
    "drop_silently": 1,
    "drop_where_the_publisher_has_to_wait": 21,
    "drop_without_counting": 1,
    "drop_without_counting_the_bytes": 1,
    "end_silently": 6,
    "evict_who_harms_nobody": 10_010,
    "follow_without_the_bytes": 31,
    "forget_a_suspect": 4,
    "forget_the_bytes_that_were_counted_while_parked": 10_003,
    "forget_the_gap_before": 8,
    "forget_the_old_subscriptions": 10_081,
    "forget_the_policy": 0,
    "forget_the_runnable": 0,
    "forget_the_spill": 10,
    "forget_what_it_wanted_before": 10_012,
    "forget_what_there_was_no_time_for": 10_005,
    "forget_what_was_counted_while_parked": 10_003,
    "forget_what_was_lost_with_the_policy_before": 2,
    "forget_who_does_not_wait": 115,
    "forget_who_had_no_time": 2,
    "forget_who_is_not_alone": 4,
    "forget_who_waits": 10_036,
    "go_on_with_the_lost": 6,
    "go_on_with_what_came_while_it_finished": 3,
    "hold_nobody": 64,
    "hold_the_log_for_the_past": 10_001,
    "judge_by_the_policy_before": 2,
    "keep_every_chunk": 0,
    "keep_one_message_too_many": 1,
    "keep_one_too_many_of_its_own": 0,
    "leave_the_poison": 1,
    "let_everybody_choose": 11,
    "let_everybody_choose_anything": 125,
    "let_it_choose_although_it_was_called": 8,
    "let_nothing_grow_old": 11,
    "let_only_the_others_of_a_cohort_wait": 10_035,
    "let_the_first_one_count": 8,
    "let_the_lost_come_back": 15,
    "let_them_rest_for_ever": 36,
    "limit_bytes_alone": 12,
    "look_at_the_last_first": 106,
    "look_too_late": 12,
    "lose_everything_for_one_reason": 1,
    "lose_no_newest": 59,
    "lose_the_offset": 0,
    "match_by_what_is_reserved": 3,
    "match_twice": 1,
    "never_drop": 1,
    "never_evict": 288,
    "never_go_by_its_own_policy_again": 10_003,
    "note_no_time_but_the_first": 10_003,
    "number_anew": 11,
    "number_from_the_start_of_a_batch": 3,
    "number_the_rest_as_the_next": 7,
    "promise_what_is_overwritten": 10_054,
    "promise_without_protection": 117,
    "protect_nothing_for_who_waits": 10_036,
    "protect_one_message_too_few": 1,
    "publish_no_totals": 1,
    "remember_old_matches": 9,
    "remember_topics_for_ever": 22,
    "report_no_loss": 6,
    "report_what_was_reported": 109,
    "rest_for_no_time": 84,
    "reuse_one_byte_too_many": 1,
    "reuse_one_entry_too_many": 3,
    "say_flushed_too_early": 7,
    "say_what_is_left_before_all_is_heard": 20_011,
    "send_a_spill_without_counting_its_bytes": 6,
    "send_as_much_as_it_takes": 10,
    "send_the_newest_first": 1,
    "send_the_older_after_the_newer": 2,
    "serve_the_first_only": 10_023,
    "serve_the_held": 267,
    "serve_the_steady_only": 8,
    "speak_inside_a_message": 25,
    "spill_from_its_start_again": 6,
    "take_a_batch_for_whole_that_is_not": 4,
    "take_a_stop_off_what_follows_it": 77,
    "take_everything_back": 3,
    "take_nothing_back": 51,
    "take_the_oldest_for_the_newest": 10_000,
    "take_what_is_bad_for_a_name": 14,
    "tell_another_reason": 6,
    "tell_nobody_of_gaps": 25,
    "tell_nobody_that_the_past_is_gone": 10_023,
    "tell_of_all_that_lay_between": 6,
    "tell_of_each_gap_twice": 6,
    "tell_of_gaps_too_early": 72,
    "tell_of_gaps_too_late": 54,
    "tell_of_no_gap": 10_049,
    "tell_that_it_began_before": 6,
    "tell_that_it_ended_behind": 6,
    "total_for_those_who_are_blocked_too": 46,
    "total_of_the_ready_alone": 7,
    "total_of_what_was_not_wanted_after_all": 56,
    "total_without_losses": 1,
    "total_without_spills": 1,
    "total_without_the_bytes_of_an_interrupted_round": 106,
    "total_without_the_bytes_of_who_is_alone": 4,
    "total_without_the_bytes_that_are_discarded": 19,
    "total_without_what_is_discarded": 19,
    "total_without_what_prefixes_count": 1,
    "trust_every_edge": 1,
    "try_nobody_again_who_may_go_on": 1,
    "wait_for_the_blocked": 19,
    "wait_where_the_oldest_are_to_be_dropped": 1,
    "wake_nobody": 124,
    "write_a_workers_word": 0,
    "write_the_publishers_word": 0,
}


def caught_by(name: str) -> int | None:
    """The first seed that shows that the system is broken, if there is one.

    It is caught when a checker says which invariant does not hold. Any other exception fails.
    """
    owner, attribute, broken = MUTATIONS[name]
    first = TRIED_FIRST.get(name, 0)
    kind = next((kind for kind in (LATE, HELD) if first in kind), ())
    seeds: list[int] = [first, *kind, *range(SEEDS_MAX)]
    with mock.patch.object(owner, attribute, broken):
        for seed in seeds:
            try:
                World(seed).run()
            except Violated:
                return seed
    return None


@pytest.mark.parametrize("name", [name for name in MUTATIONS if name not in CHECKS])
def test_the_simulation_catches(name: str) -> None:
    assert caught_by(name) is not None, "this mistake would not be seen"


def test_what_is_tried_first_is_a_seed_that_holds_without_the_mistake() -> None:
    assert set(TRIED_FIRST) <= set(MUTATIONS)
    run = {*range(300), *LATE, *HELD}
    assert {*TRIED_FIRST.values()} <= run, "not among those that test_simulation.py runs"


def test_the_simulation_catches_nothing_where_nothing_is_broken() -> None:
    for seed in range(5):
        World(seed).run()
