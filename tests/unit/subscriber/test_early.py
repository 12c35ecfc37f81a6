"""What comes in any order is remembered, and not without limit: what is given up is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.subscriber import early
from fanout.subscriber.early import Came, Early
from fanout.subscriber.merger import Merger
from fanout.subscriber.message import Gap
from tests.unit.subscriber.test_merger import (
    EPOCH,
    by_payload,
    introduced,
    keyed,
    message,
    missed_of_two_subscriptions,
    plain,
    seen,
)
from tests.unit.subscriber.test_stream import again, connected, numbered

if TYPE_CHECKING:
    import pytest

KEPT = 4


def test_keys_and_the_highest() -> None:
    came = Came()
    assert not came
    for key in (7, 3):
        came.add(key)
    assert (3 in came, 5 in came, came.top, bool(came)) == (True, False, 7, True)
    came.clear()
    assert (7 in came, came.top, bool(came)) == (False, None, False)
    came.add(1)
    assert came.top == 1


def test_keys_that_are_no_numbers_are_given_up_without_any() -> None:
    kept = Early()
    kept.add((2, "b"))
    assert kept.give_up((1, "a"), None) == (2, "b")
    assert seen([kept.told(keyed(9))]) == [(None, Gap("missing"))]


def test_a_stream_that_remembers_no_more_says_what_may_be_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(early, "EARLY_MAX", KEPT)
    stream = connected(b"A", b"B")
    stream.take(numbered(5))
    again(stream, 100)  # and the publisher never says that it has taken all
    told = Gap("missing", None, 6, 39, EPOCH)
    assert seen(stream.take(numbered(20, 30, 10, 40))) == [*plain(20, 30, 10), (40, told)]
    assert seen(stream.take(numbered(15, 41, 42))) == plain(41, 42)
    assert (stream.doubles, stream.losses.holes, stream.is_unordered) == (1, 1, False)


def test_lines_that_remember_no_more_say_what_may_be_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(early, "EARLY_MAX", KEPT)
    merger = missed_of_two_subscriptions()  # of which 10 and 12 have come, and all up to 4
    merger.begin(1, introduced(), EPOCH, (EPOCH, 5))
    merger.order(1, is_unordered=True)
    assert seen(merger.take(1, [message(7), message(14)], 0.0)) == plain(7, 14)
    told = Gap("missing", None, 5, 14, EPOCH)
    assert seen(merger.take(1, [message(9), message(15)], 0.0)) == [(15, told)]
    assert merger.doubles == 1


def test_by_identity_what_was_missed_may_come_in_any_order() -> None:
    merger = Merger(2, wants_all=False, identity=by_payload)
    merger.begin(0, introduced(), None, None)
    merger.order(0, is_unordered=True)
    brought = [keyed(5), keyed(9), keyed(6), keyed(9)]
    assert [int(one.payload) for one in merger.take(0, brought, 0.0)] == [5, 9, 6]
    merger.end(0, 0.0)
    merger.begin(0, introduced(), EPOCH, None)
    merger.order(0, is_unordered=True)
    brought = [keyed(6), keyed(7), keyed(9), keyed(10)]
    assert [int(one.payload) for one in merger.take(0, brought, 0.0)] == [7, 10]
    merger.order(0, is_unordered=False)
    assert [int(one.payload) for one in merger.take(0, [keyed(8), keyed(11)], 0.0)] == [11]
    assert merger.doubles == 4
