"""Stock SUB sockets that come late are sent the last message of each of their topics."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import struct
import threading
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import zmq

import fanout.asyncio
from fanout import ConfigError, LastValues, Publisher
from tests.helpers.raw import RawPeer
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MARK = b"\x00fanout.snapshot"
TOPICS = [b"t%03d" % number for number in range(300)]


class Socket:
    """A SUB socket that has said what it wants; what it gets is read by `until`."""

    def __init__(self, publisher: Publisher, *subscriptions: bytes) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
        self.socket = context.socket(zmq.SUB)
        self.socket.rcvtimeo = 1_000 * int(DEADLINE_S)
        self.socket.rcvhwm = 0
        for subscription in subscriptions:
            self.socket.subscribe(subscription)
        self.socket.connect(publisher.endpoints[-1])
        self.marks: list[dict[str, Any]] = []

    def snapshot(self) -> list[list[bytes]]:
        """All that it gets up to the end of the next snapshot."""
        found: list[list[bytes]] = []
        while True:
            frames = self.socket.recv_multipart()
            if frames[0] != MARK:
                found.append(frames)
                continue
            self.marks.append(msgpack.unpackb(frames[1]))
            if self.marks[-1]["end"]:
                return found

    def until(self, last: list[bytes]) -> list[list[bytes]]:
        """All that it gets, up to this message."""
        found: list[list[bytes]] = []
        while not found or found[-1] != last:
            found.append(self.socket.recv_multipart())
        return found

    def close(self) -> None:
        self.socket.close(0)


@pytest.fixture(params=["tcp", "ipc"])
def feed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Publisher]:
    """Prices that went round the log and the ring several times."""
    endpoint = "tcp://127.0.0.1:*" if request.param == "tcp" else f"ipc://{tmp_path}/feed"
    kept = LastValues(max_bytes="128K")
    with Publisher(endpoint, workers=2, log_bytes="256K", last_values=kept) as publisher:
        for number in range(20_000):
            publisher.publish(TOPICS[number % 300 if number < 900 else number % 7], price(number))
        yield publisher


def price(number: int) -> bytes:
    return b"%d:" % number + bytes(50)


def last_of(publisher: Publisher) -> dict[bytes, bytes]:
    found = {topic: publisher.last(topic) for topic in TOPICS}
    return {topic: value.frames[1] for topic, value in found.items() if value is not None}


def test_whoever_comes_gets_the_last_of_each_topic_oldest_first_and_then_what_comes(
    feed: Publisher,
) -> None:
    want = last_of(feed)
    assert len(want) == 300
    one = Socket(feed, MARK, b"t")
    found = one.snapshot()

    assert {frames[0]: frames[1] for frames in found} == want
    assert len(found) == 300
    numbers = [int(frames[1].partition(b":")[0]) for frames in found]
    assert numbers == sorted(numbers)
    assert one.marks[-1]["count"] == 300
    assert one.marks[-1]["at"] == feed.statistics().published
    feed.publish(b"t000", b"live")
    assert one.until([b"t000", b"live"]) == [[b"t000", b"live"]]
    one.close()


def test_only_who_subscribes_gets_it_and_of_what_is_new_to_it(feed: Publisher) -> None:
    before = feed.statistics().from_snapshot
    first = Socket(feed, MARK, b"t00")
    assert len(first.snapshot()) == 10
    second = Socket(feed, MARK, b"t0")
    assert len(second.snapshot()) == 100
    first.socket.subscribe(b"t")
    assert len(first.snapshot()) == 290, "all but what it has"
    first.socket.subscribe(b"t1")
    assert first.snapshot() == [], "it has all of that"
    feed.publish(b"t001", b"end")
    for one in (first, second):
        assert one.until([b"t001", b"end"]) == [[b"t001", b"end"]]
        one.close()
    assert feed.statistics().from_snapshot - before == 400


def test_who_wants_none_gets_none_and_of_one_frame_there_are_none(feed: Publisher) -> None:
    feed.send(b"t-one-frame")
    feed.send_multipart([b"t-one-frame"])
    with feed.batch() as batch:
        batch.send(b"t-one-frame")
        batch.send_multipart([b"t-one-frame"])
    feed.send_multipart([b"t-three", b"", b"frames"])
    none = Socket(feed, b"\x00fanout.values=off", MARK, b"t")
    some = Socket(feed, MARK, b"t-")
    feed.wait_for_subscribers(2, b"t-x")
    assert some.snapshot() == [[b"t-three", b"", b"frames"]]
    feed.publish(b"t-end", b"")
    assert none.until([b"t-end", b""]) == [[b"t-end", b""]]
    none.close()
    some.close()


def test_who_says_what_it_has_gets_the_rest_or_if_it_wants_them_all(feed: Publisher) -> None:
    """What is newer than what it has comes as what it has missed, whatever it wants."""
    first = Socket(feed, MARK, b"t00")
    first.snapshot()
    (_, end) = first.marks
    first.close()
    since = b"\x00fanout.since=%016x:%d" % (end["epoch"], end["at"] - 1)
    for topic in (b"t003", b"t004", b"t003"):
        feed.publish(topic, b"newer")
    for more, count in (((), 0), ((b"\x00fanout.values=all",), 8)):
        one = Socket(feed, MARK, since, *more, b"t00")
        found = one.snapshot()
        assert len(found) == count
        assert not {frames[0] for frames in found} & {b"t003", b"t004"}
        missed = [one.socket.recv_multipart() for _ in range(3)]
        assert missed == [[topic, b"newer"] for topic in (b"t003", b"t004", b"t003")]
        one.close()


def test_what_is_forgotten_is_sent_to_nobody(feed: Publisher) -> None:
    assert feed.forget(b"t005")
    assert not feed.forget("t005")
    assert feed.last(b"t005") is None
    one = Socket(feed, MARK, b"t00")
    assert len(one.snapshot()) == 9
    one.close()


def test_each_message_has_its_number_and_last_has_not() -> None:
    with Publisher(
        "tcp://127.0.0.1:*", workers=1, sequence_frame=True, last_values=LastValues("a")
    ) as feed:
        feed.publish(b"a", b"1")
        feed.publish(b"b", b"2")
        found = feed.last(b"a")
        assert found is not None
        assert found == (0, (b"a", b"1"))
        assert feed.last(b"b") is None, "it is not kept"
        one = Socket(feed, MARK, b"")
        (frames,) = one.snapshot()
        assert frames[:2] == [b"a", b"1"]
        assert struct.unpack(">QQ", frames[2])[1] == 0
        one.close()


def test_without_last_values_nobody_can_be_asked_for_them() -> None:
    with Publisher("tcp://127.0.0.1:*", workers=1) as feed:
        with pytest.raises(ConfigError, match="last_values=LastValues"):
            feed.last(b"a")
        with pytest.raises(ConfigError, match="last_values=LastValues"):
            feed.forget(b"a")


def test_what_is_too_old_is_not_sent() -> None:
    kept = LastValues(max_age=0.2)
    with Publisher("tcp://127.0.0.1:*", workers=1, last_values=kept) as feed:
        feed.publish(b"old", b"1")
        wait_until(lambda: feed.last(b"old") is None, "it never gets too old")

        def shown() -> list[list[bytes]]:
            feed.publish(b"new", b"2")
            one = Socket(feed, MARK, b"")
            found = one.snapshot()
            one.close()
            return found

        # On a busy machine it may have got too old as well by the time that somebody is there.
        assert wait_until(shown, "what is new is sent") == [[b"new", b"2"]]


def test_in_asyncio_they_are_the_same() -> None:
    async def run() -> None:
        kept = LastValues()
        async with fanout.asyncio.Publisher(
            "tcp://127.0.0.1:*", workers=1, last_values=kept
        ) as feed:
            async with feed.batch() as batch:
                batch.publish(b"a", b"1")
                batch.publish(b"a", b"2")
            await feed.send_json([1], topic=b"b")
            found = await feed.last(b"a")
            assert found is not None
            assert found.frames == (b"a", b"2")
            assert await feed.forget(b"a")
            assert await feed.last(b"a") is None
            assert await feed.last(b"b") is not None

    asyncio.run(run())


def test_a_storm_of_newcomers_while_everything_changes() -> None:
    """Each has every topic in order, none twice, and in the end what was published last."""
    topics = [b"topic.%04d" % number for number in range(1_000)]
    kept = LastValues(max_bytes="1M")
    with Publisher("tcp://127.0.0.1:*", workers=2, log_bytes="2M", last_values=kept) as feed:
        for number, topic in enumerate(topics):
            feed.publish(topic, price(number))
        stops = threading.Event()
        number = len(topics)

        def publish() -> None:
            nonlocal number
            rng = random.Random(1)
            while not stops.is_set():
                with feed.batch() as batch:
                    for _ in range(20):
                        batch.publish(topics[int(rng.paretovariate(0.3)) % 1_000], price(number))
                        number += 1
                stops.wait(0.002)

        thread = threading.Thread(target=publish)
        thread.start()
        rng, ones = random.Random(2), []
        try:
            for count in range(40):
                wants = [b""] if count % 2 else rng.sample(topics, 300)
                ones.append((Socket(feed, *wants), wants))
        finally:
            stops.set()
            thread.join()
        wait_until(lambda: feed.statistics().subscribers == 40, "they do not come")
        feed.wait_for_subscribers(20, b"")
        feed.drain()
        end = [b"", b"end"]
        for one, wants in ones:
            if wants != [b""]:
                one.socket.subscribe(b"\x01end")
        feed.wait_for_subscribers(40, b"\x01end")
        feed.publish(b"\x01end", b"end")
        end = [b"\x01end", b"end"]
        for one, wants in ones:
            newest: dict[bytes, int] = {}
            for topic, body in one.until(end)[:-1]:
                sequence = int(body.partition(b":")[0])
                assert newest.get(topic, -1) < sequence, topic
                newest[topic] = sequence
            for topic in topics if wants == [b""] else wants:
                value = feed.last(topic)
                assert value is not None
                assert newest[topic] == int(value.frames[1].partition(b":")[0]), topic
            one.close()


LARGE = [b"large%03d" % number for number in range(200)]
SIZE = 5_000  # of which a Unix socket takes some, and all of them no kernel does


class InTheMiddle:
    """A publisher, and a peer that has been sent some of its last values, and does not read.

    Some of those that it has not been sent are published again.
    """

    def __init__(self, feed: Publisher) -> None:
        self.feed = feed
        for number, topic in enumerate(LARGE):
            feed.publish(topic, b"%03d" % number + bytes(SIZE))
        endpoint = feed.endpoints[0]
        self.peer = RawPeer.version_3(endpoint, MARK, b"large", receive_buffer=8_192)

    def wait(self) -> None:
        """It has been sent some, and one that it has not been sent is published again."""
        self.feed.wait_for_subscribers(1, b"large")
        wait_until(lambda: self.sent > 0, "nothing is sent to it")
        self.feed.publish(LARGE[-1], b"new")

    @property
    def sent(self) -> int:
        return sum(one.sent for one in self.feed.subscribers())

    def lose_worker(self) -> None:
        """Whichever has it."""
        (one,) = self.feed.subscribers()
        pid = self.feed.statistics().workers[one.worker].pid
        assert pid is not None
        resumed = self.feed.statistics().resumed
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: self.feed.statistics().resumed > resumed, "nobody goes on with it")

    def read_to_the_end(self) -> list[bytes]:
        """What it gets, each message once, and every byte as it was."""
        topics: list[bytes] = []
        marks = []
        while len(topics) < len(LARGE):
            topic, body = self.peer.read_message()
            if topic == MARK:
                marks.append(msgpack.unpackb(body))
                continue
            is_new = topic == LARGE[-1]
            assert body == (b"new" if is_new else b"%03d" % LARGE.index(topic) + bytes(SIZE))
            topics.append(topic)
        assert [mark["end"] for mark in marks] == [False, True]
        assert marks[1]["count"] == len(LARGE) - 1
        assert len(self.feed.subscribers()) == 1
        wait_until(lambda: self.sent == len(LARGE), "it was counted otherwise")
        assert self.feed.statistics().not_resumed == 0
        return topics


@pytest.fixture(params=["tcp", "ipc"])
def in_the_middle(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[InTheMiddle]:
    endpoint = "tcp://127.0.0.1:*" if request.param == "tcp" else f"ipc://{tmp_path}/s"
    with Publisher(
        endpoint,
        workers=2,
        kernel_queue_bytes=8192,
        last_values=LastValues(max_bytes="64M"),
        heartbeat_interval=0,
    ) as feed:
        middle = InTheMiddle(feed)
        with middle.peer:
            middle.wait()
            yield middle


def test_whose_worker_is_lost_in_the_middle_goes_on_at_the_next_byte(
    in_the_middle: InTheMiddle,
) -> None:
    in_the_middle.lose_worker()
    read = [in_the_middle.peer.read_message() for _ in range(6)]  # the first one is a mark
    in_the_middle.lose_worker()

    assert read[0][0] == MARK
    assert [topic for topic, _ in read[1:]] == LARGE[:5]
    topics = LARGE[:5]
    while topics[-1] != LARGE[-1]:
        topic, body = in_the_middle.peer.read_message()
        if topic != MARK:
            assert body[:3] in (b"new", b"%03d" % LARGE.index(topic))
            topics.append(topic)
    assert topics == LARGE


def test_who_is_moved_in_the_middle_and_whose_workers_are_replaced_notices_nothing(
    in_the_middle: InTheMiddle,
) -> None:
    feed = in_the_middle.feed
    for _ in range(2):
        (one,) = feed.subscribers()
        feed.move(one.id, 1 - one.worker)
    feed.restart_workers()
    assert in_the_middle.sent < len(LARGE) // 2, "it is in the middle"

    assert in_the_middle.read_to_the_end() == LARGE


def test_several_in_the_middle_of_the_same_go_on_when_all_workers_are_lost() -> None:
    with Publisher(
        "tcp://127.0.0.1:*",
        workers=2,
        kernel_queue_bytes=8192,
        last_values=LastValues(max_bytes="64M"),
    ) as feed:
        for number, topic in enumerate(LARGE):
            feed.publish(topic, b"%03d" % number + bytes(SIZE))
        endpoint = feed.endpoints[0]
        peers = [RawPeer.version_3(endpoint, b"large", receive_buffer=8_192) for _ in range(12)]
        feed.wait_for_subscribers(12, b"large")
        wait_until(lambda: all(one.sent for one in feed.subscribers()), "nothing is sent")
        for worker in feed.statistics().workers:
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGKILL)
        for peer in peers:
            assert [peer.read_message()[0] for _ in LARGE] == LARGE
            peer.close()
        assert feed.statistics().not_resumed == 0
