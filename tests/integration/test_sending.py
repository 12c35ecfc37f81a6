"""The verbs that send: what arrives, what they return, and what they refuse."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgpack
import pytest

from fanout import Batch, ClosedError, MessageTooLarge, Publisher
from tests.helpers.stock import Stock
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.helpers.stock import Socket


@pytest.fixture(scope="module")
def listening(shared: Publisher) -> Iterator[Socket]:
    """Takes everything of the shared publisher, in test after test."""
    stock = Stock()
    subscriber = stock.connect(shared.endpoints[0], b"")
    shared.wait_for_subscribers(1, timeout=DEADLINE_S)
    yield subscriber
    stock.close()


@pytest.fixture
def subscriber(publisher: Publisher, stock: Stock) -> Socket:
    """Takes everything."""
    subscriber = stock.connect(publisher.endpoints[0], b"")
    publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
    return subscriber


def test_sequence_numbers_count_messages(publisher: Publisher) -> None:
    sends: list[Callable[[], int]] = [
        lambda: publisher.publish(b"a", b""),
        lambda: publisher.send(b"a"),
        lambda: publisher.send_multipart([b"a", b"b", b"c"]),
        lambda: publisher.send_string("a"),
        lambda: publisher.send_json({}),
        lambda: publisher.send_msgpack({}),
        lambda: publisher.publish("a", bytes(100_000)),
    ]
    assert [send() for send in sends] == list(range(len(sends)))
    assert publisher.statistics().published == len(sends)


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (b"t", b"p"),
        ("t", b"p"),
        (bytearray(b"t"), bytearray(b"p")),
        (memoryview(b"t"), memoryview(b"xpx")[1:2]),
    ],
)
def test_publish_takes_bytes_like_arguments(
    shared: Publisher, listening: Socket, topic: Any, payload: Any
) -> None:
    shared.publish(topic, payload)
    assert listening.recv_multipart() == [b"t", b"p"]


def test_a_text_topic_is_utf_8(publisher: Publisher, stock: Stock) -> None:
    subscriber = stock.connect(publisher.endpoints[0], "grün".encode())
    publisher.wait_for_subscribers(1, topic="grüner", timeout=DEADLINE_S)
    assert publisher.has_subscribers("grün")
    publisher.publish("grüner", b"")
    assert subscriber.recv_multipart() == ["grüner".encode(), b""]


def test_a_payload_may_be_changed_after_publish(publisher: Publisher, subscriber: Socket) -> None:
    for size in (10, 100_000):
        payload = bytearray(size)
        publisher.publish(b"t", payload)
        payload[:] = b"x" * size
        assert subscriber.recv_multipart() == [b"t", bytes(size)]


def test_values(publisher: Publisher, subscriber: Socket) -> None:
    value = {"symbol": "EURUSD", "bid": 1.25, "levels": [1, 2, None]}
    publisher.send_string("grün")
    publisher.send_string("grün", encoding="latin-1")
    publisher.send_json(value)
    publisher.send_json(value, topic="json")
    publisher.send_msgpack(value)
    publisher.send_msgpack(value, topic=b"msgpack")
    assert subscriber.recv_multipart() == ["grün".encode()]
    assert subscriber.recv_multipart() == ["grün".encode("latin-1")]
    assert json.loads(subscriber.recv()) == value
    topic, body = subscriber.recv_multipart()
    assert (topic, json.loads(body)) == (b"json", value)
    assert msgpack.unpackb(subscriber.recv()) == value
    topic, body = subscriber.recv_multipart()
    assert (topic, msgpack.unpackb(body)) == (b"msgpack", value)


@pytest.mark.parametrize(
    ("send", "name"),
    [
        (lambda p: p.publish(1, b""), "topic must be"),
        (lambda p: p.publish(None, b""), "topic must be"),
        (lambda p: p.publish(b"t", "text"), "payload must be .* not str"),
        (lambda p: p.publish(b"t", 1), "payload must be"),
        (lambda p: p.send("text"), "frame must be .* not str"),
        (lambda p: p.send([b"a"]), "frame must be .* not list"),
        (lambda p: p.send_multipart(b"one"), "frames must be"),
        (lambda p: p.send_multipart([b"a", "b"]), r"frames\[1\] must be"),
        (lambda p: p.send_string(b"bytes"), "text must be str"),
        (lambda p: p.send_json({}, topic=1), "topic must be"),
        (lambda p: p.has_subscribers(1), "topic must be"),
        (lambda p: p.wait_for_subscribers(0, topic=1), "topic must be"),
    ],
)
def test_wrong_types_are_named_and_nothing_is_sent(
    shared: Publisher, listening: Socket, send: Callable[[Publisher], Any], name: str
) -> None:
    before = shared.statistics().published
    with pytest.raises(TypeError, match=name):
        send(shared)
    assert shared.publish(b"next", b"") == before
    assert listening.recv_multipart() == [b"next", b""]


def test_no_frames_are_refused(publisher: Publisher) -> None:
    with pytest.raises(ValueError, match="frames must not be empty"):
        publisher.send_multipart([])
    assert publisher.publish(b"next", b"") == 0


@pytest.mark.parametrize(
    "send",
    [
        lambda p, n: p.publish(b"t", bytes(n - 12)),
        lambda p, n: p.send(bytes(n - 9)),
        lambda p, n: p.send_multipart([b"t", bytes(n - 12)]),
    ],
)
def test_the_largest_message_fits_and_one_byte_more_does_not(
    publisher: Publisher, subscriber: Socket, send: Callable[[Publisher, int], int]
) -> None:
    limit = publisher.options.log_bytes // 4
    with pytest.raises(MessageTooLarge) as caught:
        send(publisher, limit + 1)
    assert (caught.value.size, caught.value.limit) == (limit + 1, limit)
    assert f"{limit + 1:,}" in str(caught.value)
    assert f"{limit:,}" in str(caught.value)
    assert send(publisher, limit) == 0
    assert sum(map(len, subscriber.recv_multipart())) > limit - 20


def test_a_batch_is_one_commit(publisher: Publisher, subscriber: Socket) -> None:
    publisher.publish(b"before", b"")
    with publisher.batch() as batch:
        batch.publish("EURUSD", b"1")
        batch.send(b"one frame")
        batch.send_multipart([b"GBPUSD", b"2", b"3"])
        assert publisher.statistics().published == 1
        assert len(batch) == 3
    assert batch.sequence == 1
    assert publisher.publish(b"after", b"") == 4
    assert [subscriber.recv_multipart() for _ in range(5)] == [
        [b"before", b""],
        [b"EURUSD", b"1"],
        [b"one frame"],
        [b"GBPUSD", b"2", b"3"],
        [b"after", b""],
    ]


def test_a_batch_that_fails_sends_nothing(publisher: Publisher, subscriber: Socket) -> None:
    def fill(*payloads: Any) -> None:
        with publisher.batch() as batch:
            for payload in payloads:
                batch.publish(b"a", payload)

    with pytest.raises(TypeError, match="payload must be"):
        fill(b"1", "2")
    with pytest.raises(MessageTooLarge):
        fill(*[bytes(publisher.options.log_bytes // 16)] * 5)
    with publisher.batch() as empty:
        pass
    assert empty.sequence is None
    assert publisher.publish(b"next", b"") == 0
    assert subscriber.recv_multipart() == [b"next", b""]


ADDING: list[Callable[[Any], object]] = [
    lambda batch: batch.publish(b"a", b"late"),
    lambda batch: batch.publish("a", bytearray(b"late")),
    lambda batch: batch.send(b"late"),
    lambda batch: batch.send_multipart([b"late"]),
]


def test_a_batch_is_for_one_block(publisher: Publisher, subscriber: Socket) -> None:
    def refuses_all(batch: Batch, why: str) -> None:
        for add in ADDING:
            with pytest.raises(RuntimeError, match=f"{why}: nothing was added.*make a batch"):
                add(batch)

    batch = publisher.batch()
    refuses_all(batch, "has not begun")
    with batch:
        batch.publish(b"a", b"1")
        with pytest.raises(RuntimeError, match="has begun already"):
            batch.__enter__()
        batch.publish(b"a", b"2")
    refuses_all(batch, "is over")
    with pytest.raises(RuntimeError, match="is over"), batch:
        pass
    aborted = publisher.batch()
    with suppress(ZeroDivisionError), aborted:
        aborted.publish(b"a", b"bad")
        raise ZeroDivisionError
    refuses_all(aborted, "is over")
    with pytest.raises(RuntimeError, match="is over"), aborted:
        pass
    assert (len(batch), batch.sequence, len(aborted), aborted.sequence) == (2, 0, 1, None)
    assert publisher.publish(b"a", b"end") == 2
    assert [subscriber.recv_multipart()[1] for _ in range(3)] == [b"1", b"2", b"end"]


def test_who_publishes_beside_a_batch_of_his_own_is_warned(publisher: Publisher) -> None:
    ways: list[Callable[[], int]] = [
        lambda: publisher.publish(b"beside", b""),
        lambda: publisher.send_multipart([b"beside", b"", b""]),
        lambda: publisher.send_json({}, timeout=1),
    ]
    with publisher.batch() as batch:
        batch.publish(b"in it", b"")
        for sequence, send in enumerate(ways):
            with pytest.warns(RuntimeWarning, match="call the same on the batch") as caught:
                assert send() == sequence  # it goes out at once, before the batch
            assert {warning.filename for warning in caught} == {__file__}
        with ThreadPoolExecutor(1) as another:
            assert another.submit(ways[0]).result() == len(ways)
    assert batch.sequence == len(ways) + 1
    assert ways[0]() == len(ways) + 2  # warnings are errors here


def test_a_batch_is_that_of_the_task_that_has_begun_it(publisher: Publisher) -> None:
    """Several of one thread may have one open each, of a publisher that blocks."""

    async def task(name: bytes, mine: asyncio.Event, others: asyncio.Event) -> None:
        with publisher.batch() as batch:
            batch.publish(name, b"in it")
            mine.set()
            await others.wait()
            with pytest.warns(RuntimeWarning, match="call the same on the batch"):
                publisher.publish(name, b"beside its own")

    async def main() -> None:
        events = asyncio.Event(), asyncio.Event()
        first = asyncio.create_task(task(b"first", events[0], events[1]))
        await events[0].wait()
        publisher.publish(b"another task", b"")  # warnings are errors here
        await asyncio.gather(first, task(b"second", events[1], events[0]))

    asyncio.run(main())
    assert publisher.publish(b"after them", b"") == 5


def test_who_begins_a_batch_in_the_block_of_another_is_warned(publisher: Publisher) -> None:
    with publisher.batch() as outer:
        outer.publish(b"outer", b"")
        inner = publisher.batch()
        with pytest.warns(RuntimeWarning, match="begin it afterwards") as caught, inner:
            inner.publish(b"inner", b"")
        assert [warning.filename for warning in caught] == [__file__]
        with pytest.raises(RuntimeWarning), publisher.batch():  # as an error, which is one
            raise AssertionError("its block is not entered")
    assert (inner.sequence, outer.sequence) == (0, 1)


def test_a_batch_that_could_not_be_published_is_over_too(publisher: Publisher) -> None:
    batch = publisher.batch()
    with pytest.raises(MessageTooLarge), batch:
        batch.publish(b"a", bytes(publisher.options.max_message_bytes))
    with pytest.raises(RuntimeError, match="is over"), batch:
        pass
    assert publisher.publish(b"a", b"") == 0


def test_after_the_end_everything_says_closed(publisher: Publisher) -> None:
    batch = publisher.batch()
    publisher.stop()
    assert publisher.closed
    calls: list[Callable[[], Any]] = [
        lambda: publisher.publish(b"a", b""),
        lambda: publisher.send(b"a"),
        lambda: publisher.send_multipart([b"a"]),
        lambda: publisher.send_json(1),
        lambda: publisher.bind("tcp://127.0.0.1:*"),
        lambda: publisher.has_subscribers(b"a"),
        lambda: publisher.wait_for_subscribers(1, timeout=1),
        publisher.subscribers,
        publisher.statistics,
        publisher.drain,
        publisher.batch,
        publisher.__enter__,
    ]
    for call in calls:
        with pytest.raises(ClosedError):
            call()
    with pytest.raises(ClosedError), batch:
        batch.publish(b"a", b"")
    assert publisher.close() == ()
    assert publisher.stop() == ()
