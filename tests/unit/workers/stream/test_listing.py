"""Listings for whoever names topics one by one: what is found is what names begin with."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from fanout.workers.stream import listing, topic_names
from fanout.workers.stream.listing import Listing
from fanout.workers.stream.topic_names import TopicNames
from tests.unit.workers.stream.test_showing import TOPICS, Feed

if TYPE_CHECKING:
    from collections.abc import Iterator

MANY = [b"zz%03d" % number for number in range(listing.MANY)]  # that are no topics
# All that topics begin with, more, and less.
PREFIXES = sorted({topic[:size] for topic in TOPICS for size in range(1, 4)} | {b"zz", b"xp00"})


@pytest.fixture
def feed() -> Iterator[Feed]:
    feed = Feed()
    yield feed
    feed.segment.close()


def listed(feed: Feed, names: TopicNames, prefixes: list[bytes], at_once: int = 4_096) -> list[int]:
    found = Listing(names, feed.values, prefixes, at_once=at_once)
    while not found.is_ready:
        found.advance()
    return list(found.sequences)


@pytest.mark.parametrize("seed", range(8))
def test_whole_topics_are_found_as_others_are(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = random.Random(seed)
    monkeypatch.setattr(listing, "MANY", numbers.choice((1, 5)))
    monkeypatch.setattr(topic_names, "LEARNED", numbers.choice((3, 1_024)))
    at_once = numbers.choice((8, 4_096))
    feed = Feed()
    names = TopicNames(feed.values)
    for _ in range(10):
        for topic in numbers.sample(TOPICS, 4):
            feed.publish(topic)
        wanted = numbers.sample(PREFIXES, numbers.randrange(1, len(PREFIXES)))
        want = sorted(s for topic, s in feed.last.items() if topic.startswith(tuple(wanted)))
        assert listed(feed, names, wanted, at_once) == want
    feed.segment.close()


def test_what_is_published_while_it_is_looked_for_is_listed_once(feed: Feed) -> None:
    for topic in TOPICS[:3]:
        feed.publish(topic)
    wanted = [b"x", TOPICS[0], TOPICS[1]]
    found = Listing(TopicNames(feed.values), feed.values, wanted, at_once=1)
    while not found.is_ready:
        found.advance()
        feed.publish(TOPICS[0])
    assert len(found) == len(set(found.places)) == 3


def test_names_are_looked_through_once_until_there_are_others(feed: Feed) -> None:
    names = TopicNames(feed.values)
    feed.publish(TOPICS[0])
    assert listed(feed, names, [TOPICS[0], *MANY]) == [0]
    known = names._alone
    assert known == frozenset({TOPICS[0]})
    listed(feed, names, [TOPICS[0], *MANY])
    assert names._alone is known
    feed.publish(TOPICS[1])
    assert listed(feed, names, [TOPICS[1], *MANY]) == [1]


def test_who_asks_for_few_does_not_have_all_looked_through(feed: Feed) -> None:
    names = TopicNames(feed.values)
    feed.publish(TOPICS[0])
    assert listed(feed, names, [b"x"]) == [0]
    assert names._alone is None


def test_a_topic_that_others_begin_with_is_looked_for_with_them(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_names, "LEARNED", 2)
    names = TopicNames(feed.values)
    names._sorted = [b"", b"a", b"ab", b"abc", b"b", b"ba\xff", b"c"]
    assert [*names.alone()][-1] == frozenset({b"abc", b"ba\xff", b"c"})
