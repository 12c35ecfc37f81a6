"""Who is in the way: of those who may block, the one that is furthest behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.observe.blockers import in_the_way
from fanout.shm import layout as at
from fanout.shm.cards import Card
from fanout.terms.slow_policy import SlowPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.helpers.fake_segment import FakeSegment

BLOCK = SlowPolicy("block")


def test_it_is_who_waits_for_the_oldest_message_of_those_who_may_block(fake: FakeSegment) -> None:
    fake.connect(1, 0)
    fake.count(0, matched=9, oldest=1)  # further behind, but holds nobody up
    fake.connect(2, 1, slow_policy=BLOCK)
    fake.count(1, matched=9, sent=5, oldest=5)
    fake.connect(3, 3, slow_policy=BLOCK, name="desk7")
    fake.count(3, matched=9, sent=4, oldest=4)
    fake.connect(4, 4, slow_policy=BLOCK)
    fake.count(4, matched=9, sent=9)  # keeps up

    found = in_the_way(fake.reader().survey())

    assert found is not None
    assert (found.who.id, str(found.who)) == (3, "subscriber 3 (desk7, 10.0.0.1:3)")
    assert found.slot == 3


def test_it_may_be_nobody_as_far_as_is_known(fake: FakeSegment) -> None:
    fake.connect(1, 0)
    fake.count(0, matched=9, oldest=1)
    fake.connect(2, 1, slow_policy=BLOCK)

    assert in_the_way(fake.reader().survey()) is None


def _leaves(fake: FakeSegment) -> None:
    Card(fake.segment, 1).free()


def _leaves_and_another_comes(fake: FakeSegment) -> None:
    fake.connect(9, 1, slow_policy=BLOCK)


def _gets_another_policy(fake: FakeSegment) -> None:
    Card(fake.segment, 1).chosen("", SlowPolicy("drop_oldest"), "call")


def _is_half_written(fake: FakeSegment) -> None:
    Card(fake.segment, 1).words[at.C_VERSION] |= 1


@pytest.mark.parametrize(
    "happens", [_leaves, _leaves_and_another_comes, _gets_another_policy, _is_half_written]
)
def test_who_is_not_in_the_way_any_more_when_it_is_to_be_named_is_passed_over(
    fake: FakeSegment, happens: Callable[[FakeSegment], None]
) -> None:
    """A survey takes milliseconds, and the coordinator goes on meanwhile."""
    for slot, oldest in ((1, 1), (2, 2), (3, 3)):
        fake.connect(slot, slot, slow_policy=BLOCK)
        fake.count(slot, matched=9, sent=oldest, oldest=oldest)
    survey = fake.reader().survey()
    identities_at = survey.identities_at

    def after_that(places: list[int]) -> object:
        happens(fake)
        return identities_at(places)

    survey.identities_at = after_that  # type: ignore[method-assign, assignment]
    found = in_the_way(survey)

    assert found is not None
    assert found.who.id == 2
