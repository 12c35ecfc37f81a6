"""One subscriber of several endpoints: of one publisher, and of two that send the same."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import Any

import fanout.asyncio
from fanout import LastValues, Message, Publisher, Subscriber
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


def kinds_and_payloads(subscriber: Subscriber, count: int) -> list[tuple[str, bytes]]:
    return [(one.kind, one.payload) for one in (subscriber.recv(S) for _ in range(count))]


VALUED: dict[str, Any] = {**OPTIONS, "last_values": LastValues()}


def test_last_values_come_over_one_of_two_endpoints_and_once() -> None:
    with Publisher(two_endpoints(), **VALUED) as publisher:
        for number in range(100):
            publisher.publish(b"A%d" % (number % 50), b"%d" % number)
            publisher.publish(b"B%d" % (number % 50), b"%d" % number)
        values = [("last", b"%d" % number) for number in range(50, 100)]
        with Subscriber(publisher.endpoints, "A") as subscriber:
            assert kinds_and_payloads(subscriber, 50) == values
            publisher.wait_for_subscribers(2, b"A", timeout=S)
            publisher.publish(b"A1", b"now")
            assert kinds_and_payloads(subscriber, 1) == [("live", b"now")]
            subscriber.subscribe("B")
            assert kinds_and_payloads(subscriber, 50) == values
            publisher.wait_for_subscribers(2, b"B", timeout=S)
            for number in range(COUNT):
                publisher.publish(b"A1" if number % 2 else b"B1", b"%d" % number)
                if number % 20 == 0:
                    cut(subscriber, number // 20 % 2)
            got = [subscriber.recv(S) for _ in range(COUNT)]
            assert [one.payload for one in got] == [b"%d" % number for number in range(COUNT)]
            assert {one.gap for one in got} == {None}
            assert {one.kind for one in got} <= {"live", "replayed"}
            assert (subscriber.statistics().missing, subscriber.statistics().unknown_gaps) == (0, 0)


def test_each_of_two_publishers_brings_its_last_values() -> None:
    with Publisher(ANY, **VALUED) as first, Publisher(ANY, **VALUED) as second:
        first.publish(b"A", b"first")
        second.publish(b"A", b"second")
        with Subscriber([*first.endpoints, *second.endpoints], "A") as subscriber:
            got = kinds_and_payloads(subscriber, 2)
            assert sorted(got) == [("last", b"first"), ("last", b"second")]
