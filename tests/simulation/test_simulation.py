"""Some hundred seeds of the simulation; see `__init__.py` for how to replay one."""

from __future__ import annotations

import pytest

from tests.simulation.world import HELD_FROM, LATE_FROM, World

RUNS = 25  # seeds in one test, so that a failing one is found at once
TESTS = 12


@pytest.mark.parametrize("first", range(0, RUNS * TESTS, RUNS))
def test_invariants_hold_for_seeds_from(first: int) -> None:
    delivered = dropped = 0
    for seed in range(first, first + RUNS):
        try:
            checker = World(seed).run()
        except BaseException as error:
            error.add_note(f"replay it: python -m tests.simulation --seed {seed}")
            raise
        delivered += checker.deliveries
        dropped += checker.drops

    assert delivered > 1_000, "the simulation does not deliver"
    assert dropped > 100, "the simulation does not drop"


@pytest.mark.parametrize("first", range(LATE_FROM, LATE_FROM + 100, RUNS))
def test_who_has_missed_something_gets_it_for_seeds_from(first: int) -> None:
    replays = 0
    for seed in range(first, first + RUNS):
        try:
            replays += World(seed).run().replays
        except BaseException as error:
            error.add_note(f"replay it: python -m tests.simulation --seed {seed}")
            raise

    assert replays > 50, "the simulation sends nobody what he has missed"


@pytest.mark.parametrize("first", range(HELD_FROM, HELD_FROM + 50, RUNS))
def test_a_publisher_waits_for_those_who_block_for_seeds_from(first: int) -> None:
    deliveries = waits = 0
    for seed in range(first, first + RUNS):
        world = World(seed)
        try:
            deliveries += world.run().deliveries
        except BaseException as error:
            error.add_note(f"replay it: python -m tests.simulation --seed {seed}")
            raise
        waits += world.waits

    assert deliveries > 1_000, "the simulation does not deliver"
    assert waits > 100, "it hardly waits"


def test_one_seed_is_one_run() -> None:
    first, second = World(7), World(7)

    first.run()
    second.run()

    assert first.history.messages == second.history.messages
    assert first.checker.deliveries == second.checker.deliveries
    assert first.now == second.now
