"""Producers publish by stock PUSH sockets, and by raw ones that end anywhere."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from concurrent.futures import Future
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

import pytest
import zmq

import fanout.asyncio
from fanout import (
    BindError,
    ClosedError,
    ConfigError,
    Event,
    EventKind,
    LastValues,
    Publisher,
    Reason,
)
from fanout.zmtp import encode_message
from tests.helpers.forked import refused_in_child
from tests.helpers.producing import READY_PUSH, Raw, figures, has_dropped, subscribed
from tests.helpers.raw import SIGNATURE, command, frame, greeting_3
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.helpers.stock import Socket, Stock


@pytest.fixture
def push(stock: Stock) -> Iterator[Socket]:
    one = stock.context.socket(zmq.PUSH)
    one.set(zmq.SNDTIMEO, int(DEADLINE_S * 1000))
    yield one
    one.close(0)


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "ipc://*"])
@pytest.mark.parametrize("numbered", [False, True])
def test_what_stock_producers_send_is_published_as_it_comes(
    stock: Stock, push: Socket, endpoint: str, numbered: bool
) -> None:
    with Publisher(
        "tcp://127.0.0.1:*", workers=2, log_bytes=1 << 22, sequence_frame=numbered
    ) as publisher:
        subscriber = subscribed(stock, publisher, b"")
        intake = publisher.ingest(endpoint)
        assert publisher.ingest_endpoints == (intake,)
        push.connect(intake)
        sent = [[b"topic%d" % (n % 5), b"x" * (n % 600), *[b"f"] * (n % 4)] for n in range(2000)]
        sent += [[b"alone"], [b"", b""], [b"large", b"L" * 900_000]]
        for frames in sent:
            push.send_multipart(frames)
        got = [subscriber.recv_multipart() for _ in sent]
        if numbered:
            assert [int.from_bytes(frames.pop()[8:], "big") for frames in got] == list(
                range(len(sent))
            )
        assert got == sent
        wait_until(lambda: figures(publisher).messages == len(sent), "all are counted")


@pytest.mark.parametrize("minor", [0, 1])
def test_raw_producers_of_zmtp_3_cut_anywhere(
    stock: Stock, publisher: Publisher, minor: int
) -> None:
    subscriber = subscribed(stock, publisher, b"a")
    intake = publisher.ingest("tcp://127.0.0.1:*")
    data = encode_message([b"a", b"1"]) + encode_message([b"b", b"2"]) + encode_message([b"a3"])
    with Raw(intake, minor) as raw:
        for index in range(len(data)):
            raw.send(data[index : index + 1])
        assert subscriber.recv_multipart() == [b"a", b"1"]
        assert subscriber.recv_multipart() == [b"a3"]
        wait_until(lambda: figures(publisher).producers[0].messages == 3, "all are counted")
        assert figures(publisher).producers[0].version == f"3.{minor}"


def test_a_producer_of_zmtp_2(stock: Stock, publisher: Publisher) -> None:
    subscriber = subscribed(stock, publisher, b"")
    intake = publisher.ingest("tcp://127.0.0.1:*")
    host, _, port = intake.removeprefix("tcp://").rpartition(":")
    with socket.create_connection((host, int(port)), DEADLINE_S) as sock:
        sock.sendall(SIGNATURE + b"\x01\x08\x00\x00" + encode_message([b"a", b"1"]))
        assert subscriber.recv_multipart() == [b"a", b"1"]


def test_half_a_message_of_a_dead_producer_is_not_published(
    stock: Stock, publisher: Publisher
) -> None:
    subscriber = subscribed(stock, publisher, b"")
    intake = publisher.ingest("tcp://127.0.0.1:*")
    message = encode_message([b"a", b"x" * 1000, b"y"])
    for cut in (1, 3, 5, 500, len(message) - 1):
        before = figures(publisher).dropped
        with Raw(intake) as raw:
            raw.send(encode_message([b"whole", b"%d" % cut]) + message[:cut])
            assert subscriber.recv_multipart() == [b"whole", b"%d" % cut]
        wait_until(partial(has_dropped, publisher, before + 1), "it is counted")
    publisher.publish(b"last", b"")
    assert subscriber.recv_multipart() == [b"last", b""]


def test_a_killed_producer(stock: Stock, publisher: Publisher) -> None:
    """What it has sent whole is published, in order and without a hole, and nothing else."""
    subscriber = subscribed(stock, publisher, b"")
    intake = publisher.ingest("tcp://127.0.0.1:*")
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            raw = Raw(intake)
            number = 0
            while True:
                raw.send(encode_message([b"a", b"%d" % number, b"x" * 777]))
                number += 1
        os._exit(1)
    try:
        wait_until(lambda: figures(publisher).messages > 1000, "it produces")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    wait_until(lambda: not figures(publisher).producers, "it is gone")
    count = figures(publisher).messages
    subscriber.set(zmq.RCVTIMEO, int(DEADLINE_S * 1000))
    publisher.publish(b"last", b"")
    got = []
    while (frames := subscriber.recv_multipart()) != [b"last", b""]:
        got.append(frames)
    numbers = [int(frames[1]) for frames in got]
    assert numbers == sorted(numbers)
    assert numbers[-1] == count - 1
    assert all(frames[2:] == [b"x" * 777] for frames in got)


def test_violations_close_one_producer_with_an_event(stock: Stock) -> None:
    events: list[Event] = []
    with Publisher(
        "tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20, on_event=events.append
    ) as publisher:
        subscriber = subscribed(stock, publisher, b"")
        intake = publisher.ingest("tcp://127.0.0.1:*", allowed_topics=[b"a", "b"])

        def evicted() -> list[Event]:
            return [one for one in events if one.kind is EventKind.PRODUCER_EVICTED]

        def is_told(count: int) -> bool:
            return len(evicted()) == count

        with Raw(intake) as honest:
            bad = [
                (encode_message([b"c", b"1"]), Reason.TOPIC),
                (b"\x01\x01a\x02" + (1 << 30).to_bytes(8, "big"), Reason.LIMIT),
                (b"\x01\x01a\x02" + b"\xff" * 8, Reason.VIOLATION),
            ]
            for index, (data, cause) in enumerate(bad):
                with Raw(intake) as raw:
                    raw.send(encode_message([b"a", b"%d" % index]) + data)
                    assert raw.ended()
                wait_until(partial(is_told, index + 1), "it is told")
                assert evicted()[-1].cause is cause
                assert subscriber.recv_multipart() == [b"a", b"%d" % index]
            honest.send(encode_message([b"b", b"honest"]))
            assert subscriber.recv_multipart() == [b"b", b"honest"]
        wait_until(lambda: figures(publisher).evicted == len(bad), "all are counted")


def test_messages_that_are_never_whole_take_bounded_memory(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fanout.ingress.door.BEGUN_BYTES_MAX", 1_000_000)
    size = publisher._engine.ingress._terms.limit - 100
    limit = max(1_000_000, size + 100)
    intake = publisher.ingest("tcp://127.0.0.1:*")

    def evicted_and_dropped() -> tuple[int, int]:
        now = figures(publisher)
        return now.evicted, now.dropped

    with contextlib.ExitStack() as open_ones:
        modest = open_ones.enter_context(Raw(intake))
        modest.send(b"\x01\x01a\x00\x05")
        for _ in range(limit // size + 2):
            raw = open_ones.enter_context(Raw(intake))
            with contextlib.suppress(ConnectionError):
                raw.send(b"\x01\x01a\x02" + size.to_bytes(8, "big") + b"x" * (size - 1))
        # The thread may count one between two looks; nobody is counted here and not there for long.
        wait_until(lambda: evicted_and_dropped()[0] > 0, "one has too much")
        wait_until(lambda: len({*evicted_and_dropped()}) == 1, "each of them has lost a message")
        modest.send(b"whole")
        wait_until(lambda: figures(publisher).messages == 1, "it goes on")


def test_who_is_no_producer_is_refused(publisher: Publisher) -> None:
    intake = publisher.ingest("tcp://127.0.0.1:*")
    host, _, port = intake.removeprefix("tcp://").rpartition(":")
    sub = command(b"READY", b"\x0bSocket-Type\x00\x00\x00\x03SUB")
    for data in (b"GET / HTTP/1.1\r\n\r\n", greeting_3(1) + sub, greeting_3(1) + frame(b"x")):
        with socket.create_connection((host, int(port)), DEADLINE_S) as sock:
            sock.sendall(data)
            with contextlib.suppress(ConnectionError):
                while sock.recv(4096):
                    pass
    assert figures(publisher).messages == 0


def test_who_does_not_greet_is_ended_in_time() -> None:
    events: list[Event] = []
    with Publisher(workers=1, handshake_timeout=0.1, on_event=events.append) as publisher:
        intake = publisher.ingest("tcp://127.0.0.1:*")
        host, _, port = intake.removeprefix("tcp://").rpartition(":")
        with socket.create_connection((host, int(port)), DEADLINE_S) as sock:
            while sock.recv(4096):
                pass
        wait_until(lambda: EventKind.HANDSHAKE_FAILED in {one.kind for one in events}, "told")
    assert Reason.HANDSHAKE_TIMEOUT in {one.cause for one in events}


def test_so_many_producers_and_no_more(publisher: Publisher) -> None:
    intake = publisher.ingest("tcp://127.0.0.1:*", max_producers=1)
    with Raw(intake):
        wait_until(lambda: len(figures(publisher).producers) == 1, "it is there")
        with Raw(intake) as second:
            assert second.ended()
            wait_until(lambda: figures(publisher).refused == 1, "it is counted")


def test_a_flooder_takes_only_its_turn(stock: Stock, publisher: Publisher) -> None:
    subscriber = subscribed(stock, publisher, b"quiet")
    intake = publisher.ingest("tcp://127.0.0.1:*")
    flood = encode_message([b"flood", b"x" * 100]) * 3000
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            raw = Raw(intake)
            while True:
                raw.send(flood)
        os._exit(1)
    try:
        wait_until(lambda: figures(publisher).messages > 10_000, "it floods")
        flooded: list[int] = []
        with Raw(intake) as quiet:
            for number in range(50):
                before = figures(publisher).bytes
                quiet.send(encode_message([b"quiet", b"%d" % number]))
                assert subscriber.recv_multipart() == [b"quiet", b"%d" % number]
                flooded.append(figures(publisher).bytes - before)
        # The flooder had some turns meanwhile, not all that its sockets held; on a busy machine it
        # has more now and then, while this process or a worker waits for its turn.
        assert median(flooded) < 64 << 20
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_producers_wait_for_a_subscriber_that_may_block(stock: Stock, push: Socket) -> None:
    with Publisher(
        "tcp://127.0.0.1:*", workers=1, log_bytes=1 << 18, slow_policy="block", send_timeout=60
    ) as publisher:
        slow = stock.socket(zmq.SUB)
        slow.set(zmq.RCVHWM, 10)
        slow.subscribe(b"")
        slow.connect(publisher.endpoints[0])
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        intake = publisher.ingest("tcp://127.0.0.1:*")
        push.set(zmq.SNDHWM, 10)
        push.connect(intake)
        push.set(zmq.SNDTIMEO, 300)
        count = 0
        with contextlib.suppress(zmq.Again):
            while count < 100_000:
                push.send_multipart([b"a", b"%d" % count, b"x" * 10_000])
                count += 1
        assert 0 < count < 100_000, "it never had to wait"
        assert figures(publisher).dropped == 0
        for number in range(count):
            assert slow.recv_multipart()[1] == b"%d" % number, "one is missing"
        push.set(zmq.SNDTIMEO, int(DEADLINE_S * 1000))
        push.send_multipart([b"a", b"again"])
        assert slow.recv_multipart() == [b"a", b"again"]


def test_producers_wait_while_it_is_poisoned(stock: Stock, publisher: Publisher) -> None:
    subscriber = subscribed(stock, publisher, b"")
    intake = publisher.ingest("tcp://127.0.0.1:*")
    log = publisher._engine.path.log
    log._raise_flag(log.head + 1)
    assert publisher.poisoned
    with Raw(intake) as raw:
        raw.send(encode_message([b"a", b"1"]))
        raw.send(encode_message([b"a", b"2"]))
        loop = publisher._engine.ingress._loop
        assert loop is not None
        wait_until(lambda: loop._waiting, "it was read, and waits")
        assert figures(publisher).messages == 0
        publisher.recover()
        assert subscriber.recv_multipart() == [b"a", b"1"]
        assert subscriber.recv_multipart() == [b"a", b"2"]


def test_what_came_before_an_answer_that_nobody_reads_is_published(
    publisher: Publisher,
) -> None:
    intake = publisher.ingest("ipc://*")
    log = publisher._engine.path.log
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(intake.removeprefix("ipc://"))
        sock.sendall(greeting_3(1) + READY_PUSH)
        wait_until(lambda: bool(figures(publisher).producers), "it is there")
        log._raise_flag(log.head + 1)
        for _ in range(60):  # more than one read, less than the system keeps
            sock.sendall(encode_message([b"a", b"x" * 1000]) + command(b"PING", b"\0\0"))
    publisher.recover()
    wait_until(lambda: not figures(publisher).producers, "it is gone")
    assert figures(publisher).messages == 60
    assert figures(publisher).dropped == 0


def test_an_interrupted_ingest_listens_nowhere(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = publisher.ingest("tcp://127.0.0.1:*")
    loop = publisher._engine.ingress._loop
    assert loop is not None
    added: list[str] = []

    class InterruptedFuture(Future[None]):
        """The caller is interrupted when the loop has done it, or before it has begun."""

        is_late = True

        def result(self, timeout: float | None = None) -> None:
            if self.is_late:
                super().result(timeout)
            added[:] = publisher.ingest_endpoints
            raise KeyboardInterrupt

    monkeypatch.setattr("fanout.ingress.ingress.Future", InterruptedFuture)
    for is_late in (True, False):
        InterruptedFuture.is_late = is_late
        with pytest.raises(KeyboardInterrupt):
            publisher.ingest("tcp://127.0.0.1:*")
        assert publisher.ingest_endpoints == (kept,)
        for endpoint in set(added) - {kept}:
            with pytest.raises(ConnectionRefusedError):
                Raw(endpoint)
    monkeypatch.undo()
    publisher.stop_ingest(publisher.ingest("tcp://127.0.0.1:*"))


def test_close_publishes_what_has_come(stock: Stock) -> None:
    publisher = Publisher("tcp://127.0.0.1:*", workers=1)
    subscriber = subscribed(stock, publisher, b"")
    intake = publisher.ingest("tcp://127.0.0.1:*")
    with Raw(intake) as raw:
        wait_until(lambda: bool(figures(publisher).producers), "it is there")
        raw.send(encode_message([b"a", b"x" * 100]) * 1000)
        assert publisher.close() == ()
        assert raw.ended()
    for _ in range(1000):
        assert subscriber.recv_multipart() == [b"a", b"x" * 100]
    with pytest.raises(ClosedError):
        publisher.ingest("tcp://127.0.0.1:*")
    with pytest.raises(ClosedError):
        publisher.ingest_statistics()
    assert publisher.ingest_endpoints == ()


def test_close_does_not_wait_longer_than_it_is_told(stock: Stock) -> None:
    publisher = Publisher("tcp://127.0.0.1:*", workers=1, log_bytes=1 << 18, slow_policy="block")
    slow = stock.socket(zmq.SUB)
    slow.set(zmq.RCVHWM, 1)
    slow.subscribe(b"")
    slow.connect(publisher.endpoints[0])
    publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
    with Raw(publisher.ingest("tcp://127.0.0.1:*")) as raw:
        raw.socket.setblocking(False)
        block = encode_message([b"a", b"x" * 10_000])
        last = time.monotonic()
        while time.monotonic() < last + 0.3:
            with contextlib.suppress(BlockingIOError):
                raw.socket.send(block)
                last = time.monotonic()
        began = time.monotonic()
        publisher.close(0.5)
        assert time.monotonic() - began < DEADLINE_S, "it has waited for who does not read"


def test_unbind_says_what_ends_endpoints_of_others(publisher: Publisher) -> None:
    intake = publisher.ingest("tcp://127.0.0.1:*")
    desk = publisher.answer("tcp://127.0.0.1:*")
    before = publisher.endpoints
    for endpoint, advice in ((intake, r"stop_ingest\(\)"), (desk, r"stop_answer\(\)")):
        with pytest.raises(ConfigError, match=f"'{endpoint}' .*{advice} ends it"):
            publisher.unbind(endpoint)
    assert (publisher.endpoints, publisher.ingest_endpoints) == (before, (intake,))


def test_stop_ingest_ends_one_endpoint(stock: Stock, publisher: Publisher) -> None:
    subscriber = subscribed(stock, publisher, b"")
    first = publisher.ingest("tcp://127.0.0.1:*")
    second = publisher.ingest("ipc://*")
    with Raw(first) as raw:
        raw.send(encode_message([b"a", b"1"]))
        assert subscriber.recv_multipart() == [b"a", b"1"]
        publisher.stop_ingest(first)
        assert raw.ended()
    assert publisher.ingest_endpoints == (second,)
    with pytest.raises(ConfigError, match="takes no messages"):
        publisher.stop_ingest(first)
    with pytest.raises(ConnectionRefusedError):
        Raw(first)
    publisher.stop_ingest(second)
    assert not os.path.exists(second.removeprefix("ipc://"))


def test_what_cannot_work_changes_nothing(publisher: Publisher) -> None:
    [own] = publisher.endpoints
    with pytest.raises(BindError, match="this publisher itself listens"):
        publisher.ingest(own)
    with pytest.raises(ConfigError):
        publisher.ingest("inproc://x")
    with pytest.raises(ConfigError, match="allowed_topics is empty"):
        publisher.ingest("tcp://127.0.0.1:*", allowed_topics=[])
    with pytest.raises(TypeError):
        publisher.ingest("tcp://127.0.0.1:*", allowed_topics=[1])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="allowed_topics must be one prefix or several"):
        publisher.ingest("tcp://127.0.0.1:*", allowed_topics=1)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="max_producers=0"):
        publisher.ingest("tcp://127.0.0.1:*", max_producers=0)
    with pytest.raises(TypeError):
        publisher.ingest("tcp://127.0.0.1:*", max_producers=True)
    assert publisher.ingest_endpoints == ()


def test_a_forked_child_has_nothing_of_it(stock: Stock, publisher: Publisher) -> None:
    subscriber = subscribed(stock, publisher, b"")
    intake = publisher.ingest("tcp://127.0.0.1:*")
    with Raw(intake) as raw:
        wait_until(lambda: bool(figures(publisher).producers), "it is there")
        with refused_in_child(
            publisher,
            lambda: publisher.ingest("tcp://127.0.0.1:*"),
            lambda: publisher.stop_ingest(intake),
            publisher.ingest_statistics,
        ):
            raw.send(encode_message([b"a", b"1"]))
            assert subscriber.recv_multipart() == [b"a", b"1"]
            publisher.stop_ingest(intake)
            assert raw.ended(), "the child holds the connection open"


def test_a_thread_that_fails_leaves_a_publisher_that_works(
    stock: Stock, publisher: Publisher
) -> None:
    subscriber = subscribed(stock, publisher, b"")
    intake = publisher.ingest("tcp://127.0.0.1:*")
    loop = publisher._engine.ingress._loop
    assert loop is not None

    def fail() -> None:
        raise MemoryError

    with Raw(intake) as raw:
        loop.post(fail)
        assert raw.ended()
    loop.thread.join(DEADLINE_S)
    assert publisher.ingest_endpoints == ()
    assert not publisher.poisoned
    with Raw(publisher.ingest("tcp://127.0.0.1:*")) as raw:
        raw.send(encode_message([b"a", b"1"]))
        assert subscriber.recv_multipart() == [b"a", b"1"]


async def in_asyncio(stock: Stock) -> None:
    async with fanout.asyncio.Publisher("tcp://127.0.0.1:*", workers=1) as publisher:
        subscriber = stock.connect(publisher.endpoints[0], b"")
        await publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        intake = await publisher.ingest("tcp://127.0.0.1:*", allowed_topics=b"a")
        assert publisher.ingest_endpoints == (intake,)
        with Raw(intake) as raw:
            raw.send(encode_message([b"a", b"1"]))
            assert subscriber.recv_multipart() == [b"a", b"1"]
        await publisher.stop_ingest(intake)
        assert not publisher.ingest_endpoints


def test_in_asyncio(stock: Stock) -> None:
    import asyncio

    asyncio.run(in_asyncio(stock))


def test_what_producers_send_is_a_last_value(stock: Stock) -> None:
    with Publisher(
        "tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20, last_values=LastValues()
    ) as publisher:
        subscriber = subscribed(stock, publisher, b"")
        with Raw(publisher.ingest("tcp://127.0.0.1:*")) as raw:
            raw.send(encode_message([b"a", b"1"]) + encode_message([b"a", b"2"]))
            for payload in (b"1", b"2"):
                assert subscriber.recv_multipart() == [b"a", payload]
        last = publisher.last(b"a")
        assert last is not None
        assert last.frames == (b"a", b"2")
