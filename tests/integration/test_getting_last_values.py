"""Last values, as `fanout.Subscriber` gets them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

import fanout.asyncio
from fanout import ConfigError, LastValues, Publisher, Subscriber
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from pathlib import Path

S = DEADLINE_S


@pytest.mark.parametrize("numbered", [False, True])
@pytest.mark.parametrize("prefix", [b"", b"t"])
def test_they_come_first_and_are_no_gaps(numbered: bool, prefix: bytes) -> None:
    with Publisher(
        "tcp://127.0.0.1:*", workers=1, sequence_frame=numbered, last_values=LastValues()
    ) as feed:
        for number in range(100):
            feed.publish(b"t%d" % (number % 7), b"%d" % number)
        with Subscriber(feed.endpoints[0], prefix) as subscriber:
            got = [subscriber.recv(S) for _ in range(7)]
            assert [message.payload for message in got] == [b"%d" % n for n in range(93, 100)]
            assert {message.kind for message in got} == {"last"}
            assert [message.sequence for message in got] == [
                n if numbered else None for n in range(93, 100)
            ]
            feed.publish(b"t1", b"live")
            message = subscriber.recv(S)
            assert (message.payload, message.kind, message.gap) == (b"live", "live", None)
            figures = subscriber.statistics()
            assert (figures.missing, figures.unknown_gaps, figures.doubles) == (0, 0, 0)


def test_those_of_a_topic_that_is_subscribed_to_later_come_then() -> None:
    with Publisher(
        "tcp://127.0.0.1:*", workers=1, sequence_frame=True, last_values=LastValues()
    ) as feed:
        feed.publish(b"a", b"1")
        feed.publish(b"b", b"2")
        with Subscriber(feed.endpoints[0], b"b") as subscriber:
            assert subscriber.recv(S).payload == b"2"
            feed.publish(b"b", b"3")
            assert subscriber.recv(S).payload == b"3"
            subscriber.subscribe(b"a")
            message = subscriber.recv(S)
            assert (message.topic, message.kind, message.gap) == (b"a", "last", None)


def test_after_a_restart_it_has_the_state_of_the_other_run() -> None:
    kept = LastValues()
    with Publisher(
        "tcp://127.0.0.1:*", workers=1, sequence_frame=True, last_values=kept, log_bytes="64K"
    ) as first:
        endpoint = first.endpoints[0]
        first.publish(b"t", b"old")
        subscriber = Subscriber(endpoint, b"t")
        assert subscriber.recv(S).payload == b"old"
    with (
        subscriber,
        Publisher(workers=1, sequence_frame=True, last_values=kept, log_bytes="64K") as other,
    ):
        other.publish(b"tA", b"of long ago")
        for number in range(2_000):
            other.publish(b"tB", b"%d" % number + bytes(100))
        other.bind(endpoint)
        message = subscriber.recv(S)
        assert (message.kind, message.payload) == ("last", b"of long ago")
        assert message.gap is not None
        assert message.gap.reason == "epoch"
        message = subscriber.recv(S)
        while not message.payload.startswith(b"1999"):
            message = subscriber.recv(S)


@pytest.mark.parametrize("paths", [1, 2])
def test_who_subscribes_to_more_while_it_is_away_gets_what_was_published_before(
    paths: int, tmp_path: Path
) -> None:
    """Also before the last message that it has got; and all that was published since it went."""
    endpoints = [f"ipc://{tmp_path}/{number}" for number in range(paths)]
    with Publisher(workers=1, sequence_frame=True, last_values=LastValues()) as feed:
        for topic in (b"a1", b"a2", b"a3", b"b"):
            feed.publish(topic, b"before")
        for endpoint in endpoints:
            feed.bind(endpoint)
        with Subscriber(endpoints, b"b") as subscriber:
            assert subscriber.recv(S).kind == "last"
            feed.wait_for_subscribers(paths, b"b", timeout=S)
            feed.publish(b"b", b"live")
            assert subscriber.recv(S).payload == b"live"
            for endpoint in endpoints:
                feed.unbind(endpoint)
            for known in feed.subscribers():
                feed.disconnect(known.id)
            wait_until(lambda: subscriber.statistics().connected == 0, "it is away")
            subscriber.subscribe(b"a")
            for topic, payload in ((b"a2", b"away"), (b"b", b"away"), (b"a2", b"newer")):
                feed.publish(topic, payload)
            for endpoint in endpoints:
                feed.bind(endpoint)
            got = [subscriber.recv(S) for _ in range(5)]
            feed.wait_for_subscribers(paths, b"a", timeout=S)
            feed.publish(b"a1", b"end")
            end = subscriber.recv(S)

    assert (end.topic, end.payload, end.gap) == (b"a1", b"end", None)
    assert {message.gap for message in got} == {None}
    of = {topic: [m for m in got if m.topic == topic] for topic in (b"a1", b"a2", b"a3", b"b")}
    assert {topic: [(m.payload, m.kind) for m in its] for topic, its in of.items()} == {
        b"a1": [(b"before", "last")],
        b"a2": [(b"away", "replayed"), (b"newer", "replayed")],
        b"a3": [(b"before", "last")],
        b"b": [(b"away", "replayed")],
    }


def test_who_wants_none_gets_none() -> None:
    async def first_of(endpoint: str) -> str:
        async with fanout.asyncio.Subscriber(endpoint, b"t") as subscriber:
            async with asyncio.timeout(S):
                return (await subscriber.recv()).kind

    with Publisher("tcp://127.0.0.1:*", workers=1, last_values=LastValues()) as feed:
        feed.publish(b"t", b"last")
        with Subscriber(feed.endpoints[0], b"t", last=False) as subscriber:
            feed.wait_for_subscribers(1, b"t", timeout=S)
            feed.publish(b"t", b"live")
            assert subscriber.recv(S).payload == b"live"
        assert asyncio.run(first_of(feed.endpoints[0])) == "last"
        with pytest.raises(ConfigError, match="last must be True or False"):
            Subscriber(feed.endpoints[0], last=1)  # type: ignore[arg-type]
