"""Every checker is able to fail: broken on purpose, the system is caught within some seeds."""

from __future__ import annotations

from unittest import mock

import pytest

from tests.simulation.mutations import MUTATIONS
from tests.simulation.violated import Violated
from tests.simulation.world import World

SEEDS_MAX = 250  # most are caught by the first few

# Seeds that catch what few others do, to spare the time of looking for one. A change of what is
# simulated makes other seeds of them, and those below `SEEDS_MAX` are tried then as for all.
TRIED_FIRST: dict[str, int] = {
    "answer_before_the_front_is_there": 1,
    "answer_without_settling": 6,
    "begin_the_next_pass_at_once": 36,
    "call_silent_whom_nothing_is_sent": 5,
    "change_what_was_wanted_before": 12,
    "conflate_nothing": 6,
    "conflate_without_counting": 6,
    "count_as_sent_what_he_waits_for": 5,
    "count_no_newest": 3,
    "count_the_messages_of_everybody": 5,
    "count_what_nobody_saw": 66,
    "drop_the_oldest_instead": 3,
    "evict_who_harms_nobody": 6,
    "forget_a_suspect": 1,
    "forget_the_bytes_that_were_counted_while_parked": 30,
    "forget_the_gap_before": 6,
    "forget_what_it_wanted_before": 14,
    "forget_what_was_counted_while_parked": 30,
    "forget_what_was_lost_with_the_policy_before": 11,
    "forget_who_does_not_wait": 1,
    "forget_who_had_no_time": 2,
    "forget_who_waits": 1,
    "go_on_from_the_front_who_waits": 5,
    "go_on_with_what_came_while_it_finished": 3,
    "hold_nobody": 3,
    "judge_by_the_policy_before": 8,
    "keep_nothing_that_has_an_age": 43,
    "let_everybody_choose": 11,
    "let_everybody_choose_anything": 24,
    "let_it_choose_although_it_was_called": 6,
    "let_only_the_others_of_a_cohort_wait": 1,
    "let_the_first_one_count": 4,
    "let_the_lost_come_back": 3,
    "let_them_rest_for_ever": 6,
    "limit_bytes_alone": 1,
    "look_at_the_last_first": 22,
    "lose_no_newest": 12,
    "never_count_the_ready": 2,
    "never_evict": 6,
    "note_no_time_but_the_first": 8,
    "number_anew": 1,
    "number_the_rest_as_the_next": 1,
    "promise_without_protection": 181,
    "protect_nothing_for_who_waits": 9,
    "remember_topics_for_ever": 2,
    "report_what_was_reported": 1,
    "rest_for_no_time": 6,
    "send_a_spill_without_counting_its_bytes": 1,
    "send_as_much_as_it_takes": 3,
    "send_the_older_after_the_newer": 8,
    "serve_the_held": 18,
    "serve_the_steady_only": 1,
    "settle_from_where_the_log_was": 3,
    "spill_from_its_start_again": 1,
    "take_a_batch_for_whole_that_is_not": 1,
    "take_a_stop_off_what_follows_it": 18,
    "take_everything_back": 6,
    "take_nothing_back": 6,
    "take_the_oldest_for_the_newest": 6,
    "take_what_is_bad_for_a_name": 3,
    "tell_another_reason": 6,
    "tell_nobody_of_gaps": 6,
    "tell_of_all_that_lay_between": 6,
    "tell_of_each_gap_twice": 6,
    "tell_of_gaps_too_early": 55,
    "tell_of_gaps_too_late": 6,
    "tell_of_no_gap": 6,
    "tell_that_it_began_before": 6,
    "tell_that_it_ended_behind": 6,
    "total_of_what_was_not_wanted_after_all": 5,
    "total_without_spills": 1,
    "total_without_the_bytes_of_an_interrupted_round": 1,
    "trust_every_edge": 1,
    "try_nobody_again_who_may_go_on": 1,
    "wake_nobody": 50,
}


def caught_by(name: str) -> int | None:
    """The first seed that shows that the system is broken, if there is one.

    It is caught when a checker says which invariant does not hold. Any other exception fails.
    """
    owner, attribute, broken = MUTATIONS[name]
    first = TRIED_FIRST.get(name, 0)
    seeds: list[int] = [first, *range(SEEDS_MAX)]
    with mock.patch.object(owner, attribute, broken):
        for seed in seeds:
            try:
                World(seed).run()
            except Violated:
                return seed
    return None


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_simulation_catches(name: str) -> None:
    assert caught_by(name) is not None, "this mistake would not be seen"


def test_what_is_tried_first_is_a_seed_that_holds_without_the_mistake() -> None:
    assert set(TRIED_FIRST) <= set(MUTATIONS)
    assert max(TRIED_FIRST.values()) < 300, "not among those that test_simulation.py runs"


def test_the_simulation_catches_nothing_where_nothing_is_broken() -> None:
    for seed in range(5):
        World(seed).run()
