"""Stock SUB sockets ask for what they have missed."""

from __future__ import annotations

import struct
from itertools import count
from typing import TYPE_CHECKING

import msgpack
import pytest
import zmq

from fanout import Publisher
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GAP = b"\x00fanout.gap"
MARK = b"\x00fanout.since"
END = b"\x01end"
_ends = count()


@pytest.fixture(scope="module", params=["tcp", "ipc"])
def feed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Publisher]:
    """Two hundred prices on two topics, of which each message has its number."""
    path: Path = tmp_path_factory.mktemp("feed") / "feed"
    endpoint = "tcp://127.0.0.1:*" if request.param == "tcp" else f"ipc://{path}"
    with Publisher(endpoint, workers=2, sequence_frame=True, log_bytes="64K") as publisher:
        for number in range(200):
            publisher.publish(b"AB"[number % 2 :][:1], b"%d" % number)
        yield publisher


def catch_up(
    publisher: Publisher, context: zmq.Context[zmq.Socket[bytes]], *topics: bytes
) -> list[list[bytes]]:
    """What a socket with these subscriptions gets before what is published when it is there."""
    end = END + b"%d" % next(_ends)
    with context.socket(zmq.SUB) as subscriber:
        subscriber.setsockopt(zmq.RCVTIMEO, int(DEADLINE_S * 1000))
        for topic in (*topics, end):
            subscriber.subscribe(topic)
        subscriber.connect(publisher.endpoints[0])
        publisher.wait_for_subscribers(1, end, timeout=DEADLINE_S)
        publisher.publish(end, b"")
        found: list[list[bytes]] = []
        while not found or found[-1][0] != end:
            found.append(subscriber.recv_multipart())
        return [frames for frames in found if not frames[0].startswith(END)]


def since(publisher: Publisher, context: zmq.Context[zmq.Socket[bytes]], sequence: int) -> bytes:
    """What somebody says that has this message, by the frame that was in it."""
    (last,) = catch_up(publisher, context, b"A", b"\x00fanout.since=-1")
    epoch, _sequence = struct.unpack(">QQ", last[2])
    return b"\x00fanout.since=%016x:%d" % (epoch, sequence)


def numbers(found: list[list[bytes]]) -> list[int]:
    return [int(frames[1]) for frames in found if frames[0] != GAP]


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    with zmq.Context() as context:
        yield context


def test_a_stock_socket_is_sent_what_came_after_the_last_that_it_has(
    feed: Publisher, context: zmq.Context[zmq.Socket[bytes]]
) -> None:
    asked = since(feed, context, 190)

    assert numbers(catch_up(feed, context, b"A", asked)) == [192, 194, 196, 198]
    assert numbers(catch_up(feed, context, b"A", b"B", GAP, asked)) == [*range(191, 200)]


def test_a_stock_socket_is_told_when_it_has_got_what_it_missed(
    feed: Publisher, context: zmq.Context[zmq.Socket[bytes]]
) -> None:
    """Once, where that ends, if it asks for that; a socket that filters lets it through."""
    asked = since(feed, context, 190)
    found = catch_up(feed, context, b"A", MARK, asked)

    assert numbers(found[:-1]) == [192, 194, 196, 198]
    assert found[-1][0] == MARK
    mark = msgpack.unpackb(found[-1][1])
    epoch = int(asked.partition(b"=")[2].partition(b":")[0], 16)
    assert mark["epoch"] == epoch
    assert mark["at"] >= 200
    assert len(catch_up(feed, context, b"A", MARK)) == 0, "who has missed nothing is told nothing"


def test_a_stock_socket_that_wants_everything_may_say_it_in_any_order(
    feed: Publisher, context: zmq.Context[zmq.Socket[bytes]]
) -> None:
    """It sends the empty subscription first."""
    before = feed.statistics().replayed
    found = catch_up(feed, context, b"", b"\x00fanout.since=-60s", GAP)

    assert numbers(found) == [*range(200)]
    assert feed.statistics().replayed > before + 199


def test_what_is_gone_is_told_before_all_else(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    with Publisher(
        "tcp://127.0.0.1:*", workers=1, sequence_frame=True, log_bytes="64K", replay_bytes="8K"
    ) as publisher:
        for number in range(100):
            publisher.publish(b"A", b"%d" % number + bytes(1_000))
        asked = since(publisher, context, 10)
        first, *found = catch_up(publisher, context, b"A", GAP, asked)

        assert first[0] == GAP
        gap = msgpack.unpackb(first[1])
        assert (gap["reason"], gap["first"]) == ("expired", 11)
        got = [int(frames[1].rstrip(b"\0")) for frames in found]
        assert got == [*range(gap["last"] + 1, 100)]
        assert 6 <= len(got) <= 8
