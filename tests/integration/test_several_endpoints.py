"""One subscriber of several endpoints: of one publisher, and of two that send the same."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import Any

import fanout.asyncio
from fanout import Message, Publisher, Subscriber
from tests.helpers.waiting import DEADLINE_S, wait_until

OPTIONS: dict[str, Any] = {"workers": 1, "log_bytes": 1 << 20, "sequence_frame": True}
S = DEADLINE_S
ANY = "tcp://127.0.0.1:*"
COUNT = 400


def two_endpoints() -> list[str]:
    return [ANY, f"ipc://@fanout-test-two-{os.getpid()}"]


def cut(subscriber: Subscriber, number: int) -> None:
    """End a connection, as a network would."""
    sock = subscriber._reading._polling.connections._plugs[number].sock
    if sock is not None:
        with suppress(OSError):  # it is closed already
            sock.shutdown(socket.SHUT_RDWR)


def test_two_endpoints_of_one_publisher_are_one_stream_whichever_is_cut() -> None:
    with (
        Publisher(two_endpoints(), **OPTIONS) as publisher,
        Subscriber(publisher.endpoints, ["A", "B"]) as subscriber,
    ):
        publisher.wait_for_subscribers(2, b"B", timeout=S)
        wanted = []
        for number in range(COUNT):
            topic = (b"A", b"C", b"B")[number % 3]
            publisher.publish(topic, b"%d" % number)
            if topic != b"C":
                wanted.append(number)
            if number % 20 == 0:
                cut(subscriber, number // 20 % 2)
        got = [subscriber.recv(S) for _ in wanted]
        assert [message.sequence for message in got] == wanted
        assert [message.gap for message in got] == [None] * len(wanted)
        wait_until(lambda: subscriber.statistics().connections > 2, "one is made again")
        statistics = subscriber.statistics()
        assert (statistics.missing, statistics.unknown_gaps) == (0, 0)


def test_what_is_subscribed_to_later_comes_once_too() -> None:
    with (
        Publisher(two_endpoints(), **OPTIONS) as publisher,
        Subscriber(publisher.endpoints, "A") as subscriber,
    ):
        publisher.wait_for_subscribers(2, b"A", timeout=S)
        publisher.publish(b"A", b"0")
        assert subscriber.recv(S).payload == b"0"
        subscriber.subscribe("B")
        publisher.wait_for_subscribers(2, b"B", timeout=S)
        for number in range(1, COUNT):
            publisher.publish(b"B" if number % 2 else b"A", b"%d" % number)
        got = [subscriber.recv(S) for _ in range(1, COUNT)]
        assert [message.sequence for message in got] == [*range(1, COUNT)]
        wait_until(lambda: subscriber.statistics().doubles >= COUNT - 1, "the doubles")


def test_in_asyncio_it_is_the_same() -> None:
    async def main() -> None:
        async with (
            fanout.asyncio.Publisher(two_endpoints(), **OPTIONS) as publisher,
            fanout.asyncio.Subscriber(publisher.endpoints) as subscriber,
        ):
            await publisher.wait_for_subscribers(2, timeout=S)
            for number in range(COUNT):
                await publisher.publish(b"A", b"%d" % number)
            got = [await subscriber.recv(S) for _ in range(COUNT)]
            assert [message.sequence for message in got] == [*range(COUNT)]

    asyncio.run(main())


def test_two_publishers_of_the_same_messages_and_one_ends() -> None:
    def key(message: Message) -> int:
        return int(message.payload)

    with Publisher(ANY, **OPTIONS) as second:
        with Publisher(ANY, **OPTIONS) as first:
            endpoints = [one.endpoints[0] for one in (first, second)]
            subscriber = Subscriber(endpoints, identity=key)
            for one in (first, second):
                one.wait_for_subscribers(1, timeout=S)
            for number in range(COUNT):
                first.publish(b"A", b"%d" % number)
                second.publish(b"A", b"%d" % number)
        with subscriber:
            for number in range(COUNT, 2 * COUNT):
                second.publish(b"A", b"%d" % number)
            got = [subscriber.recv(S) for _ in range(2 * COUNT)]
            assert [*map(key, got)] == [*range(2 * COUNT)]
            assert subscriber.statistics().doubles > 0
