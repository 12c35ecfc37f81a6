"""Names of topics: each with a value is known; what has none any more is not looked at again."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from fanout.shm.layout import PAGE, Layout
from fanout.shm.value_layout import H_VALUES_EXPIRED, ValueTable
from fanout.workers.stream import topic_names
from fanout.workers.stream.topic_names import TopicNames
from tests.unit.workers.stream.test_showing import TOPICS, Feed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout.shm.kept_values import Found

# With room for the values of some of these topics only.
SMALL = Layout(8 * PAGE, 512, 4, table=ValueTable(len(TOPICS) + 1, PAGE))


@pytest.fixture
def feed() -> Iterator[Feed]:
    feed = Feed(SMALL)
    yield feed
    feed.segment.close()


def expire(feed: Feed) -> None:
    """All that was published up to now is too old."""
    feed.segment.words[H_VALUES_EXPIRED] = feed.log.head


def forget(feed: Feed, topic: bytes) -> None:
    place = TOPICS.index(topic) + 1
    feed.log.values.forget(place, feed.id_of(topic))


def evict_some(feed: Feed) -> None:
    """The log is filled, and what leaves it does not fit into what is kept."""
    for topic in TOPICS:
        feed.publish(topic, 200)
    for _ in range(200):
        feed.publish(TOPICS[0], 200)


def learn(names: TopicNames) -> None:
    first = 1
    while first:
        first = names.learn(first)


def looks(feed: Feed, names: TopicNames, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Places that are looked at to learn what is new."""
    found, find = list[int](), feed.values.find

    def noted(place: int) -> Found | None:
        found.append(place)
        return find(place)

    with monkeypatch.context() as patched:
        patched.setattr(feed.values, "find", noted)
        learn(names)
    return found


@pytest.mark.parametrize("lose", [expire, evict_some], ids=["expired", "evicted"])
def test_what_has_no_value_any_more_is_looked_at_once(
    feed: Feed, monkeypatch: pytest.MonkeyPatch, lose: object
) -> None:
    for topic in TOPICS:
        feed.publish(topic)
    assert callable(lose)
    lose(feed)
    names = TopicNames(feed.values)
    assert looks(feed, names, monkeypatch)
    assert looks(feed, names, monkeypatch) == []
    lost = next(topic for topic in TOPICS if topic not in names.places)
    feed.publish(lost)
    learn(names)
    assert lost in names.places
    assert looks(feed, names, monkeypatch) == [], "of the others none has a value since then"


@pytest.mark.parametrize("seed", range(12))
def test_all_that_have_a_value_are_known(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = random.Random(seed)
    monkeypatch.setattr(topic_names, "LEARNED", numbers.choice((3, 1_024)))
    feed = Feed(SMALL)
    names = TopicNames(feed.values)
    for _ in range(60):
        what = numbers.randrange(5)
        if what < 2:
            for topic in numbers.sample(TOPICS, 3):
                feed.publish(topic, numbers.choice((20, 200)))
        elif what == 2:
            forget(feed, numbers.choice(TOPICS))
        elif what == 3 and not numbers.randrange(4):
            numbers.choice((expire, evict_some))(feed)
        else:
            learn(names)
            kept = {topic for at, topic in enumerate(TOPICS, 1) if feed.values.find(at)}
            assert kept <= names.places.keys()
    feed.segment.close()
