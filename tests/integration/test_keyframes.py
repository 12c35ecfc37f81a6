"""Keyframes: what subscribers get that come to a feed of deltas, by real sockets."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import msgpack
import pytest
import zmq

import fanout.asyncio
from fanout import ConfigError, EventKind, LastValues, Producer, Publisher, Subscriber
from tests.helpers.programs import ROOT
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fanout import Event

S = DEADLINE_S


class Clients:
    """SUB sockets of libzmq, closed at the end."""

    def __init__(self) -> None:
        self._context = zmq.Context()
        self.sockets: list[zmq.Socket[bytes]] = []

    def connected(self, endpoint: str, *prefixes: bytes) -> zmq.Socket[bytes]:
        subscriber = self._context.socket(zmq.SUB)
        self.sockets.append(subscriber)
        subscriber.setsockopt(zmq.RCVTIMEO, int(S * 1_000))
        for prefix in prefixes:
            subscriber.subscribe(prefix)
        subscriber.connect(endpoint)
        return subscriber

    def close(self) -> None:
        for subscriber in self.sockets:
            subscriber.close(linger=0)
        self._context.term()


@pytest.fixture
def clients() -> Iterator[Clients]:
    clients = Clients()
    yield clients
    clients.close()


def received(subscriber: zmq.Socket[bytes], count: int) -> list[tuple[bytes, ...]]:
    return [tuple(subscriber.recv_multipart()) for _ in range(count)]


def kept(endpoint: str = "tcp://127.0.0.1:*", **options: object) -> Publisher:
    given: dict[str, object] = {"workers": 1, "last_values": LastValues(), **options}
    return Publisher(endpoint, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_keyframe_deltas_since_then_live(transport: str, tmp_path: Path, clients: Clients) -> None:
    endpoint = "tcp://127.0.0.1:*" if transport == "tcp" else f"ipc://{tmp_path}/feed"
    with kept(endpoint) as publisher:
        for number in range(3):
            publisher.publish("book.A", b"full %d" % number, keyframe=True)
            publisher.publish("book.B", b"full", keyframe=True)
            for delta in range(4):
                publisher.publish("book.A", b"%d %d" % (number, delta))
                publisher.publish("trade.A", b"%d" % delta)
        first = clients.connected(publisher.endpoints[0], b"book.A")
        expected = [(b"book.A", b"full 2"), *[(b"book.A", b"2 %d" % n) for n in range(4)]]
        assert received(first, 5) == expected
        publisher.publish("book.A", b"live")
        everything = clients.connected(publisher.endpoints[0], b"book.A", b"", b"book.")
        got = received(everything, 8)
        assert [one for one in got if one[0] == b"book.A"] == [*expected, (b"book.A", b"live")]
        assert [one for one in got if one[0] != b"book.A"] == [
            (b"book.B", b"full"),
            (b"trade.A", b"3"),
        ]
        publisher.publish("book.A", b"live 2")
        assert received(first, 2) == [(b"book.A", b"live"), (b"book.A", b"live 2")]
        assert received(everything, 1) == [(b"book.A", b"live 2")]
        figures = publisher.statistics()
        assert figures.matched == figures.sent == 5 + 8 + 1 + 2
        assert (figures.replayed, figures.from_snapshot) == (12, 1)
        before = {one.pid for one in figures.workers}
        publisher.restart_workers()
        wait_until(
            lambda: before.isdisjoint(one.pid for one in publisher.statistics().workers),
            "those before have ended",
        )
        figures = publisher.statistics()
        assert (figures.replayed, figures.from_snapshot, figures.past_inexact) == (12, 1, 0)


def test_every_verb_can_say_it(clients: Clients) -> None:
    with kept() as publisher:
        publisher.publish("a", bytes(20_000), keyframe=True, timeout=1.0)
        publisher.send_multipart([b"b", b"1", b"2"], keyframe=True)
        publisher.send_multipart((b"c", b"1"), keyframe=True)
        publisher.send_json([1], topic="d", keyframe=True)
        publisher.send_msgpack([1], topic=b"e", keyframe=True)
        with publisher.batch() as batch:
            batch.publish("f", bytearray(b"1"), keyframe=True)
            batch.send_multipart([b"g", b"1", b"2"], keyframe=True)
            for topic in (b"a", b"b", b"c", b"d", b"e", b"f", b"g"):
                batch.publish(topic, b"delta")
        got = received(clients.connected(publisher.endpoints[0], b""), 14)
        assert [frames[0] for frames in got] == [*[b"%c" % c for c in b"abcdefg"] * 2]
        assert (got[1], got[6]) == ((b"b", b"1", b"2"), (b"g", b"1", b"2"))
        with pytest.raises(ConfigError, match="one frame"):
            publisher.send_msgpack(1, keyframe=True)
        with pytest.raises(ConfigError, match="one frame"), publisher.batch() as batch:
            batch.send_multipart([b"g"], keyframe=True)


def test_with_asyncio() -> None:
    async def main() -> list[bytes]:
        async with fanout.asyncio.Publisher(
            "tcp://127.0.0.1:*", workers=1, last_values=LastValues()
        ) as publisher:
            await publisher.publish("a", b"old", keyframe=True)
            await publisher.publish(b"a", b"1", keyframe=True)
            await publisher.send_multipart([b"a", b"2"])
            async with publisher.batch() as batch:
                batch.publish(b"b", b"3", keyframe=True)
                batch.publish(b"b", b"4")
            subscriber = fanout.asyncio.Subscriber(publisher.endpoints[0], b"")
            async with subscriber, asyncio.timeout(S):
                return [(await subscriber.recv()).payload for _ in range(4)]

    assert asyncio.run(main()) == [b"1", b"2", b"3", b"4"]


def test_who_cannot_say_it_is_told() -> None:
    with Publisher("tcp://127.0.0.1:*", workers=1) as publisher:
        with pytest.raises(ConfigError, match="last_values=LastValues"):
            publisher.publish("a", b"", keyframe=True)
        producer = Producer(publisher.ingest("tcp://127.0.0.1:*"))
        with producer, pytest.raises(ConfigError, match="a producer has no keyframes"):
            producer.publish("a", b"", keyframe=True)


@pytest.mark.parametrize("numbered", [False, True])
@pytest.mark.parametrize("prefix", [b"", b"book."])
def test_a_subscriber_of_ours_knows_what_they_are(prefix: bytes, numbered: bool) -> None:
    with kept(sequence_frame=numbered) as publisher:
        for name in ("A", "B"):
            publisher.publish(f"book.{name}", b"full", keyframe=True)
            publisher.publish(f"book.{name}", b"delta")
        with Subscriber(publisher.endpoints[0], prefix) as subscriber:
            got = [subscriber.recv(S) for _ in range(4)]
            assert [message.kind for message in got] == ["last"] * 4
            assert [message.payload for message in got] == [b"full", b"delta"] * 2
            publisher.publish("book.A", b"live")
            message = subscriber.recv(S)
            assert (message.kind, message.payload, message.gap) == ("live", b"live", None)
            subscriber.unsubscribe(prefix)
            subscriber.subscribe(b"book.A")
            got = [subscriber.recv(S) for _ in range(3)]
            assert [message.payload for message in got] == [b"full", b"delta", b"live"]
            assert subscriber.statistics().doubles == 0


def test_who_wants_no_values_gets_none(clients: Clients) -> None:
    with kept() as publisher:
        publisher.publish("a", b"full", keyframe=True)
        publisher.publish("a", b"delta")
        subscriber = clients.connected(publisher.endpoints[0], b"\0fanout.values=off", b"a")
        publisher.wait_for_subscribers(1, "a", timeout=S)
        publisher.publish("a", b"live")
        assert received(subscriber, 1) == [(b"a", b"live")]


def test_where_the_log_has_none_any_more_one_is_asked_for(
    clients: Clients,
) -> None:
    events: list[Event] = []
    asked = threading.Event()

    def on_event(event: Event) -> None:
        if event.kind is EventKind.KEYFRAME_WANTED:
            events.append(event)
            publisher.publish(event.topic or b"", b"full again", keyframe=True)
            asked.set()

    publisher = kept(log_bytes="64K", on_event=on_event)
    with publisher:
        publisher.publish("kept", b"full", keyframe=True)
        publisher.publish("gone", b"full", keyframe=True)
        publisher.publish("gone", b"delta")
        for _ in range(3_000):
            publisher.publish("other", bytes(50))
        subscriber = clients.connected(publisher.endpoints[0], b"gone", b"kept", b"\0fanout.gap")
        got = received(subscriber, 3)
        assert asked.wait(S)
        [marker] = [msgpack.unpackb(one[1]) for one in got if one[0] == b"\0fanout.gap"]
        assert {**marker, "epoch": 0} == {
            "epoch": 0,
            "first": 2,
            "last": 2,
            "count": 0,
            "reason": "keyframe",
        }
        assert sorted(one for one in got if one[0] != b"\0fanout.gap") == [
            (b"gone", b"full again"),
            (b"kept", b"full"),
        ]
        assert [event.topic for event in events] == [b"gone"]
        wait_until(lambda: publisher.statistics().keyframes_lost == 1, "the topic is counted")
        late = clients.connected(publisher.endpoints[0], b"gone")
        assert received(late, 1) == [(b"gone", b"full again")]


def test_the_example_runs() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "order_book.py")],
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_S,
        check=False,
    )
    assert done.stdout == "late, and right: True\nand still: True\n", done.stderr
    assert done.returncode == 0


PACE_S = 0.0002  # so the log holds far more than anybody is behind on a machine that is starved


@pytest.mark.unmeasured
def test_beside_a_stream_of_deltas_nobody_misses_one(
    clients: Clients,
) -> None:
    """Whenever somebody comes: a keyframe, then each number after it."""
    topics = [b"book.%d" % number for number in range(5)]
    stop = threading.Event()
    with kept(workers=2, log_bytes="8M") as publisher:

        def publish() -> None:
            number = 0
            while not stop.is_set():
                for topic in topics:
                    is_key = not number % 50
                    publisher.publish(
                        topic, (b"full %d" if is_key else b"%d") % number, keyframe=is_key
                    )
                number += 1
                stop.wait(PACE_S)

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            for _ in range(20):
                subscriber = clients.connected(publisher.endpoints[0], b"book.")
                begins: dict[bytes, int] = {}
                for topic, payload in received(subscriber, 1_000):
                    if topic not in begins:
                        assert payload.startswith(b"full "), (topic, payload)
                        begins[topic] = int(payload[5:])
                    else:
                        begins[topic] += 1
                        assert int(payload.split()[-1]) == begins[topic]
                assert len(begins) == len(topics)
                subscriber.close()
        finally:
            stop.set()
            thread.join()
        assert publisher.statistics().keyframes_lost == 0
