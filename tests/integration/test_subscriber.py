"""The subscriber, in both faces, against a real publisher, and against libzmq's PUB."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
import zmq

import fanout.asyncio
from fanout import (
    ClosedError,
    ConfigError,
    ForkedError,
    Gap,
    Publisher,
    ReceiverEvent,
    ReceiverEventKind,
    Subscriber,
)
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ANY = "tcp://127.0.0.1:*"
OPTIONS: dict[str, Any] = {"workers": 1, "log_bytes": 1 << 20}
S = DEADLINE_S


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher(ANY, sequence_frame=True, **OPTIONS) as publisher:
        yield publisher


def test_what_is_published_is_received(publisher: Publisher) -> None:
    with Subscriber(publisher.endpoints[0], ["A", b"B"]) as subscriber:
        publisher.wait_for_subscribers(1, b"B", timeout=S)
        for number in range(3):
            publisher.publish(b"A", b"%d" % number)
            publisher.publish(b"C", b"")
        publisher.send_multipart([b"B", b"x", b"y"])
        got = [subscriber.recv(S) for _ in range(4)]
        assert [message.frames for message in got] == [
            *((b"A", b"%d" % number) for number in range(3)),
            (b"B", b"x", b"y"),
        ]
        assert [message.sequence for message in got] == [0, 2, 4, 6]
        assert [message.gap for message in got] == [None] * 4
        with pytest.raises(TimeoutError):
            subscriber.recv(0)
        assert not subscriber.poll(0)

        subscriber.subscribe("C")
        subscriber.unsubscribe("A")
        publisher.wait_for_subscribers(1, b"C", timeout=S)
        wait_until(lambda: not publisher.has_subscribers(b"A"), "the cancellation")
        publisher.publish(b"A", b"")
        with publisher.batch() as batch:
            for number in range(5):
                batch.publish(b"C", b"%d" % number)
        assert subscriber.poll(S)
        payloads: list[bytes] = []
        while len(payloads) < 5:
            payloads += [message.payload for message in subscriber.recv_many(3, S)]
        assert payloads == [b"%d" % number for number in range(5)]
        statistics = subscriber.statistics()
        assert (statistics.received, statistics.connected, statistics.queued) == (9, 1, 0)


def test_without_numbers_it_is_told_once_and_messages_are_the_same() -> None:
    events: list[ReceiverEvent] = []
    with (
        Publisher(ANY, **OPTIONS) as publisher,
        Subscriber(publisher.endpoints[0], on_event=events.append) as subscriber,
    ):
        publisher.wait_for_subscribers(1, timeout=S)
        publisher.publish(b"A", b"x")
        message = subscriber.recv(S)
        assert (message.frames, message.sequence) == ((b"A", b"x"), None)
    kinds = [event.kind for event in events]
    assert kinds == [ReceiverEventKind.CONNECTED, ReceiverEventKind.UNNUMBERED]


@pytest.mark.parametrize("numbered", [True, False])
def test_a_publisher_that_is_started_anew_is_found_and_said_to_be_another(numbered: bool) -> None:
    with Publisher(ANY, sequence_frame=numbered, **OPTIONS) as first:
        endpoint = first.endpoints[0]
        subscriber = Subscriber(endpoint)
        first.wait_for_subscribers(1, timeout=S)
        first.publish(b"A", b"0")
        assert subscriber.recv(S).gap is None
    with subscriber, Publisher(endpoint, sequence_frame=numbered, **OPTIONS) as second:
        second.wait_for_subscribers(1, timeout=S)
        second.publish(b"A", b"1")
        second.publish(b"A", b"2")
        gap = subscriber.recv(S).gap
        assert gap is not None
        assert (gap.reason, gap.count) == ("epoch", None)
        assert subscriber.recv(S).gap is None
        assert subscriber.statistics().unknown_gaps == 1


def test_what_is_no_publisher_is_told_as_what_somebody_has_to_change(publisher: Publisher) -> None:
    events: list[ReceiverEvent] = []
    with Subscriber(publisher.ingest("tcp://127.0.0.1:*"), on_event=events.append):
        wait_until(lambda: events, "that it is refused")
    assert events[0].kind is ReceiverEventKind.REFUSED
    assert "no publisher, but a socket of the type PULL" in events[0].text


def test_a_timeout_says_who_is_not_there_and_nothing_else_before_it() -> None:
    with (
        Subscriber("ipc://@fanout-test-nobody-is-here") as subscriber,
        pytest.raises(TimeoutError, match="no message has come in time: ") as told,
    ):
        subscriber.recv(0)
    assert told.value.__context__ is None


def test_a_full_queue_stops_the_reading_and_loses_nothing(publisher: Publisher) -> None:
    events: list[ReceiverEvent] = []
    with Subscriber(
        publisher.endpoints[0], queue_bytes="64K", on_event=events.append
    ) as subscriber:
        publisher.wait_for_subscribers(1, timeout=S)
        for number in range(300):
            publisher.publish(b"A", b"%03d" % number + bytes(1000))
        full = ReceiverEventKind.QUEUE_FULL
        wait_until(lambda: full in {event.kind for event in events}, "a full queue")
        assert subscriber.statistics().received < 300
        got = [subscriber.recv(S) for _ in range(300)]
        assert [int(message.payload[:3]) for message in got] == [*range(300)]
        assert {message.gap for message in got} == {None}


def test_a_full_queue_may_end_the_connection_and_says_what_that_costs() -> None:
    """Here the publisher has nothing of what it has missed."""
    with (
        Publisher(ANY, sequence_frame=True, replay_bytes=0, **OPTIONS) as publisher,
        Subscriber(
            publisher.endpoints[0], queue_bytes="64K", queue_policy="disconnect"
        ) as subscriber,
    ):
        publisher.wait_for_subscribers(1, timeout=S)
        for _ in range(200):
            publisher.publish(b"A", bytes(1000))
        wait_until(lambda: publisher.statistics().subscribers == 0, "the end")
        published = publisher.publish(b"A", b"while nobody is there") + 1
        while subscriber.poll(0):
            last = subscriber.recv(0)
            assert last.gap is None
        publisher.wait_for_subscribers(1, timeout=S)
        after = publisher.publish(b"A", b"again")
        message = subscriber.recv(S)
        assert last.sequence is not None
        assert message.sequence == after
        assert message.gap == Gap(
            "reconnected", published - last.sequence - 1, last.sequence + 1, after - 1, last.epoch
        )


def test_a_full_queue_may_end_the_connection_and_costs_nothing_with_replay(
    publisher: Publisher,
) -> None:
    with Subscriber(
        publisher.endpoints[0], queue_bytes="64K", queue_policy="disconnect"
    ) as subscriber:
        publisher.wait_for_subscribers(1, timeout=S)
        for _ in range(200):
            publisher.publish(b"A", bytes(1000))
        wait_until(lambda: publisher.statistics().subscribers == 0, "the end")
        got = [subscriber.recv(S) for _ in range(200)]
        assert [message.sequence for message in got] == [*range(200)]
        assert {message.gap for message in got} == {None}


def test_close_ends_all_who_wait(publisher: Publisher) -> None:
    subscriber = Subscriber(publisher.endpoints[0])
    problems: list[BaseException] = []

    def receive() -> None:
        try:
            subscriber.recv()
        except BaseException as error:
            problems.append(error)

    def iterate() -> None:
        problems.extend(AssertionError(message) for message in subscriber)

    threads = [threading.Thread(target=one, daemon=True) for one in (receive, iterate)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(subscriber._reading._wakers) == 2, "who waits")
    subscriber.close()
    for thread in threads:
        thread.join(S)
    assert [type(problem) for problem in problems] == [ClosedError]
    for call in (subscriber.recv, subscriber.poll, lambda: subscriber.subscribe("A")):
        with pytest.raises(ClosedError, match="the subscriber is closed"):
            call()
    assert list(subscriber) == []
    subscriber.close()
    assert subscriber.closed


def test_a_forked_child_is_told_that_it_is_not_its_own(publisher: Publisher) -> None:
    with Subscriber(publisher.endpoints[0]) as subscriber:
        publisher.wait_for_subscribers(1, timeout=S)
        publisher.publish(b"A", b"0")
        assert subscriber.poll(S)
        child = os.fork()
        if not child:  # no assertion here: it must not run the rest of the tests
            try:
                subscriber.recv()
            except ForkedError:
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert subscriber.recv(S).payload == b"0"
        publisher.publish(b"A", b"1")
        assert subscriber.recv(S).payload == b"1"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"endpoint": "tcp://*:5556"}, "for binding"),
        ({"endpoint": []}, "1 to 64 endpoints"),
        ({"endpoint": "udp://x"}, "udp"),
        ({"queue_policy": "drop_odlest"}, "drop_oldest"),
        ({"queue_bytes": 1}, "65,536 to"),
        ({"queue_bytes": "many"}, "a number of bytes"),
    ],
)
def test_what_cannot_work_is_refused_by_both(arguments: dict[str, Any], problem: str) -> None:
    given = {"endpoint": "tcp://127.0.0.1:1", **arguments}
    for kind in (Subscriber, fanout.asyncio.Subscriber):
        with pytest.raises(ConfigError, match=problem):
            kind(**given)


def test_libzmq_and_its_publisher_that_comes_back() -> None:
    subscriber: Subscriber | None = None
    port = 0
    for gap in (None, Gap("reconnected")):
        with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
            socket.set(zmq.RCVTIMEO, int(S * 1000))
            if subscriber is None:
                port = socket.bind_to_random_port("tcp://127.0.0.1")
                subscriber = Subscriber(f"tcp://localhost:{port}", b"A")
            else:
                socket.bind(f"tcp://127.0.0.1:{port}")
            assert socket.recv() == b"\x01A"
            socket.send_multipart([b"A", b"1", bytes(300)])
            socket.send_multipart([b"AB"])
            messages = [subscriber.recv(S), subscriber.recv(S)]
        assert [message.frames for message in messages] == [(b"A", b"1", bytes(300)), (b"AB",)]
        assert [message.gap for message in messages] == [gap, None]
    assert subscriber is not None
    subscriber.close()


# ------------------------------------------------------------------- asyncio


def test_asyncio_receives_and_ends(publisher: Publisher) -> None:
    async def main() -> None:
        async with fanout.asyncio.Subscriber(publisher.endpoints[0]) as subscriber:
            await asyncio.to_thread(publisher.wait_for_subscribers, 1, timeout=S)
            assert not await subscriber.poll(0)
            with pytest.raises(TimeoutError):
                await subscriber.recv(0)
            for number in range(5):
                publisher.publish(b"A", b"%d" % number)
            assert (await subscriber.recv(S)).payload == b"0"
            assert await subscriber.poll(S)
            assert [m.payload for m in await subscriber.recv_many(1, S)] == [b"1"]
            got = []
            async for message in subscriber:
                got.append(message.sequence)
                if message.sequence == 4:
                    break
            assert got == [2, 3, 4]
            subscriber.subscribe("B")
            subscriber.unsubscribe("")
            await asyncio.to_thread(
                wait_until, lambda: not publisher.has_subscribers(b"A"), "an end"
            )
            publisher.publish(b"B", b"5")
            assert (await subscriber.recv(S)).topic == b"B"

            waiting = asyncio.create_task(subscriber.recv())
            await asyncio.sleep(0)
            await subscriber.close()
            with pytest.raises(ClosedError):
                await waiting
            with pytest.raises(ClosedError):
                await subscriber.recv()
            assert [message async for message in subscriber] == []

    asyncio.run(main())


def test_asyncio_with_a_full_queue(publisher: Publisher) -> None:
    async def main() -> None:
        async with fanout.asyncio.Subscriber(
            publisher.endpoints[0], queue_bytes="64K"
        ) as subscriber:
            await asyncio.to_thread(publisher.wait_for_subscribers, 1, timeout=S)
            for number in range(300):
                publisher.publish(b"A", b"%03d" % number + bytes(1000))
            await asyncio.to_thread(wait_until, lambda: subscriber._connections.paused, "a pause")
            got = [int((await subscriber.recv(S)).payload[:3]) for _ in range(300)]
            assert got == [*range(300)]

    asyncio.run(main())


def test_a_task_that_is_cancelled_loses_nothing(publisher: Publisher) -> None:
    """However its cancellation and a message meet: before, in the same turn, and after."""

    async def main() -> None:
        async with fanout.asyncio.Subscriber(publisher.endpoints[0]) as subscriber:
            await asyncio.to_thread(publisher.wait_for_subscribers, 1, timeout=S)
            inbox, got, cancelled = subscriber._inbox, [], 0
            put = inbox.put
            tasks: list[asyncio.Task[Any]] = []
            turn = 0

            def put_and_cancel(messages: Any, size: int) -> None:
                nonlocal turn
                turn += 1
                if turn % 3 == 0:
                    tasks[-1].cancel()
                put(messages, size)
                if turn % 3 == 1:
                    asyncio.get_running_loop().call_soon(tasks[-1].cancel)

            inbox.put = put_and_cancel  # type: ignore[method-assign]
            for number in range(60):
                tasks.append(asyncio.create_task(subscriber.recv(S)))
                await asyncio.sleep(0)
                publisher.publish(b"A", b"%d" % number)
                try:
                    got.append(int((await tasks[-1]).payload))
                except asyncio.CancelledError:
                    cancelled += 1
            while len(got) < 60:
                got.append(int((await subscriber.recv(S)).payload))
            assert got == [*range(60)]
            assert cancelled > 3

    asyncio.run(main())
