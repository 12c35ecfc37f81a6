"""Every checker is able to fail: broken on purpose, the system is caught within some seeds."""

from __future__ import annotations

from unittest import mock

import pytest

from tests.simulation.model import Violated
from tests.simulation.mutations import MUTATIONS
from tests.simulation.world import World

SEEDS_MAX = 250  # most are caught by the first few


def seeds_until_caught(name: str) -> int:
    """How many seeds it takes until the broken system is caught, SEEDS_MAX if it is not.

    It is caught when a checker says which invariant does not hold. Any other exception fails.
    """
    owner, attribute, broken = MUTATIONS[name]
    with mock.patch.object(owner, attribute, broken):
        for seed in range(SEEDS_MAX):
            try:
                World(seed).run()
            except Violated:
                return seed
    return SEEDS_MAX


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_simulation_catches(name: str) -> None:
    assert seeds_until_caught(name) < SEEDS_MAX, "this mistake would not be seen"


def test_the_simulation_catches_nothing_where_nothing_is_broken() -> None:
    for seed in range(5):
        World(seed).run()
