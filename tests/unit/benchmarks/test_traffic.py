"""Traffic: the number of matches is what counting one by one gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.traffic import PROBE_TOPIC, Traffic


@given(
    subscribers=st.integers(1, 8),
    topics=st.integers(1, 20),
    watched=st.integers(1, 20),
    watchlists=st.integers(0, 3),
    count=st.integers(0, 100),
)
def test_matches_are_those_of_counting_one_by_one(
    subscribers: int, topics: int, watched: int, watchlists: int, count: int
) -> None:
    traffic = Traffic(subscribers, 16, topics, min(watched, topics), watchlists)
    published = list(traffic.topics_of(count))
    assert len(published) == count
    one_by_one = [sum(topic in wanted for topic in published) for wanted in traffic.subscriptions]
    assert traffic.matches(count) == one_by_one


def test_who_wants_everything_gets_everything() -> None:
    assert Traffic(3, 16, topics=5).matches(7) == [7, 7, 7]


def test_shared_watchlists_are_dealt_out_in_turn() -> None:
    subscriptions = Traffic(6, 16, topics=100, watched=5, watchlists=2).subscriptions
    assert len(set(subscriptions)) == 2
    assert subscriptions[0] == subscriptions[2] == subscriptions[4]


@pytest.mark.parametrize("index", [0, 9_999_999])
def test_every_topic_is_as_long_as_the_probe(index: int) -> None:
    from benchmarks.traffic import topic_name

    assert len(topic_name(index)) == len(PROBE_TOPIC)


def test_a_probe_weighs_what_a_message_weighs() -> None:
    traffic = Traffic(1, 128)
    assert len(traffic.probe_payload) == len(traffic.payload)


@pytest.mark.parametrize(
    ("traffic", "expected"),
    [(Traffic(10, 128), 1280), (Traffic(10, 128, topics=100, watched=25), 320)],
)
def test_bytes_per_message_are_those_of_the_deliveries(traffic: Traffic, expected: int) -> None:
    assert traffic.bytes_per_message == expected
    laps = 3 * traffic.topics
    assert sum(traffic.matches(laps)) * traffic.payload_bytes == expected * laps
