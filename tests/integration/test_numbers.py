"""`sequence_frame`: each message ends in its number, whichever verb has published it."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Any

import fanout.asyncio
from fanout import Publisher
from fanout.terms.introduction import introduction_of
from tests.helpers.raw import RawPeer
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from tests.helpers.stock import Socket, Stock

OPTIONS: dict[str, Any] = {"workers": 1, "log_bytes": 1 << 20, "sequence_frame": True}
ANY = "tcp://127.0.0.1:*"
LARGE = bytes(20_000)


def received(subscriber: Socket, count: int) -> tuple[int, list[list[bytes]]]:
    """The epoch, and so many messages without their numbers, which count from 0."""
    epochs, messages = set(), []
    for expected in range(count):
        *frames, number = subscriber.recv_multipart()
        epoch, sequence = struct.unpack(">QQ", number)
        assert sequence == expected
        epochs.add(epoch)
        messages.append(frames)
    (epoch,) = epochs
    return epoch, messages


def test_every_verb_of_the_blocking_publisher(stock: Stock) -> None:
    epochs = set()
    for _ in range(2):  # another publisher is another epoch
        with Publisher(ANY, **OPTIONS) as publisher:
            subscriber = stock.connect(publisher.endpoints[0], b"")
            publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            sent = [
                publisher.publish(b"t", b"1"),
                publisher.publish("t", bytearray(b"2"), timeout=1),
                publisher.publish(b"t", LARGE),
                publisher.send(b"alone"),
                publisher.send(b""),
                publisher.send_multipart([b"t", b"a", b"b"]),
                publisher.send_string("text"),
                publisher.send_json(1, topic=b"t"),
            ]
            with publisher.batch() as batch:
                batch.publish(b"t", b"3")
                batch.send(LARGE)
                batch.send_multipart([b"t", b"", b"c"])
            epoch, messages = received(subscriber, 11)
        assert sent == [*range(8)]
        assert batch.sequence == 8
        assert messages == [
            *([b"t", b"1"], [b"t", b"2"], [b"t", LARGE], [b"alone"], [b""], [b"t", b"a", b"b"]),
            *([b"text"], [b"t", b"1"], [b"t", b"3"], [LARGE], [b"t", b"", b"c"]),
        ]
        epochs.add(epoch)
    assert len(epochs) == 2
    assert 0 not in epochs


def test_every_verb_of_the_asyncio_publisher(stock: Stock) -> None:
    async def run() -> None:
        async with fanout.asyncio.Publisher(ANY, **OPTIONS) as publisher:
            subscriber = stock.connect(publisher.endpoints[0], b"")
            await publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            await publisher.publish(b"t", b"1")
            await publisher.publish(b"t", LARGE)
            await publisher.send(b"alone")
            await publisher.send_multipart([b"t", b"a", b"b"])
            async with publisher.batch() as batch:
                batch.publish(b"t", b"3")
            _epoch, messages = await asyncio.to_thread(received, subscriber, 5)
            assert messages == [
                *([b"t", b"1"], [b"t", LARGE], [b"alone"], [b"t", b"a", b"b"], [b"t", b"3"])
            ]

    asyncio.run(run())


def test_the_handshake_says_what_the_publisher_is_and_whether_it_numbers_messages() -> None:
    seen = []
    for numbered in (True, False):
        with Publisher(ANY, **{**OPTIONS, "sequence_frame": numbered}) as publisher:
            publisher.publish(b"t", b"0")
            with RawPeer.version_3(publisher.endpoints[0], b"") as peer:
                value = peer.properties
                name, size, said = value[:9], value[9:13], value[13:]
                assert (name, int.from_bytes(size, "big")) == (b"\x08X-Fanout", len(said))
                introduction = introduction_of(said)
                assert introduction is not None
                assert introduction.head == 1
                assert introduction.sequence is numbered
                if numbered:
                    publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
                    publisher.publish(b"t", b"1")
                    number = struct.pack(">QQ", introduction.epoch, 1)
                    assert peer.read_message() == [b"t", b"1", number]
            seen.append(introduction.epoch)
    assert len(set(seen)) == 2
