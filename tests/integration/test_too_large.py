"""A message above `max_message_bytes` of a subscriber is a gap, and what is behind it comes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import zmq

import fanout.asyncio
from fanout import (
    Gap,
    LastValues,
    Publisher,
    ReceiverEvent,
    ReceiverEventKind,
    Subscriber,
    auth,
)
from tests.helpers.curve import new_keys
from tests.helpers.waiting import DEADLINE_S, wait_until

ANY = "tcp://127.0.0.1:*"
OPTIONS: dict[str, Any] = {"workers": 1, "log_bytes": 1 << 20}
S = DEADLINE_S
LARGE = bytes(100_000)
KEYS = new_keys()


@pytest.mark.parametrize("topics", [[b""], [b"A", b"B"]], ids=["everything", "topics"])
@pytest.mark.parametrize("numbered", [True, False])
def test_what_is_behind_it_comes(numbered: bool, topics: list[bytes]) -> None:
    events: list[ReceiverEvent] = []
    with (
        Publisher(ANY, sequence_frame=numbered, **OPTIONS) as publisher,
        Subscriber(
            publisher.endpoints[0], topics, max_message_bytes="64K", on_event=events.append
        ) as subscriber,
    ):
        publisher.wait_for_subscribers(1, b"A", timeout=S)
        for payload in (b"0", LARGE, b"2", LARGE, b"4"):
            publisher.publish(b"A", payload)
        got = [subscriber.recv(S) for _ in range(3)]
        statistics = subscriber.statistics()
    assert [message.payload for message in got] == [b"0", b"2", b"4"]
    gaps = [message.gap for message in got]
    assert [gap and (gap.reason, gap.count, gap.first, gap.last) for gap in gaps] == [
        None,
        *(("too large", 1, at, at) if numbered else ("too large", 1, None, None) for at in (1, 3)),
    ]
    assert (statistics.connections, statistics.too_large, statistics.missing) == (1, 2, 2)
    (told,) = [event for event in events if event.kind is ReceiverEventKind.TOO_LARGE]
    assert "raise max_message_bytes" in told.text


def test_one_that_was_missed_is_a_gap_too() -> None:
    with Publisher(ANY, sequence_frame=True, **OPTIONS) as publisher:
        for payload in (b"0", LARGE, b"2"):
            publisher.publish(b"A", payload)
        with Subscriber(
            publisher.endpoints[0], b"A", since="-10", max_message_bytes="64K"
        ) as subscriber:
            first, second = subscriber.recv(S), subscriber.recv(S)
            assert (first.payload, second.payload) == (b"0", b"2")
            assert second.gap == Gap("too large", 1, 1, 1, second.epoch)
            assert second.kind == "replayed"


def test_a_last_value_is_a_gap_of_no_place() -> None:
    options: dict[str, Any] = {"last_values": LastValues(), **OPTIONS}
    with Publisher(ANY, sequence_frame=True, **options) as publisher:
        publisher.publish(b"A1", LARGE)
        publisher.publish(b"A2", b"x")
        with Subscriber(publisher.endpoints[0], b"A", max_message_bytes="64K") as subscriber:
            first = subscriber.recv(S)  # they come in any order
            publisher.publish(b"A3", b"y")
            second = subscriber.recv(S)
            assert [first.payload, second.payload] == [b"x", b"y"]
            gaps = [message.gap for message in (first, second) if message.gap is not None]
            assert gaps == [Gap("too large", 1, epoch=first.epoch)]


def test_over_two_endpoints_of_one_publisher_it_is_told_once() -> None:
    with (
        Publisher([ANY, ANY], sequence_frame=True, **OPTIONS) as publisher,
        Subscriber(publisher.endpoints, max_message_bytes="64K") as subscriber,
    ):
        publisher.wait_for_subscribers(2, timeout=S)
        for payload in (b"0", LARGE, b"2", b"3"):
            publisher.publish(b"A", payload)
        got = [subscriber.recv(S) for _ in range(3)]
        assert [message.payload for message in got] == [b"0", b"2", b"3"]
        gap = Gap("too large", 1, 1, 1, got[0].epoch)
        assert [message.gap for message in got] == [None, gap, None]
        assert subscriber.statistics().missing == 1


def test_of_libzmq_too() -> None:
    with zmq.Context() as context, context.socket(zmq.XPUB) as publisher:
        port = publisher.bind_to_random_port("tcp://127.0.0.1")
        with Subscriber(f"tcp://127.0.0.1:{port}", max_message_bytes="64K") as subscriber:
            assert publisher.poll(int(S * 1000))
            assert publisher.recv() == b"\x01"
            for payload in (LARGE, b"1"):
                publisher.send_multipart([b"A", payload])
            assert subscriber.recv(S).gap == Gap("too large", 1)
            assert subscriber.statistics().connections == 1


def test_with_asyncio_too() -> None:
    async def main() -> None:
        async with (
            fanout.asyncio.Publisher(ANY, sequence_frame=True, **OPTIONS) as publisher,
            fanout.asyncio.Subscriber(
                publisher.endpoints[0], max_message_bytes="64K"
            ) as subscriber,
        ):
            await publisher.wait_for_subscribers(1, timeout=S)
            for payload in (LARGE, b"1"):
                await publisher.publish(b"A", payload)
            message = await subscriber.recv(S)
            assert message.gap == Gap("too large", 1, 0, 0, message.epoch)

    asyncio.run(main())


def test_with_curve_too_where_messages_have_numbers() -> None:
    security = auth.Curve(KEYS.secret)
    with (
        Publisher(ANY, sequence_frame=True, security=security, **OPTIONS) as publisher,
        Subscriber(
            publisher.endpoints[0],
            max_message_bytes="64K",
            security=auth.CurveClient(KEYS.public, new_keys().secret),
        ) as subscriber,
    ):
        publisher.wait_for_subscribers(1, timeout=S)
        for payload in (b"0", LARGE, b"2"):
            publisher.publish(b"A", payload)
        publisher.publish(LARGE, b"3")
        publisher.publish(b"A", b"4")
        got = [subscriber.recv(S) for _ in range(3)]
        statistics = subscriber.statistics()
    assert [message.payload for message in got] == [b"0", b"2", b"4"]
    gaps = [message.gap and (message.gap.reason, message.gap.first) for message in got]
    assert gaps == [None, ("too large", 1), ("too large", 3)]
    assert (statistics.connections, statistics.too_large, statistics.missing) == (1, 2, 2)


def test_with_curve_and_without_numbers_a_last_value_does_not_come_for_ever() -> None:
    """It ends each connection that brings it: the next one brings what comes by itself."""
    events: list[ReceiverEvent] = []
    options: dict[str, Any] = {"last_values": LastValues(), **OPTIONS}
    with Publisher(ANY, security=auth.Curve(KEYS.secret), **options) as publisher:
        for topic, payload in ((b"A1", b"0"), (b"A2", LARGE), (b"A3", b"2"), (b"B", b"3")):
            publisher.publish(topic, payload)
        with Subscriber(
            publisher.endpoints[0],
            b"A",
            max_message_bytes="64K",
            security=auth.CurveClient(KEYS.public, new_keys().secret),
            on_event=events.append,
        ) as subscriber:
            first = subscriber.recv(S)
            wait_until(publisher.closed_subscribers, "the first connection has ended")
            wait_until(lambda: subscriber.statistics().connections == 2, "it is there again")
            publisher.wait_for_subscribers(1, b"A4", timeout=S)
            publisher.publish(b"A4", b"4")
            second = subscriber.recv(S)
            subscriber.subscribe(b"B")
            third = subscriber.recv(S)
            statistics = subscriber.statistics()
    assert [message.payload for message in (first, second, third)] == [b"0", b"4", b"3"]
    assert second.gap is not None
    assert (second.gap.reason, second.gap.count) == ("too large", None)
    assert (third.kind, third.gap) == ("last", None)
    assert (statistics.connections, statistics.unknown_gaps) == (2, 1)
    (lost,) = [event for event in events if event.kind is ReceiverEventKind.LOST]
    assert "raise max_message_bytes" in lost.text
