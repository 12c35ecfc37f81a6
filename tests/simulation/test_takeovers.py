"""Some hundred seeds of takeovers, and mistakes in them that some seed finds."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import mock

import pytest

from tests.simulation.takeovers.fate import CANCELLED, KILL_POINTS, SOUGHT
from tests.simulation.takeovers.mistakes import MISTAKES
from tests.simulation.takeovers.world import (
    BACK_FROM,
    DEVOTED_FROM,
    HALF_FROM,
    HELD_FROM,
    LATE_FROM,
    MIXED_FROM,
    ORPHANED_FROM,
    RARE_FROM,
    SEALED_FROM,
    SHOWN_FROM,
    TakeoverWorld,
)
from tests.simulation.test_caught_directly import CHECKS
from tests.simulation.violated import Violated

if TYPE_CHECKING:
    from collections import Counter

RUNS = 50  # seeds in one test, so that a failing one is found at once
SEEDS = 500
LATE = LATE_FROM, LATE_FROM + 100  # seeds with subscribers that catch up
SEALED = SEALED_FROM, SEALED_FROM + 100  # and with such that are in boxes, and given up
SHOWN = SHOWN_FROM, SHOWN_FROM + 100  # and with such that are sent last values
ORPHANED = ORPHANED_FROM, ORPHANED_FROM + 100  # and at whose end the publisher dies
BACK = BACK_FROM, BACK_FROM + 50  # and with such that take back what they have said
SELDOM_PASSED = RARE_FROM, RARE_FROM + 50  # and where workers die where they seldom are
HALF = HALF_FROM, HALF_FROM + 50  # and with such that end their side, and read on
MIXED = MIXED_FROM, MIXED_FROM + 60  # and with such in boxes, with last values, of one that dies
HELD = HELD_FROM, HELD_FROM + 50  # and where the publisher waits for those who block
SEEDS_MAX = 250  # most mistakes are found by the first few

# The seeds that show them soonest; see `test_mutations.py`. They are found by
# `python -m tests.simulation --takeovers --mutations --runs 60`.
TRIED_FIRST: dict[str, int] = {
    "begin_a_byte_early": 0,
    "begin_a_message_late": 10_012,
    "begin_last_values_again": 30_008,
    "believe_the_note_before": 18,
    "believe_what_was_taken_before": 17,
    "blame_nobody": 13,
    "blame_them_for_each_end": 5,
    "change_without_a_record": 4,
    "close_all_if_it_was_sending_to_one": 3,
    "close_all_when_it_is_cancelled": 60_013,
    "conflate_without_a_record": 74,
    "count_before_it_is_sent": 18,
    "count_the_end_of_its_stream_as_said": 70_003,
    "count_no_losses_since_the_record": 17,
    "count_nobody_who_is_closed": 3,
    "count_nonces_from_the_first_one_again": 50_021,
    "count_nothing_since_the_record": 1,
    "count_nothing_that_it_jumps_over": 10_095,
    "end_at_once_without_a_publisher": 60_016,
    "find_what_was_being_sent_anew": 30_001,
    "forget_a_part_of_a_box_that_has_come": 50_032,
    "forget_how_much_of_that_is_told": 50_045,
    "forget_that_it_is_catching_up": 10_081,
    "forget_the_gaps": 3,
    "forget_what_is_half_out": 50_045,
    "forget_what_it_has_said": 17,
    "forget_where_that_ends": 10_027,
    "forget_which_messages_are_left": 10_004,
    "free_at_once_what_others_go_on_by": 8,
    "give_the_area_of_the_lost": 17,
    "go_on_without_a_publisher": 60_000,
    "hand_on_the_policy_of_all": 8,
    "have_it_wait_for_ever": 100_005,
    "hold_nothing": 3,
    "keep_only_what_the_newest_record_needs": 308,
    "leave_a_checkpoint_torn": 1,
    "leave_interest_with_the_lost": 3,
    "leave_orphans_with_the_lost": 0,
    "leave_the_rest_of_a_last_value_to_the_log": 30_033,
    "let_go_before_it_is_held": 28,
    "let_it_be_young_again": 33,
    "let_its_own_policy_wait": 10_004,
    "look_at_the_hold_once": 155,
    "look_on_where_the_lost_one_was": 30,
    "lose_what_is_ordered_for_who_comes": 13,
    "point_to_nothing_without_memory": 326,
    "read_the_kernel_once": 13,
    "remember_that_there_was_no_memory": 3,
    "say_goodbye_before_all_is_sent": 60_024,
    "say_without_a_record_to_who_is_blocked": 10_008,
    "say_without_a_record_to_who_is_ready": 18,
    "search_only_above_ones_own_tail": 3,
    "send_last_values_without_a_record": 30_011,
    "send_what_is_reserved": 60_003,
    "send_without_saying_to_whom": 16,
    "show_as_of_the_front": 30_034,
    "take_before_one_acts": 1,
    "take_who_ends_its_side_for_gone": 70_002,
    "take_without_writing_down_how_much": 7,
    "tell_again_that_they_begin": 30_006,
    "write_down_for_ever_that_one_takes": 143,
    "write_into_the_bank_that_is_chosen": 0,
    "write_no_record_of_what_it_is_sent": 10_004,
    "write_no_record_of_who_goes_on": 43,
}

# Seeds beyond those that have shown something once, or show a mistake that none of them does.
FOUND = (
    *(443, 616, 30_202, 30_265),
    *(608, 688, 712, 880, 1_483, 1_644, 1_771, 1_970, 8_196, 9_427, 9_839),
    *(12_725, 14_110, 15_061, 15_173, 17_329, 20_056, 20_113, 20_208, 30_114, 30_478, 30_690),
    *(30_769, 30_109, 30_547, 50_561, 60_136),
)

# Seeds that are there for kill points that are seldom passed.
SELDOM = (10_104, 40_009, 40_012, 40_024, 40_043, 40_062, 40_094, 40_292, 40_695)
# Those that are for them alone; they are looked through for what is left.
DEVOTED = range(DEVOTED_FROM, DEVOTED_FROM + 60 * len(SOUGHT))

# Of `SEEDS`, and those: in one or the other of them somebody dies at each kill point, even the
# rarest. As above: when a change of what is simulated makes other seeds of them, all are looked
# through.
DEADLY = (
    *(616, 60_136),
    *(1, 3, 6, 7, 30, 35, 45, 70, 71, 76, 87, 95, 122, 127, 191, 198, 226, 236, 241, 291, 305, 311),
    *(328, 356, 376, 378, 398, 460, 477, 12_725, *SELDOM),
)

_kills: dict[int, Counter[str]] = {}  # by seed, of those that have run in this process


def run(seed: int) -> TakeoverWorld:
    """A run of a seed."""
    try:
        world = TakeoverWorld(seed).run()
    except BaseException as error:
        error.add_note(f"replay it: python -m tests.simulation --takeovers --seed {seed}")
        raise
    _kills[seed] = world.kills
    return world


@pytest.mark.parametrize(
    "first",
    [
        *(*range(0, SEEDS, RUNS), *range(*LATE, RUNS), *range(*SHOWN, RUNS)),
        *(*range(*SEALED, RUNS), *range(*BACK, RUNS), *range(*SELDOM_PASSED, RUNS)),
        *range(*HALF, RUNS),
    ],
)
def test_streams_go_on_for_seeds_from(first: int) -> None:
    deliveries = resumed = moved = 0
    for seed in range(first, first + RUNS):
        world = run(seed)
        deliveries += world.deliveries
        resumed += world.resumed
        moved += world.moved

    assert deliveries > 400, "the simulation does not deliver"
    assert min(resumed, moved) > 10, "hardly anybody goes on"


@pytest.mark.parametrize("first", range(*ORPHANED, RUNS // 2))
def test_a_publisher_that_dies_leaves_nothing_undone_for_seeds_from(first: int) -> None:
    worlds = [run(seed) for seed in range(first, first + RUNS // 2)]

    assert sum(world.orphaned for world in worlds) > 5, "hardly anybody is served to the end"
    assert sum(world.kills[CANCELLED] for world in worlds) > 4, "hardly any task is cancelled"
    assert sum(world.resumed for world in worlds) > 5, "hardly anybody goes on"


@pytest.mark.parametrize("first", range(*HELD, RUNS // 2))
def test_a_publisher_that_waits_for_those_who_block_goes_on_for_seeds_from(first: int) -> None:
    worlds = [run(seed) for seed in range(first, first + RUNS // 2)]

    assert sum(world.publisher.waits for world in worlds) > 100, "it hardly waits"
    assert sum(world.resumed for world in worlds) > 5, "hardly anybody goes on"
    assert sum(world.deliveries for world in worlds) > 50, "the simulation does not deliver"


def test_who_ends_its_side_is_served_on_whatever_else_there_is() -> None:
    worlds = [run(seed) for seed in range(*MIXED)]

    assert all(world.halves for world in worlds)
    assert {(world.seals, world.shows, world.dies) for world in worlds} == {
        (True, False, False),
        (False, True, False),
        (False, False, True),
    }
    ended = sum(one.is_half_closed for world in worlds for one in world.subscribers.values())
    assert ended > 5, "hardly anybody ends its side"
    assert sum(world.resumed for world in worlds) > 60, "hardly anybody goes on"


@pytest.mark.parametrize("name", SOUGHT)
def test_a_kill_point_that_is_seldom_passed_is_hit_by_seeds_that_are_for_it(name: str) -> None:
    seeds = [seed for seed in DEVOTED if SOUGHT[seed % len(SOUGHT)] == name]

    assert any(run(seed).kills[name] for seed in seeds), "the runs of the command would miss it"


@pytest.mark.parametrize("seed", FOUND)
def test_streams_go_on_for_seeds_that_have_shown_something(seed: int) -> None:
    run(seed)


def test_somebody_dies_at_each_kill_point() -> None:
    """Looked for in the seeds of the tests above; those that have run here are not run again."""
    missed = set(KILL_POINTS)
    ran = [*_kills]
    for seed in (*ran, *DEADLY, *range(*ORPHANED), *DEVOTED, *range(SEEDS)):
        if not missed:
            break
        is_of_others = seed in DEVOTED and SOUGHT[seed % len(SOUGHT)] not in missed
        if is_of_others and seed not in ran:
            continue
        if seed not in _kills:
            run(seed)
        missed -= {name for name, count in _kills[seed].items() if count}

    assert missed == set()


def test_one_seed_is_one_run() -> None:
    first, second = run(7), run(7)

    assert (first.now, first.kills, first.reasons) == (second.now, second.kills, second.reasons)
    assert first.publisher.messages == second.publisher.messages


def caught_by(name: str) -> int | None:
    """The first seed that shows a mistake, by what a checker says, if there is one.

    After the one that is tried first come those of its kind: no other may know what is broken.
    """
    owner, attribute, broken = MISTAKES[name]
    first = TRIED_FIRST.get(name, 0)
    kinds = LATE, SHOWN, SEALED, ORPHANED, HALF, HELD
    kind = next((kind for kind in kinds if first in range(*kind)), (0, 0))
    seeds: list[int] = [first, *range(*kind), *range(SEEDS_MAX)]
    with mock.patch.object(owner, attribute, broken):
        for seed in seeds:
            try:
                TakeoverWorld(seed).run()
            except Violated:
                return seed
    return None


@pytest.mark.parametrize("name", [name for name in MISTAKES if name not in CHECKS])
def test_the_simulation_catches(name: str) -> None:
    assert caught_by(name) is not None, "this mistake would not be seen"


def test_what_is_tried_first_is_a_seed_that_holds_without_the_mistake() -> None:
    assert set(TRIED_FIRST) <= set(MISTAKES)
    assert {*TRIED_FIRST.values(), *DEADLY} <= {
        *range(SEEDS),
        *range(*LATE),
        *range(*SHOWN),
        *range(*SEALED),
        *range(*ORPHANED),
        *range(*HALF),
        *range(*HELD),
        *FOUND,
        *SELDOM,
    }, "not among those that run"
