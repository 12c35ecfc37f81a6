"""The asyncio publisher with stock subscribers: verbs, waiting, cancellation."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import zmq

from fanout import Again, BindError, ClosedError, Event, EventKind, MessageTooLarge
from fanout.asyncio import Publisher
from tests.helpers.filling import ROOM_S, Progress, progress_of
from tests.helpers.nursery import SWITCH
from tests.helpers.raw import RawPeer
from tests.helpers.stock import Stock
from tests.helpers.waiting import DEADLINE_S, LOOK_EVERY_S

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterator

ENDPOINT = "tcp://127.0.0.1:*"
KIB = 1024


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test, with a deadline."""

    async def limited() -> None:
        async with asyncio.timeout(2 * DEADLINE_S):
            await main()

    asyncio.run(limited())


async def wait_until(look: Callable[[], object], what: str) -> None:
    """Wait for a thing without blocking the loop."""
    deadline = time.monotonic() + DEADLINE_S
    while not look():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(LOOK_EVERY_S)


def open_descriptors() -> set[str]:
    """What this process has open: number and what."""
    gc.collect()  # what earlier tests have left in exceptions and frames
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
        except FileNotFoundError:
            continue  # the descriptor of the listing itself
    return found


def children() -> set[int]:
    """The processes that this one has started and not yet collected."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        of_main = file.read().split()
    found = set(map(int, of_main))
    for task in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{task}/children") as file:
                found.update(map(int, file.read().split()))
        except FileNotFoundError:
            continue
    return found


async def nothing_but(before: tuple[set[str], set[int]]) -> None:
    """Wait until the descriptors and the children are those from before.

    The loop and a thread of its executor hold a call's result, or its error with the traceback, for
    a moment after the call has ended; those hold the mapping, and a mapping holds a descriptor.
    """
    await wait_until(lambda: (open_descriptors(), children()) == before, "something is left behind")


@pytest.fixture
def stock() -> Iterator[Stock]:
    sockets = Stock()
    yield sockets
    sockets.close()


def test_every_verb_arrives(stock: Stock) -> None:
    async def main() -> None:
        async with Publisher(ENDPOINT, workers=1, log_bytes=1 << 22) as publisher:
            subscriber = stock.connect(publisher.endpoints[0], b"")
            await publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            assert await publisher.publish(b"a", b"1") == 0
            assert await publisher.send(b"b") == 1
            assert await publisher.send_multipart([b"c", b"2", b"3"]) == 2
            assert await publisher.send_string("d") == 3
            assert await publisher.send_json({"e": 1}, topic="j") == 4
            assert await publisher.send_msgpack([1, 2]) == 5
            async with publisher.batch() as batch:
                batch.publish("f", b"4")
                batch.send(b"g")
            assert batch.sequence == 6
            assert await publisher.drain() == ()
            received = [subscriber.recv_multipart() for _ in range(8)]
            assert received == [
                [b"a", b"1"],
                [b"b"],
                [b"c", b"2", b"3"],
                [b"d"],
                [b"j", b'{"e": 1}'],
                [msgpack.packb([1, 2])],
                [b"f", b"4"],
                [b"g"],
            ]
            assert (await publisher.statistics()).published == 8
            assert [one.sent for one in await publisher.subscribers()] == [8]
            assert publisher.has_subscribers(b"anything")
            assert not publisher.poisoned
            await publisher.recover()
        with pytest.raises(ClosedError):
            await publisher.publish(b"a", b"too late")

    run(main)


def test_sending_does_not_suspend_when_there_is_room() -> None:
    async def main() -> None:
        async with Publisher(workers=1, log_bytes=1 << 22) as publisher:
            verbs = publisher.publish(b"a", b"1"), publisher.send(b"b")
            for number, verb in enumerate(verbs):
                with pytest.raises(StopIteration) as done:
                    verb.send(None)
                assert done.value.value == number

    run(main)


def test_who_publishes_beside_a_batch_of_his_own_task_is_warned() -> None:
    async def main() -> None:
        async with Publisher(workers=1, log_bytes=64 * KIB) as publisher:
            async with publisher.batch() as batch:
                with pytest.warns(RuntimeWarning, match="call the same on the batch"):
                    assert await publisher.publish(b"beside", b"") == 0
                with pytest.warns(RuntimeWarning, match="call the same on the batch"):
                    assert await publisher.send_multipart([b"beside", b"", b""]) == 1
                assert await asyncio.create_task(publisher.send(b"of another task")) == 2
                batch.send(b"in it")
            assert batch.sequence == 3
            assert await publisher.send(b"after it") == 4  # warnings are errors here

    run(main)


def test_a_batch_is_for_one_block() -> None:
    async def main() -> None:
        async with Publisher(workers=1, log_bytes=64 * KIB) as publisher:
            batch = publisher.batch()
            with pytest.raises(RuntimeError, match="has not begun"):
                batch.publish(b"a", b"early")
            async with batch:
                batch.publish(b"a", b"0")
            aborted = publisher.batch()
            with suppress(ZeroDivisionError):
                async with aborted:
                    aborted.publish(b"a", b"bad")
                    raise ZeroDivisionError
            for over in (batch, aborted):
                with pytest.raises(RuntimeError, match="is over"):
                    over.send(b"late")
                with pytest.raises(RuntimeError, match="is over"):
                    async with over:
                        pass
            assert (batch.sequence, aborted.sequence) == (0, None)
            assert await publisher.publish(b"a", b"") == 1

    run(main)


def test_a_batch_that_is_kept_keeps_no_task() -> None:
    async def main() -> None:
        async with Publisher() as publisher:
            kept = []

            async def send() -> None:
                async with publisher.batch() as batch:
                    batch.publish(b"A", b"one")
                kept.append(batch)

            task = asyncio.create_task(send())
            await task
            gone = weakref.ref(task)
            del task
            await asyncio.sleep(0)  # what has woken this one still refers to it
            gc.collect()
            assert gone() is None
            assert [len(one) for one in kept] == [1]

    run(main)


def test_wrong_arguments_send_nothing() -> None:
    async def main() -> None:
        async with Publisher(workers=1, log_bytes=64 * KIB) as publisher:
            with pytest.raises(TypeError, match="payload"):
                await publisher.publish(b"a", "text")  # type: ignore[arg-type]
            with pytest.raises(MessageTooLarge):
                await publisher.send(bytes(20 * KIB))
            with suppress(ZeroDivisionError):
                async with publisher.batch() as batch:
                    batch.publish(b"a", b"%d" % (1 // 0))
            assert batch.sequence is None
            assert await publisher.publish(b"a", b"") == 0
        with pytest.raises(ClosedError):
            publisher.batch()
        with pytest.raises(ClosedError):
            await publisher.publish(b"a", b"")

    run(main)


def test_its_options_are_those_in_effect() -> None:
    async def main() -> None:
        publisher = Publisher(workers=1, log_bytes="64K")
        with pytest.raises(ClosedError, match="not started"):
            _ = publisher.options
        async with publisher:
            assert (publisher.options.workers, publisher.options.log_bytes) == (1, 64 * KIB)
        assert publisher.options.workers == 1, "and were, after the end"

    run(main)


def test_a_publisher_that_is_not_started_says_so() -> None:
    async def main() -> None:
        publisher = Publisher(ENDPOINT, log_bytes=1 << 20)
        with pytest.raises(ClosedError, match="not started"):
            await publisher.publish(b"a", b"1")
        assert await publisher.close() == ()

    run(main)


def test_it_starts_only_once() -> None:
    async def main() -> None:
        publisher = await Publisher.start(workers=1, log_bytes=1 << 20)
        try:
            with pytest.raises(RuntimeError, match="started before"):
                async with publisher:
                    pass
        finally:
            await publisher.stop()

    run(main)


def test_events_are_reported_on_the_loop() -> None:
    async def main() -> None:
        events: list[tuple[EventKind, int]] = []

        def note(event: Event) -> None:
            events.append((event.kind, threading.get_ident()))

        async with Publisher(workers=1, log_bytes=1 << 22, on_event=note):
            await wait_until(lambda: events, "no event")
        assert events[0] == (EventKind.WORKER_STARTED, threading.get_ident())

    run(main)


def test_endpoints_come_and_go(stock: Stock) -> None:
    async def main() -> None:
        async with Publisher(workers=1, log_bytes=1 << 22) as publisher:
            bound = await publisher.bind(ENDPOINT)
            assert publisher.endpoints == (bound,)
            stock.connect(bound, b"")
            await publisher.wait_for_subscribers(1, b"x", timeout=DEADLINE_S)
            await publisher.unbind(bound)
            assert not publisher.endpoints

    run(main)


def test_waiting_for_subscribers_that_do_not_come_says_how_many_there_were() -> None:
    async def main() -> None:
        async with Publisher(workers=1, log_bytes=1 << 22) as publisher:
            with pytest.raises(TimeoutError, match="0 of 2 subscribers"):
                await publisher.wait_for_subscribers(2, timeout=0.01)

    run(main)


async def fill(publisher: Publisher) -> int:
    """As `tests.helpers.filling.fill`, of messages that begin with their number."""
    count = 0
    before: Progress | None = None
    while True:
        try:
            await publisher.publish(b"t", b"%6d" % count + bytes(8 * KIB), timeout=ROOM_S)
            count += 1
        except Again:
            now = progress_of(await publisher.subscribers())
            if now == before:
                return count
            before = now


BLOCKING: dict[str, Any] = {
    "workers": 1,
    "log_bytes": 64 * KIB,
    "slow_policy": "block",
    "kernel_queue_bytes": 4 * KIB,
    "send_timeout": 60.0,
}


def test_without_room_tasks_wait_in_order_and_the_loop_goes_on() -> None:
    async def main() -> None:
        async with Publisher(ENDPOINT, **BLOCKING) as publisher:
            with RawPeer.version_3(publisher.endpoints[0], b"", receive_buffer=4 * KIB) as peer:
                await publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
                count = await fill(publisher)
                tasks = [
                    asyncio.create_task(
                        publisher.publish(b"t", b"%6d" % (count + n) + bytes(8 * KIB))
                    )
                    for n in range(20)
                ]
                turns = 0
                while turns < 50:  # the loop is not blocked by tasks that wait
                    await asyncio.sleep(0)
                    turns += 1
                assert not any(task.done() for task in tasks)
                messages, sequences = await asyncio.gather(
                    asyncio.to_thread(lambda: [peer.read_message() for _ in range(count + 20)]),
                    asyncio.gather(*tasks),
                )
                assert sequences == list(range(count, count + 20))
                numbers = [int(payload[:6]) for _topic, payload in messages]
                assert numbers == list(range(count + 20))

    run(main)


def test_a_cancelled_task_that_waited_for_room_has_sent_nothing() -> None:
    async def main() -> None:
        async with Publisher(ENDPOINT, **BLOCKING) as publisher:
            with RawPeer.version_3(publisher.endpoints[0], b"", receive_buffer=4 * KIB) as peer:
                await publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
                count = await fill(publisher)
                before = open_descriptors()
                tasks = [
                    asyncio.create_task(publisher.publish(b"t", b"cancelled" + bytes(8 * KIB)))
                    for _ in range(3)
                ]
                last = asyncio.create_task(publisher.publish(b"t", b"%6d" % count))
                await asyncio.sleep(0.02)
                for task in tasks:
                    task.cancel()
                results = await asyncio.gather(*tasks, return_exceptions=True)
                assert [type(result) for result in results] == [asyncio.CancelledError] * 3
                reading = asyncio.to_thread(lambda: [peer.read_message() for _ in range(count + 1)])
                numbers = [int(payload[:6]) for _topic, payload in await reading]
                assert numbers == list(range(count + 1))
                assert await last == count
                await wait_until(lambda: open_descriptors() <= before, "descriptors are left")

    run(main)


def test_waiting_tasks_end_when_the_publisher_is_closed() -> None:
    async def main() -> None:
        async with Publisher(ENDPOINT, **BLOCKING) as publisher:
            with RawPeer.version_3(publisher.endpoints[0], b"", receive_buffer=4 * KIB):
                await publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
                await fill(publisher)
                waiting = asyncio.create_task(publisher.publish(b"t", bytes(8 * KIB)))
                subscribers = asyncio.create_task(publisher.wait_for_subscribers(5))
                await asyncio.sleep(0)
                undelivered = await publisher.stop()
                assert sum(one.messages for one in undelivered) > 0
                for task in (waiting, subscribers):
                    with pytest.raises(ClosedError):
                        await task

    run(main)


@pytest.mark.parametrize("turns", [0, 1, 2, 5])
def test_cancelled_while_it_starts_it_leaves_nothing_behind(
    turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SWITCH, "off")  # it takes longer than these turns, as for users

    async def main() -> None:
        await asyncio.to_thread(lambda: None)  # the executor's own
        before = open_descriptors(), children()
        while True:
            starting = asyncio.create_task(Publisher.start(ENDPOINT, workers=2, log_bytes=1 << 20))
            for _ in range(turns):
                await asyncio.sleep(0.01)
            if starting.cancel():
                break
            await (await starting).close()  # those turns took long: it had started
        await asyncio.sleep(0)
        starting.cancel()  # once more, while it cleans up
        with pytest.raises(asyncio.CancelledError):
            await starting
        await nothing_but(before)
        names = [thread.name for thread in threading.enumerate()]
        assert "fanout-coordinator" not in names

    run(main)


def test_a_start_that_fails_says_why_and_leaves_nothing_behind() -> None:
    async def main() -> None:
        await asyncio.to_thread(lambda: None)
        before = open_descriptors(), children()
        with pytest.raises(BindError, match="does not exist"):
            await Publisher.start("ipc:///no/such/directory/socket", workers=1, log_bytes=1 << 20)
        await nothing_but(before)

    run(main)


def test_a_cancelled_bind_is_undone() -> None:
    async def main() -> None:
        async with Publisher(workers=1, log_bytes=1 << 22) as publisher:
            binding = asyncio.create_task(publisher.bind(ENDPOINT))
            await asyncio.sleep(0)
            binding.cancel()
            with pytest.raises(asyncio.CancelledError):
                await binding
            assert not publisher.endpoints

    run(main)


def test_a_cancelled_close_becomes_a_stop() -> None:
    async def main() -> None:
        before = children()
        publisher = await Publisher.start(ENDPOINT, **BLOCKING)
        with RawPeer.version_3(publisher.endpoints[0], b"", receive_buffer=4 * KIB):
            await publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            await fill(publisher)
            closing = asyncio.create_task(publisher.close(timeout=600))
            await wait_until(lambda: publisher.closed, "the close has not begun")
            closing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await closing
            assert "fanout-coordinator" not in [t.name for t in threading.enumerate()]
            assert children() == before
            assert sum(one.messages for one in await publisher.close()) > 0

    run(main)


@pytest.mark.parametrize("verb", ["publish", "batch"])
def test_cancelled_at_every_suspension_a_message_is_sent_whole_or_not_at_all(verb: str) -> None:
    """Step the coroutine by hand and throw the cancellation in at its n-th suspension."""

    async def send(publisher: Publisher) -> None:
        if verb == "publish":
            await publisher.publish(b"t", b"new" + bytes(8 * KIB))
            return
        async with publisher.batch() as batch:
            batch.publish(b"t", b"new" + bytes(4 * KIB))
            batch.publish(b"t", b"new" + bytes(4 * KIB))

    async def main() -> None:
        async with Publisher(ENDPOINT, **BLOCKING) as publisher:
            with RawPeer.version_3(publisher.endpoints[0], b"", receive_buffer=4 * KIB) as peer:
                await publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
                count = await fill(publisher)
                for suspensions in range(1, 8):
                    coroutine = send(publisher)
                    with pytest.raises(asyncio.CancelledError):
                        await Stepped(coroutine, suspensions)
                committed = (await publisher.statistics()).published
                assert committed == count
                reading = asyncio.to_thread(lambda: [peer.read_message() for _ in range(count)])
                assert [int(payload[:6]) for _, payload in await reading] == list(range(count))
                assert await publisher.publish(b"t", b"after") == count
                assert await asyncio.to_thread(peer.read_message) == [b"t", b"after"]

    run(main)


class Stepped:
    """Awaits a coroutine, and throws CancelledError into it at its n-th suspension."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], suspensions: int) -> None:
        self._coroutine = coroutine
        self._suspensions = suspensions

    def __await__(self) -> Generator[Any, Any, Any]:
        left = self._suspensions
        awaited = self._coroutine.send(None)
        while left := left - 1:
            yield awaited
            awaited = self._coroutine.send(None)
        self._coroutine.throw(asyncio.CancelledError())
        raise AssertionError("it went on after the cancellation")


def test_stock_subscribers_get_what_many_tasks_publish(stock: Stock) -> None:
    async def main() -> None:
        async with Publisher(ENDPOINT, workers=2, log_bytes=1 << 22) as publisher:
            subscribers = [stock.connect(publisher.endpoints[0], b"") for _ in range(3)]
            await publisher.wait_for_subscribers(3, timeout=DEADLINE_S)

            async def feed(source: int) -> None:
                for number in range(100):
                    await publisher.publish(b"%d" % source, b"%d" % number)
                    await asyncio.sleep(0)

            await asyncio.gather(*map(feed, range(10)))
            for subscriber in subscribers:
                received = [subscriber.recv_multipart() for _ in range(1000)]
                for source in range(10):
                    numbers = [int(body) for topic, body in received if topic == b"%d" % source]
                    assert numbers == list(range(100))
                assert not subscriber.poll(0, zmq.POLLIN)

    run(main)
