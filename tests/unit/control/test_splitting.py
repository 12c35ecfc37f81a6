"""Splitting: all of a long list arrives, in its order, in messages that fit into a packet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.control.messages import PACKET_BYTES_MAX, Subscriptions, encode, pack
from fanout.control.rights import Asked, Asks
from fanout.control.splitting import (
    SUBSCRIPTIONS_PER_PACKET_BYTES,
    split_asked,
    split_asks,
    split_subscriptions,
    split_wants,
)
from fanout.control.takeover import Wants

if TYPE_CHECKING:
    from collections.abc import Callable

PREFIXES = st.lists(st.integers(0, 9_000).map(bytes), max_size=12)


@given(PREFIXES, PREFIXES)
def test_nothing_is_lost_or_put_in_another_order(
    added: list[bytes], cancelled: list[bytes]
) -> None:
    for parts in (
        split_subscriptions(1, 7, added, cancelled),
        split_wants(1, 7, added, cancelled),
        split_asked(1, added, cancelled),
    ):
        assert [one for part in parts for one in part.added] == added
        assert [one for part in parts for one in part.cancelled] == cancelled
        has_added = False
        for part in parts:
            assert not (has_added and part.cancelled), "cancellations come first"
            has_added = has_added or bool(part.added)
    assert [one for part in split_asks(1, added) for one in part.prefixes] == added


@given(PREFIXES, PREFIXES)
def test_each_fits_into_a_packet(added: list[bytes], cancelled: list[bytes]) -> None:
    for part in split_subscriptions(1, 7, added, cancelled):
        assert len(pack([encode(part)])) < PACKET_BYTES_MAX
        sizes = [len(one) for one in (*part.added, *part.cancelled)]
        assert sum(sizes) <= SUBSCRIPTIONS_PER_PACKET_BYTES or len(sizes) == 1


def test_a_usual_change_is_one_report_of_what_it_was_made_with() -> None:
    assert split_subscriptions(1, 7, [b"a"], [b"b"]) == [Subscriptions(1, 7, [b"a"], [b"b"])]
    assert split_wants(1, 7, [b"a"], [b"b"]) == [Wants(1, 7, [b"a"], [b"b"])]
    assert split_asked(1, [b"a"], [b"b"]) == [Asked(1, [b"a"], [b"b"])]
    assert split_asks(1, [b"a"]) == [Asks(1, [b"a"])]


def test_no_change_is_said_too() -> None:
    """Who subscribes to nothing is reported, once."""
    assert split_subscriptions(1, 7, [], []) == [Subscriptions(1, 7, [], [])]


@pytest.mark.parametrize("make", [list, lambda some: some[::-1]])
def test_long_lists_are_as_few_reports_as_they_have_to_be(
    make: Callable[[list[bytes]], list[bytes]],
) -> None:
    prefixes = make([b"%06d" % number for number in range(10_000)])
    parts = split_asks(1, prefixes)
    least = len(prefixes) * (6 + 4) / SUBSCRIPTIONS_PER_PACKET_BYTES
    assert least <= len(parts) <= least + 1
