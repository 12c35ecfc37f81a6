"""What waits to be asked for: each prefix once, in order, and what was interrupted first."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from fanout.subscriber.asks import LOOKED_AT_MAX, Ask, Asks

if TYPE_CHECKING:
    from types import FrameType


def test_they_are_taken_in_their_order_and_what_was_interrupted_first() -> None:
    asks = Asks()
    for prefix in (b"a", b"b", b"c"):
        asks.add(prefix, b"-1s")
    assert len(asks) == 3
    assert b"b" in asks
    assert asks.leave(b"b")
    assert not asks.leave(b"b")
    first = asks.take()
    assert first is not None
    asks.put_back(first)
    assert [None if one is None else one.prefix for one in (asks.take(), asks.take())] == [
        *(b"a", b"c")
    ]
    assert asks.take() is None


def test_a_list_costs_its_length() -> None:
    """Not its square: each was looked for among all that waited, two seconds for 10,000."""
    steps = 0

    def count(_frame: FrameType, _event: str, _argument: object) -> None:
        nonlocal steps
        steps += 1

    asks = Asks()
    sys.setprofile(count)
    try:
        for number in range(1_000):
            prefix = b"%d" % number
            assert prefix not in asks
            asks.add(prefix, b"-1s")
    finally:
        sys.setprofile(None)
    assert steps < 20_000


def test_what_is_said_without_a_past_waits_for_who_would_be_cut_off_by_it() -> None:
    asks = Asks()
    asks.add(b"ab", (5, 7))
    assert asks.overlaps(b"a")
    assert asks.overlaps(b"abc")
    assert asks.overlaps(b"")
    assert not asks.overlaps(b"b")
    for number in range(LOOKED_AT_MAX):
        asks.add(b"c%d" % number, b"-1s")
    assert asks.overlaps(b"b"), "nobody looks at so many"


def test_where_what_waits_begins_is_where_it_was_said_or_the_first_connection() -> None:
    asks = Asks()
    asks.add(b"a", b"")
    asks.add_plain(b"b", b"")
    asks.add_plain(b"c", b"here")
    asks.begin(b"there")
    asks.begin(b"elsewhere")
    found = [asks.take() for _ in range(3)]
    assert [one.start for one in found if one is not None] == [b"", b"there", b"here"]


def test_what_was_asked_again_begins_behind_what_has_come() -> None:
    ask = Ask(b"a", b"-1s", following=8)
    ask.interrupt(5)
    assert (ask.start, ask.is_again, ask.following) == ((5, 7), True, 0)
