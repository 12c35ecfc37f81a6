"""Who is in the way: of those who may block, the one that is furthest behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.observe.blockers import in_the_way
from fanout.slow_policy import SlowPolicy

if TYPE_CHECKING:
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

    who = in_the_way(fake.reader().survey())

    assert who is not None
    assert (who.id, str(who)) == (3, "subscriber 3 (desk7, 10.0.0.1:3)")


def test_it_may_be_nobody_as_far_as_is_known(fake: FakeSegment) -> None:
    fake.connect(1, 0)
    fake.count(0, matched=9, oldest=1)
    fake.connect(2, 1, slow_policy=BLOCK)

    assert in_the_way(fake.reader().survey()) is None
