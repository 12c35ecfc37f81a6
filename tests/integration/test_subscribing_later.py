"""Subscriptions of a connected subscriber that bring what was published before, once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

import fanout.asyncio
from fanout import ConfigError, Publisher, Subscriber
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from fanout import Message

ANY = "tcp://127.0.0.1:*"
OPTIONS: dict[str, Any] = {"workers": 2, "log_bytes": 1 << 20, "sequence_frame": True}
S = DEADLINE_S


def until_end(subscriber: Subscriber) -> list[Message]:
    """All messages up to the one that says it is the last."""
    got: list[Message] = []
    while not got or got[-1].payload != b"end":
        got += subscriber.recv_many(timeout=S)
    return got


def numbers(got: list[Message], kind: str = "") -> list[int]:
    return [one.sequence or 0 for one in got if kind in ("", one.kind)]


def _is_anew(feed: Publisher, known: set[int]) -> bool:
    return any(served.id not in known for served in feed.subscribers())


@pytest.fixture
def feed() -> Any:
    with Publisher(ANY, **OPTIONS) as publisher:
        for _ in range(5):
            for topic in ("A", "B", "C"):
                publisher.publish(topic, b"before")
        yield publisher


@pytest.mark.parametrize(
    ("since", "missed"), [("-60s", [1, 4, 7, 10, 13]), ("-2", [10, 13]), ("position", [7, 10, 13])]
)
def test_a_later_subscription_begins_where_it_is_told_to(
    feed: Publisher, since: Any, missed: list[int]
) -> None:
    """Its first messages are replayed, and what is published when they have come is live."""
    with Subscriber(feed.endpoints[0], "A", since="-60s") as subscriber:
        before = [subscriber.recv(S) for _ in range(5)]
        if since == "position":
            since = before[0].epoch, 4
        subscriber.subscribe("B", since=since)
        got = [subscriber.recv(S) for _ in missed]
        feed.publish("B", b"live")
        feed.publish("A", b"end")
        rest = until_end(subscriber)

    assert (numbers(got), numbers(got, "replayed")) == (missed, missed)
    assert numbers(rest) == numbers(rest, "live") == [15, 16]
    assert {one.gap for one in (*before, *got, *rest)} == {None}


@pytest.mark.parametrize("topic", ["A", "AB"])
def test_what_other_subscriptions_cover_does_not_come_again(feed: Publisher, topic: str) -> None:
    with Subscriber(feed.endpoints[0], "A", since="-60s") as subscriber:
        first = [subscriber.recv(S) for _ in range(5)]
        subscriber.subscribe(topic, since="-60s")
        subscriber.subscribe("", since="-60s")
        feed.wait_for_subscribers(1, "C", timeout=S)
        feed.publish("A", b"end")
        got = until_end(subscriber)
        doubles = subscriber.statistics().doubles

    past = [one for one in range(15) if one % 3]
    assert numbers(first) == [0, 3, 6, 9, 12]
    assert (numbers(got), doubles) == ([*past, 15], 0)


def test_one_that_is_disconnected_in_the_middle_misses_nothing_and_gets_nothing_twice(
    feed: Publisher,
) -> None:
    """Half a megabyte is more than the sockets hold, and who reads is stopped by its queue."""
    for _ in range(100):
        feed.publish("B", bytes(4_000))
    with Subscriber(feed.endpoints[0], "A", queue_bytes="64K") as subscriber:
        feed.wait_for_subscribers(1, "A", timeout=S)
        subscriber.subscribe("B", since="-3600s")
        got = [subscriber.recv(S)]
        for _ in range(3):
            known = {served.id for served in feed.subscribers()}
            feed.disconnect(max(known))
            last = feed.publish("A", b"meanwhile")
            while not _is_anew(feed, known):  # who has too much queued does not connect
                with suppress(TimeoutError):
                    got += subscriber.recv_many(20, timeout=0.01)
        feed.wait_for_subscribers(1, "B", timeout=S)
        feed.publish("A", b"end")
        got += until_end(subscriber)

    came = numbers(got)
    on_b = [*range(1, 15, 3), *range(15, 115)]
    assert sorted(came) == sorted([*on_b, 115, 116, 117, last + 1])
    assert [one for one in came if one in on_b] == on_b
    assert {one.gap for one in got} == {None}


def test_what_is_gone_of_it_is_told() -> None:
    options = {**OPTIONS, "log_bytes": "64K", "replay_bytes": "8K"}
    with (
        Publisher(ANY, **options) as publisher,
        Subscriber(publisher.endpoints[0], "A") as subscriber,
    ):
        publisher.wait_for_subscribers(1, "A", timeout=S)
        publisher.publish("A", b"")
        first = subscriber.recv(S)
        for _ in range(50):
            publisher.publish("B", bytes(1_000))
        subscriber.subscribe("B", since=(first.epoch or 0, 0))
        message = subscriber.recv(S)

    assert message.gap is not None
    assert (message.gap.reason, message.gap.count, message.gap.first) == ("expired", None, 1)
    assert message.gap.last == (message.sequence or 0) - 1
    assert message.kind == "replayed"


def test_a_publisher_without_numbers_is_only_subscribed_to() -> None:
    with (
        Publisher(ANY, workers=1) as publisher,
        Subscriber(publisher.endpoints[0], "A") as subscriber,
    ):
        publisher.wait_for_subscribers(1, "A", timeout=S)
        subscriber.subscribe("B", since="-60s")
        subscriber.subscribe("C", since=(1, 5))
        publisher.wait_for_subscribers(1, "C", timeout=S)
        publisher.publish("C", b"")
        message = subscriber.recv(S)

    assert message.gap is not None
    assert message.gap.reason == "reconnected"


def test_it_cannot_be_had_over_several_endpoints(feed: Publisher) -> None:
    endpoint = feed.endpoints[0]
    with Subscriber([endpoint, endpoint], "A") as subscriber:
        with pytest.raises(ConfigError, match="one endpoint"):
            subscriber.subscribe("B", since="-1")
        with pytest.raises(ConfigError, match="since must be"):
            subscriber.subscribe("B", since="10 s")


def test_what_waits_to_be_asked_for_can_be_taken_back(feed: Publisher) -> None:
    with Subscriber(feed.endpoints[0], "A") as subscriber:
        subscriber.subscribe("B", since="-60s")
        subscriber.subscribe("C", since="-60s")
        subscriber.unsubscribe("C")
        subscriber.subscribe("B")
        feed.wait_for_subscribers(1, "B", timeout=S)
        feed.publish("C", b"")
        feed.publish("B", b"end")
        assert {message.topic for message in until_end(subscriber)} <= {b"B"}


def test_asyncio_has_it_too(feed: Publisher) -> None:
    async def main() -> list[tuple[bytes, str]]:
        async with fanout.asyncio.Subscriber(feed.endpoints[0], "A", since="-1") as subscriber:
            first = await subscriber.recv(S)
            subscriber.subscribe("B", since="-2")
            got = [first, *[await subscriber.recv(S) for _ in range(2)]]
            feed.publish("B", b"end")
            got.append(await subscriber.recv(S))
            return [(one.topic, one.kind) for one in got]

    past = [(b"A", "replayed"), (b"B", "replayed"), (b"B", "replayed")]
    assert asyncio.run(main()) == [*past, (b"B", "live")]
