"""Who has most of the memory for subscriptions."""

from __future__ import annotations

import pytest

from fanout.coordinator.holdings import Holdings


def test_it_is_the_largest_connection_of_the_address_that_has_most() -> None:
    """Not the largest of all: that is of one who has only that."""
    holdings = Holdings()
    holdings.add(1, "203.0.113.7:4000", 900)
    for subscriber, size in ((2, 400), (3, 500), (4, 300)):
        holdings.add(subscriber, f"203.0.113.8:{subscriber}", size)
    assert holdings.largest() == 3
    holdings.forget(3)
    assert holdings.largest() == 1


def test_what_is_cancelled_counts_no_more() -> None:
    holdings = Holdings()
    holdings.add(1, "203.0.113.7:4000", 900)
    holdings.add(2, "203.0.113.8:4000", 500)
    holdings.add(1, "203.0.113.7:4000", -600)
    assert holdings.largest() == 2
    holdings.add(1, "203.0.113.7:4000", 300)
    assert holdings.largest() == 1


def test_a_network_of_ipv6_is_one_address_and_each_program_of_ipc_is_one() -> None:
    holdings = Holdings()
    holdings.add(1, "[2001:db8::1]:4000", 400)
    holdings.add(2, "[2001:db8::2]:4000", 500)
    holdings.add(3, "ipc:77", 600)
    holdings.add(4, "ipc:78", 600)
    assert holdings.largest() == 2


def test_of_who_is_forgotten_nothing_is_left() -> None:
    holdings = Holdings()
    holdings.add(1, "203.0.113.7:4000", 900)
    holdings.forget(1)
    holdings.forget(1)
    holdings.forget(2)
    assert (holdings._address, holdings._of, holdings._totals) == ({}, {}, {})
    with pytest.raises(ValueError, match="empty"):
        holdings.largest()


def test_what_comes_in_pieces_counts_together() -> None:
    holdings = Holdings()
    for subscriber, size in ((1, 300), (2, 500), (1, 300)):
        holdings.add(subscriber, "203.0.113.7:4000", size)
    assert holdings.largest() == 1
