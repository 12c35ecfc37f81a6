"""Listings are shared by whoever wants the same, however much that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fanout.workers.stream import listings
from fanout.workers.stream.listing import Listing
from tests.unit.workers.stream.test_showing import TOPICS, Feed, One

if TYPE_CHECKING:
    from collections.abc import Iterator

LIST = TOPICS[: listings.FEW_PREFIXES + 4]


@pytest.fixture
def feed() -> Iterator[Feed]:
    feed = Feed()
    for topic in TOPICS:
        feed.publish(topic)
    yield feed
    feed.segment.close()


def listing_of(feed: Feed, one: One) -> Listing:
    """That of one who takes nothing yet."""
    while True:
        assert one.member.snapshots is not None
        listing = one.member.snapshots.pending[0].listing
        if listing is not None and listing.is_ready:
            return listing
        feed.pump.runnable[one.member] = None
        feed.turn()


def topics_of(one: One) -> list[bytes]:
    return [topic for topic, _sequence in one.got()[0]]


def test_who_came_before_a_list_was_made_shares_it_whatever_is_published(feed: Feed) -> None:
    first, second = feed.comes(*LIST, room=0), feed.comes(*LIST, room=0)
    del feed.pump.runnable[second.member]
    made = listing_of(feed, first)
    newer = feed.publish(LIST[3])
    feed.turn()
    third = feed.comes(*LIST, room=0)

    assert listing_of(feed, second) is made
    assert listing_of(feed, third) is not made

    feed.settle()
    others = [topic for topic in LIST if topic != LIST[3]]
    assert topics_of(first) == topics_of(second) == topics_of(third) == [*others, LIST[3]]
    assert all(one.got()[0][-1] == (LIST[3], newer) for one in feed.ones)


@pytest.mark.parametrize("wanted", [LIST, LIST[:3]])
def test_who_wants_the_same_shares_the_list(feed: Feed, wanted: list[bytes]) -> None:
    first, second = (feed.comes(*wanted, room=0) for _ in range(2))

    assert listing_of(feed, first) is listing_of(feed, second)

    feed.settle()
    assert topics_of(first) == topics_of(second) == wanted, "in the order of their publication"


def test_a_list_is_there_for_who_comes_next_though_nobody_has_it_any_more(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []

    def make(*given: Any, **known: Any) -> Listing:
        made.append(given)
        return Listing(*given, **known)

    monkeypatch.setattr(listings, "Listing", make)
    for number in range(1, 4):
        assert topics_of(one := feed.comes(*LIST)) == []
        feed.settle()
        assert topics_of(one) == LIST
        assert len(made) == 1, number
    monkeypatch.setattr(listings, "RECENT_VALUES", len(LIST) - 1)
    for number in range(2, 4):
        feed.publish(LIST[-1])
        feed.turn()
        feed.comes(*LIST)
        feed.settle()
        feed.comes(*LIST)
        feed.settle()
        assert len(made) == 2 * number - 1, "it is too long to be kept for nobody"


@pytest.mark.parametrize("has_keyframes", [False, True])
def test_where_there_are_keyframes_it_is_not_shared_once_something_is_published(
    feed: Feed, has_keyframes: bool
) -> None:
    if has_keyframes:
        feed.log.values.note_keyframe(len(TOPICS), feed.id_of(TOPICS[-1]))
    first, second = feed.comes(*LIST, room=0), feed.comes(*LIST, room=0)
    del feed.pump.runnable[second.member]
    made = listing_of(feed, first)
    feed.publish(TOPICS[-1])

    assert (listing_of(feed, second) is made) is not has_keyframes


def test_a_list_with_what_was_being_committed_is_nobody_elses(feed: Feed) -> None:
    feed.comes(b"zz")
    feed.settle()  # by now all names are known
    last, place = feed.log.values.last, TOPICS.index(LIST[3]) + 1
    before, last[place] = last[place], feed.log.head
    made = listing_of(feed, feed.comes(*LIST, room=0))
    last[place] = before  # the publisher was interrupted
    later = feed.comes(*LIST)
    feed.settle()

    assert made.newest == feed.log.head
    assert topics_of(later) == LIST, "in the order of their publication"


def test_long_lists_that_were_said_otherwise_are_not_compared(feed: Feed) -> None:
    first, second = feed.comes(*LIST, room=0), feed.comes(*reversed(LIST), room=0)

    assert listing_of(feed, first) is not listing_of(feed, second)

    feed.settle()
    assert topics_of(first) == topics_of(second) == LIST


def test_prefixes_that_only_look_alike_when_joined_are_others(feed: Feed) -> None:
    alike = [LIST[0] + LIST[1], *LIST[2:]], [LIST[0], LIST[1] + LIST[2], *LIST[3:]]
    first, second = (feed.comes(*wanted, room=0) for wanted in alike)

    assert listing_of(feed, first) is not listing_of(feed, second)

    feed.settle()
    assert topics_of(first) == LIST[2:]
    assert topics_of(second) == [LIST[0], *LIST[3:]]


def test_lists_beyond_the_limit_are_not_compared(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "SHARED_PREFIXES", len(LIST) - 1)
    first, second = (feed.comes(*LIST, room=0) for _ in range(2))

    assert listing_of(feed, first) is not listing_of(feed, second)


def test_who_has_cancelled_some_is_not_sent_what_was_joined_for_others(feed: Feed) -> None:
    first, second = (feed.comes(*LIST, room=0) for _ in range(2))
    assert listing_of(feed, first) is listing_of(feed, second)
    feed.cancels(second, LIST[5])
    first.sink.room = 1 << 40
    feed.pump.runnable = {first.member: None}
    while first.member.blocked:
        feed.pump.serve_runnable(0, 100)

    feed.settle()

    assert topics_of(first) == LIST
    assert topics_of(second) == [topic for topic in LIST if topic != LIST[5]]
