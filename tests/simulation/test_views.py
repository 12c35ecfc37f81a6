"""What each checker of takeovers notices alone, of that by which the prototype was broken.

The table in `docs/design/invariants.md` says so of each. The payload sees all of them. The law sees
one: figures that are recomputed hold, whatever was sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import mock

import pytest

from tests.simulation.takeovers.mistakes import MISTAKES
from tests.simulation.takeovers.views import VIEWS, noticed_by

if TYPE_CHECKING:
    from collections.abc import Iterable

SEEDS_MAX = 300

# The first seed of which the payload shows a mistake.
BY_PAYLOAD = {
    "begin_a_byte_early": 4,
    "say_without_a_record_to_who_is_ready": 54,
    "say_without_a_record_to_who_is_blocked": 7,
    "take_before_one_acts": 1,
    "go_on_before_ones_front_is_there": 2_240,
    "search_only_above_ones_own_tail": 15,
    "hold_nothing": 36,
    "read_the_kernel_once": 91,
    "choose_a_bank_before_it_is_written": 688,
}
# And of which it is shown that somebody is closed who need not be; others close nobody.
BY_ENDS = {
    "begin_a_byte_early": 0,
    "say_without_a_record_to_who_is_ready": 32,
    "say_without_a_record_to_who_is_blocked": 296,
    "go_on_before_ones_front_is_there": 32,
    "hold_nothing": 164,
    "keep_nothing_for_records": 164,
    "read_the_kernel_once": 13,
    "choose_a_bank_before_it_is_written": 3,
}
# Here what is lost is counted by no one, so the law sees it as well.
BY_PAYLOAD_AND_LAW = {"keep_nothing_for_records": 508}
BY_LAW = {"count_no_losses_since_the_record": 68}


def seed_seen_by(view: str, name: str, first: int, blind: str = "") -> int | None:
    """One by which this view alone shows a mistake, if there is one; and `blind` sees nothing."""
    owner, attribute, broken = MISTAKES[name]
    with mock.patch.object(owner, attribute, broken):
        seeds: Iterable[int] = (first, *range(SEEDS_MAX))
        for seed in seeds:
            if noticed_by(view, seed) and not (blind and noticed_by(blind, seed)):
                return seed
    return None


@pytest.mark.parametrize("name", BY_PAYLOAD)
def test_the_payload_shows_it_where_the_law_holds(name: str) -> None:
    assert seed_seen_by("payload", name, BY_PAYLOAD[name], blind="law") is not None


@pytest.mark.parametrize("view", ["payload", "law"])
@pytest.mark.parametrize("name", BY_PAYLOAD_AND_LAW)
def test_the_payload_shows_it_and_so_does_the_law(name: str, view: str) -> None:
    assert seed_seen_by(view, name, BY_PAYLOAD_AND_LAW[name]) is not None, "nobody sees it"


@pytest.mark.parametrize("name", BY_ENDS)
def test_somebody_is_closed_by_it_who_need_not_be(name: str) -> None:
    assert seed_seen_by("ends", name, BY_ENDS[name]) is not None


@pytest.mark.parametrize("name", BY_LAW)
def test_the_law_alone_shows_what_is_not_counted(name: str) -> None:
    assert seed_seen_by("law", name, BY_LAW[name]) is not None


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_wrong_without_a_mistake(view: str) -> None:
    for seed in {
        *(*BY_PAYLOAD.values(), *BY_PAYLOAD_AND_LAW.values()),
        *(*BY_ENDS.values(), *BY_LAW.values()),
    }:
        assert noticed_by(view, seed) == [], seed
