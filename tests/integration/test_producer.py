"""`Producer`: publishes from another process, waits, and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import zmq

import fanout.asyncio
from fanout import (
    Again,
    ClosedError,
    ConfigError,
    ForkedError,
    MessageTooLarge,
    Producer,
    Publisher,
    Subscriber,
)
from fanout.sockets.face import last_problem_of
from tests.helpers.programs import ROOT
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.helpers.stock import Stock


@pytest.fixture
def subscriber(publisher: Publisher) -> Iterator[Subscriber]:
    with Subscriber(publisher.endpoints[0]) as one:
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        yield one


def frames_of(subscriber: Subscriber, count: int) -> list[tuple[bytes, ...]]:
    return [tuple(subscriber.recv(DEADLINE_S).frames) for _ in range(count)]


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "ipc://*"])
def test_all_verbs_publish(publisher: Publisher, subscriber: Subscriber, endpoint: str) -> None:
    with Producer(publisher.ingest(endpoint)) as producer:
        producer.publish(b"a", b"1", timeout=DEADLINE_S)
        producer.publish("b", bytearray(b"2"))
        producer.send(b"alone")
        producer.send_multipart([b"a", b"b", b"c"])
        producer.send_string("text")
        producer.send_json({"x": 1}, topic=b"j")
        producer.send_msgpack(7, topic=b"m")
        assert frames_of(subscriber, 7) == [
            *[(b"a", b"1"), (b"b", b"2"), (b"alone",), (b"a", b"b", b"c"), (b"text",)],
            *[(b"j", b'{"x": 1}'), (b"m", b"\x07")],
        ]
        assert producer.connected
    assert producer.closed


def test_wrong_arguments_send_nothing(publisher: Publisher) -> None:
    with Producer(publisher.ingest("tcp://127.0.0.1:*")) as producer:
        with pytest.raises(TypeError):
            producer.publish(1, b"")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            producer.send_multipart(b"one frame")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="frames must be a sequence of frames, not int"):
            producer.send_multipart(5)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="frames must not be empty"):
            producer.send_multipart([])
        with pytest.raises(ConfigError, match="reserved"):
            producer.publish(b"\x00fanout.x", b"")
        with pytest.raises(ValueError, match="0 or more"):
            producer.publish(b"a", b"", timeout=-1)
        with pytest.raises(TypeError):
            producer.send(b"a", zmq.NOBLOCK)  # type: ignore[arg-type]
    for bad in ("tcp://*:5557", "udp://x:1"):
        with pytest.raises(ConfigError):
            Producer(bad)
    for size in (1, "much", True):
        with pytest.raises(ConfigError, match="queue_bytes"):
            Producer("tcp://127.0.0.1:5557", queue_bytes=size)


def test_without_an_owner_it_waits_and_says_so() -> None:
    with Publisher(workers=1) as publisher:
        intake = publisher.ingest("tcp://127.0.0.1:*")
    with Producer(intake, queue_bytes="64K") as producer:
        producer.publish(b"a", b"x" * 65_000, timeout=0)
        with pytest.raises(Again, match=r"full for 0\.05 s, and tcp.* is not connected.*; nothing"):
            producer.publish(b"a", b"x" * 1000, timeout=0.05)
        assert producer.close(0.05) == 1
    with pytest.raises(ClosedError, match="the producer is closed"):
        producer.publish(b"a", b"1")


def test_the_end_of_a_with_logs_what_was_dropped_and_why(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Publisher(workers=1) as publisher:
        intake = publisher.ingest("tcp://127.0.0.1:*")
    with Producer(intake, queue_bytes="64K") as producer:
        producer.publish(b"a", b"x" * 65_000, timeout=0)
        wait_until(lambda: last_problem_of(producer._push), "it is refused")
        with pytest.raises(Again, match=r"not connected \(Connection refused\)"):
            producer.publish(b"a", b"x" * 1000, timeout=0.05)
        whole = producer.close
        monkeypatch.setattr(Producer, "close", lambda _self: whole(0.05))
    assert f"1 messages for {intake} were not sent" in caplog.text
    assert "last problem: Connection refused" in caplog.text


def test_who_is_connected_to_what_is_no_intake_is_told_why_nothing_goes(
    publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    (wrong,) = publisher.endpoints  # that of subscribers
    told = rf"not all was sent within 0\.05 s: {wrong} is not connected \(.*PUB.*not PULL\)"

    async def run() -> str:
        async with fanout.asyncio.Producer(wrong) as producer:
            await producer.publish(b"a", b"1")
            while True:  # until its first attempt to connect is over
                try:
                    await producer.drain(0.05)
                except TimeoutError as error:
                    if "not PULL" in str(error):
                        await producer.stop()
                        return str(error)

    with Producer(wrong) as producer:
        producer.publish(b"a", b"1")
        wait_until(lambda: "not PULL" in caplog.text, "it is refused")
        with pytest.raises(TimeoutError, match=told):
            producer.drain(0.05)
        assert producer.stop() == 1
    assert f"{wrong} is no endpoint of ingest()" in caplog.text
    caplog.clear()
    assert re.match(told, asyncio.run(run()))
    assert f"{wrong} is no endpoint of ingest()" in caplog.text


def test_a_connection_that_is_lost_is_logged(
    publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    intake = publisher.ingest("tcp://127.0.0.1:*", allowed_topics="good")
    with Producer(intake) as producer:
        producer.publish("bad", b"1")
        wait_until(lambda: f"{intake}: the connection is lost" in caplog.text, "that it is told")


def test_one_that_nobody_has_closed_says_what_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    with Publisher(workers=1) as publisher:
        intake = publisher.ingest("tcp://127.0.0.1:*")
    held = [Producer(intake)]
    for _ in range(3):
        held[0].publish(b"a", b"1")
    with pytest.warns(ResourceWarning) as caught:
        held.clear()
    assert [str(one.message) for one in caught] == [f"unclosed <fanout.Producer {intake}>"]
    assert f"3 messages for {intake} were not sent and are dropped" in caplog.text
    assert "use it in a `with` block, or close() it" in caplog.text


def test_the_end_of_an_async_with_logs_it_too(caplog: pytest.LogCaptureFixture) -> None:
    with Publisher(workers=1) as publisher:
        intake = publisher.ingest("tcp://127.0.0.1:*")

    async def run() -> None:
        async with fanout.asyncio.Producer(intake) as producer:
            await producer.publish(b"a", b"1")

    asyncio.run(run())
    assert f"1 messages for {intake} were not sent" in caplog.text


@pytest.mark.unmeasured
def test_back_pressure_reaches_the_producer_and_nothing_is_lost(stock: Stock) -> None:
    with Publisher(
        "tcp://127.0.0.1:*", workers=1, log_bytes=1 << 18, slow_policy="block", send_timeout=60
    ) as publisher:
        slow = stock.socket(zmq.SUB)
        slow.set(zmq.RCVHWM, 10)
        slow.subscribe(b"")
        slow.connect(publisher.endpoints[0])
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        intake = publisher.ingest("tcp://127.0.0.1:*")
        with Producer(intake, queue_bytes="64K") as producer:
            count = 0
            with contextlib.suppress(Again):
                while count < 100_000:
                    producer.publish(b"%d" % count, b"x" * 10_000, timeout=1.0)
                    count += 1
            assert 0 < count < 100_000, "it never had to wait"
            for number in range(count):
                assert slow.recv_multipart()[0] == b"%d" % number
            producer.drain(DEADLINE_S)


def test_it_comes_back_to_another_run() -> None:
    with Publisher("tcp://127.0.0.1:*", workers=1) as publisher:
        intake = publisher.ingest("tcp://127.0.0.1:*")
        producer = Producer(intake)
        producer.publish(b"a", b"1", timeout=DEADLINE_S)
        producer.drain(DEADLINE_S)
    with producer:
        wait_until(lambda: not producer.connected, "the loss is seen")
        with (
            Publisher("tcp://127.0.0.1:*", workers=1) as publisher,
            Subscriber(publisher.endpoints[0]) as subscriber,
        ):
            publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            publisher.ingest(intake)
            producer.publish(b"a", b"2", timeout=DEADLINE_S)
            assert frames_of(subscriber, 1) == [(b"a", b"2")]


def test_close_tells_what_was_not_sent(stock: Stock) -> None:
    with Publisher(
        "tcp://127.0.0.1:*", workers=1, log_bytes=1 << 18, slow_policy="block", send_timeout=60
    ) as publisher:
        slow = stock.socket(zmq.SUB)
        slow.set(zmq.RCVHWM, 1)
        slow.subscribe(b"")
        slow.connect(publisher.endpoints[0])
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        producer = Producer(publisher.ingest("tcp://127.0.0.1:*"), queue_bytes="1M")
        with contextlib.suppress(Again):
            while True:
                producer.publish(b"a", b"x" * 10_000, timeout=2.0)
        assert producer.close(0.05) > 0
        publisher.stop()


def test_a_forked_child_makes_its_own(publisher: Publisher, subscriber: Subscriber) -> None:
    intake = publisher.ingest("tcp://127.0.0.1:*")
    with Producer(intake) as producer:
        producer.publish(b"parent", b"", timeout=DEADLINE_S)
        assert frames_of(subscriber, 1) == [(b"parent", b"")]
        child = os.fork()
        if not child:
            status = 1
            with contextlib.suppress(BaseException):
                try:
                    producer.publish(b"inherited", b"", timeout=5)
                except ForkedError:
                    with Producer(intake) as own:
                        own.publish(b"child", b"", timeout=DEADLINE_S)
                    status = 0
            os._exit(status)
        assert frames_of(subscriber, 1) == [(b"child", b"")]
        assert os.waitpid(child, 0)[1] == 0
        producer.publish(b"parent", b"2", timeout=DEADLINE_S)
        assert frames_of(subscriber, 1) == [(b"parent", b"2")]


async def in_asyncio() -> None:
    async with fanout.asyncio.Publisher("tcp://127.0.0.1:*", workers=1) as publisher:
        intake = await publisher.ingest("tcp://127.0.0.1:*")
        async with fanout.asyncio.Subscriber(publisher.endpoints[0]) as subscriber:
            await publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            async with fanout.asyncio.Producer(intake, queue_bytes="64K") as producer:
                await producer.publish(b"a", b"1", timeout=DEADLINE_S)
                await producer.send_json([1], topic="j")
                await producer.drain(DEADLINE_S)
                assert (await subscriber.recv(DEADLINE_S)).payload == b"1"
                assert (await subscriber.recv(DEADLINE_S)).payload == b"[1]"
                await publisher.stop_ingest(intake)
                with contextlib.suppress(Again):
                    while True:  # until nobody takes them any more, and the queue is full
                        await producer.publish(b"a", b"x" * 10_000, timeout=0.2)
                queued = producer._started().statistics().outbox
                waiting = asyncio.create_task(producer.publish(b"a", b"x" * 60_000))
                await asyncio.sleep(0)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
                assert producer._started().statistics().outbox == queued
                assert await producer.close(0) > 0
            assert producer.closed


def test_in_asyncio() -> None:
    asyncio.run(in_asyncio())


def test_the_example_runs() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "twenty_producers.py")],
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_S,
        check=False,
    )
    assert done.stdout == "20 producers, 100 messages of each, in order\n", done.stderr
    assert done.returncode == 0


LARGE = bytes(20_000)  # of a log of 64 KiB a message may have 16 KiB


def test_a_message_that_is_too_large_is_refused() -> None:
    with (
        Publisher("tcp://127.0.0.1:*", workers=1, log_bytes="64K") as publisher,
        Subscriber(publisher.endpoints[0]) as subscriber,
        Producer(publisher.ingest("tcp://127.0.0.1:*")) as producer,
    ):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        wait_until(lambda: producer.connected, "the connection")
        with pytest.raises(MessageTooLarge) as refused:
            producer.publish(b"a", LARGE)
        assert refused.value.limit == publisher.options.max_message_bytes
        producer.publish(b"a", b"1")
        producer.drain(DEADLINE_S)
        assert frames_of(subscriber, 1) == [(b"a", b"1")]
        assert publisher.ingest_statistics()[0].evicted == 0


def test_a_message_of_too_many_frames_is_refused() -> None:
    with (
        Publisher("tcp://127.0.0.1:*", workers=1) as publisher,
        Subscriber(publisher.endpoints[0]) as subscriber,
        Producer(publisher.ingest("tcp://127.0.0.1:*")) as producer,
    ):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        with pytest.raises(ValueError, match="at most 65,536 frames, not 65,537; nothing was sent"):
            producer.send_multipart([b"a"] * 65_537)
        producer.send_multipart([b"a"] * 65_536)
        producer.publish(b"a", b"1")
        producer.drain(DEADLINE_S)
        assert [len(frames) for frames in frames_of(subscriber, 2)] == [65_536, 2]
        assert publisher.ingest_statistics()[0].evicted == 0


def test_one_that_has_waited_is_given_up_and_told(caplog: pytest.LogCaptureFixture) -> None:
    with Publisher("tcp://127.0.0.1:*", workers=1, log_bytes="64K") as publisher:
        endpoint = publisher.ingest("tcp://127.0.0.1:*")
        publisher.stop_ingest(endpoint)
        with Producer(endpoint) as producer, Subscriber(publisher.endpoints[0]) as subscriber:
            publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            for payload in (b"1", LARGE, b"2"):
                producer.publish(b"a", payload)
            assert publisher.ingest(endpoint) == endpoint
            assert frames_of(subscriber, 2) == [(b"a", b"1"), (b"a", b"2")]
            with pytest.raises(MessageTooLarge):
                producer.drain(DEADLINE_S)
            producer.drain(DEADLINE_S)  # it is told once
            assert producer.close() == 0
    assert "is given up" in caplog.text


def test_who_waits_for_room_is_refused_when_there_is_room_and_a_publisher_with_a_limit() -> None:
    with Publisher("tcp://127.0.0.1:*", workers=1, log_bytes="64K") as publisher:
        endpoint = publisher.ingest("tcp://127.0.0.1:*")
        publisher.stop_ingest(endpoint)
        with (
            Producer(endpoint, queue_bytes="64K") as producer,
            Subscriber(publisher.endpoints[0]) as subscriber,
            ThreadPoolExecutor(1) as executor,
        ):
            publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            for _ in range(5):
                producer.publish(b"a", bytes(12_000), timeout=0)
            waiting = executor.submit(producer.publish, b"a", LARGE)
            wait_until(lambda: producer._push._actor.room.waiters, "it waits for room")
            assert publisher.ingest(endpoint) == endpoint
            assert isinstance(waiting.exception(DEADLINE_S), MessageTooLarge)
            producer.publish(b"a", b"1")
            producer.drain(DEADLINE_S)
            assert frames_of(subscriber, 6)[-1] == (b"a", b"1")
            assert producer.close() == 0


def test_with_asyncio_close_counts_what_was_given_up() -> None:
    async def main(endpoint: str) -> None:
        async with fanout.asyncio.Producer(endpoint) as producer:
            await producer.publish(b"a", LARGE)  # nothing has connected before the loop goes on
            await producer.publish(b"a", b"1")
            assert await producer.close(DEADLINE_S) == 1

    with (
        Publisher("tcp://127.0.0.1:*", workers=1, log_bytes="64K") as publisher,
        Subscriber(publisher.endpoints[0]) as subscriber,
    ):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        asyncio.run(main(publisher.ingest("tcp://127.0.0.1:*")))
        assert frames_of(subscriber, 1) == [(b"a", b"1")]
