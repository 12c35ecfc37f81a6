"""Every checker is able to fail: broken on purpose, the system is caught within some seeds."""

from __future__ import annotations

from unittest import mock

import pytest

from tests.simulation.model import Violated
from tests.simulation.mutations import MUTATIONS
from tests.simulation.world import World

SEEDS_MAX = 250  # most are caught by the first few

# Seeds that catch what few others do, to spare the time of looking for one. A change of what is
# simulated makes other seeds of them, and those below `SEEDS_MAX` are tried then as for all.
TRIED_FIRST: dict[str, int] = {
    "answer_without_settling": 6,
    "change_what_was_wanted_before": 58,
    "count_as_sent_what_he_waits_for": 5,
    "count_what_nobody_saw": 10,
    "drop_where_the_publisher_has_to_wait": 12,
    "evict_who_harms_nobody": 6,
    "forget_a_suspect": 13,
    "forget_what_there_was_no_time_for": 31,
    "forget_what_was_counted_while_parked": 11,
    "go_on_from_the_front_who_waits": 5,
    "hold_nobody": 9,
    "let_only_the_others_of_a_cohort_wait": 36,
    "limit_bytes_alone": 9,
    "look_at_the_last_first": 27,
    "never_evict": 13,
    "number_the_rest_as_the_next": 16,
    "promise_without_protection": 32,
    "protect_nothing_for_who_waits": 9,
    "serve_the_held": 9,
    "serve_the_steady_only": 11,
    "settle_from_where_the_log_was": 56,
    "total_of_what_was_not_wanted_after_all": 9,
    "try_nobody_again_who_may_go_on": 23,
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
