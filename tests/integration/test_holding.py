"""`block` with limits: `publish()` waits for whoever is at one, and for nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from fanout import Again, ClosedError, Publisher, Reason, SlowPolicy, SlowRule
from fanout import asyncio as fanout_asyncio
from fanout.shm import layout as at
from tests.helpers.raw import RawPeer
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

PAYLOAD = bytes(1_000)
LIMIT = 20
LOG = 1 << 24  # bytes: room for thousands
HELD_LOOKS = 10
LOOK_S = 0.01  # then it is looked whether that is because somebody is at a limit
OPTIONS: dict[str, Any] = {
    "workers": 1,
    "log_bytes": LOG,
    "kernel_queue_bytes": 4096,
    "heartbeat_interval": 0,
    "slow_policy": SlowPolicy("block", limit_messages=LIMIT),
    "send_timeout": 60,
}


def start(**options: Any) -> Publisher:
    return Publisher("tcp://127.0.0.1:*", **{**OPTIONS, **options})


def stalled(publisher: Publisher, topic: bytes = b"t") -> RawPeer:
    """A subscriber that does not read, with a small window."""
    return RawPeer.version_3(publisher.endpoints[0], topic, receive_buffer=4096)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with start() as publisher:
        yield publisher


def come(publisher: Publisher) -> None:
    """A subscriber is there: it is waited for from then on."""
    publisher.wait_for_subscribers(1, timeout=DEADLINE_S)


def publish_until_held(publisher: Publisher) -> int:
    """How many numbered messages there was room for; the log has room for all of these."""
    deadline = time.monotonic() + DEADLINE_S
    number = held = 0
    while number < LOG // 2 // len(PAYLOAD) and time.monotonic() < deadline:
        try:
            publisher.publish(b"t", b"%d." % number + PAYLOAD, timeout=LOOK_S)
            number, held = number + 1, 0
        except Again:
            # Else its worker has not looked yet, or its kernel takes some more.
            held = held + 1 if publisher.statistics().held_by else 0
            if held == HELD_LOOKS:
                return number
    raise AssertionError("it was not held up")


def room_for(publisher: Publisher, topic: bytes = b"t") -> bool:
    """Whether a message can be published at once."""
    try:
        publisher.publish(topic, b"", timeout=0)
    except Again:
        return False
    return True


def is_replaced(publisher: Publisher, pid: int | None) -> bool:
    """Whether another worker serves, and has gone on with the subscriber."""
    (worker,) = publisher.statistics().workers
    return worker.pid not in (None, 0, pid) and len(publisher.subscribers()) == 1


def read_numbers(peer: RawPeer, count: int) -> list[int]:
    return [int(peer.read_message()[1].partition(b".")[0]) for _ in range(count)]


def test_it_is_waited_for_and_loses_nothing(publisher: Publisher) -> None:
    with stalled(publisher) as peer:
        come(publisher)
        published = publish_until_held(publisher)
        (one,) = publisher.subscribers()
        assert LIMIT * 15 // 16 < one.queued <= LIMIT
        assert one.blocked_s > 0
        assert one.holds
        assert publisher.statistics().held_by == (one.id,)
        text = f"held up for 0 s: subscriber {one.id} .* at a limit .*limit_messages={LIMIT}"
        with pytest.raises(Again, match=text) as caught:
            publisher.publish(b"nobody wants it", b"", timeout=0)
        assert caught.value.subscriber == one.id
        with pytest.raises(Again), publisher.batch(timeout=0.01) as batch:
            batch.publish(b"t", b"")
        with pytest.raises(Again):
            publisher.send(PAYLOAD, timeout=0.01)

        waiting = threading.Thread(target=publisher.publish, args=(b"t", b"%d." % published))
        waiting.start()
        assert read_numbers(peer, published + 1) == [*range(published + 1)]
        waiting.join(DEADLINE_S)
        assert not waiting.is_alive()
        (one,) = publisher.subscribers()
        assert (one.matched, one.dropped, one.holds) == (published + 1, 0, False)
        assert publisher.statistics().held_by == ()


def test_who_is_behind_without_limits_and_who_wants_something_else_is_not_waited_for() -> None:
    rules = [SlowRule("block", topic=b"t"), SlowRule("drop_oldest", topic=b"u")]
    with start(slow_rules=rules) as publisher, stalled(publisher), stalled(publisher, b"u"):
        publisher.wait_for_subscribers(2, timeout=DEADLINE_S)
        with stalled(publisher, b"other"):
            publisher.wait_for_subscribers(3, timeout=DEADLINE_S)
            for _ in range(40 * LIMIT):
                publisher.publish(b"t", PAYLOAD, timeout=DEADLINE_S)
                publisher.publish(b"u", PAYLOAD, timeout=DEADLINE_S)


def goes_on(publisher: Publisher) -> threading.Thread:
    """A call that waits; it ends when it may."""
    waiting = threading.Thread(target=publisher.publish, args=(b"t", b""), daemon=True)
    waiting.start()
    return waiting


@pytest.mark.parametrize("how", ["policy", "disconnect", "close", "worker"])
def test_when_it_is_let_go_publish_goes_on(publisher: Publisher, how: str) -> None:
    with stalled(publisher) as peer:
        come(publisher)
        publish_until_held(publisher)
        (one,) = publisher.subscribers()
        waiting = goes_on(publisher)  # from before on
        if how == "policy":
            publisher.set_slow_policy(one.id, "drop_oldest")
        elif how == "disconnect":
            publisher.disconnect(one.id)
        elif how == "close":
            peer.close()
        else:  # who goes on with it holds it up again, until it reads
            (worker,) = publisher.statistics().workers
            assert worker.pid
            os.kill(worker.pid, signal.SIGKILL)
            wait_until(lambda: is_replaced(publisher, worker.pid), "another one")
            publish_until_held(publisher)
            assert publisher.statistics().held_by == (one.id,)
            peer.close()
        publisher.publish(b"t", b"", timeout=DEADLINE_S)
        waiting.join(DEADLINE_S)
        assert not waiting.is_alive()
        assert publisher.statistics().held_by == ()


def test_who_is_moved_holds_it_up_from_there() -> None:
    """Nor does the worker that it was moved away from go on holding it up."""
    with start(workers=2) as publisher, stalled(publisher) as peer:
        come(publisher)
        published = publish_until_held(publisher)
        (one,) = publisher.subscribers()
        for _ in range(2):
            publisher.move(one.id, 1 - publisher.subscribers()[0].worker)
            # Who has just come is judged at once, or when the next message is there.
            published += publish_until_held(publisher)
            assert publisher.statistics().held_by == (one.id,)
        waiting = goes_on(publisher)
        for _ in range(published + 1):
            peer.read_message()
        waiting.join(DEADLINE_S)
        assert not waiting.is_alive()
        assert publisher.statistics().held_by == ()


def test_drain_waits_for_it_and_names_it(publisher: Publisher) -> None:
    with stalled(publisher) as peer:
        come(publisher)
        published = publish_until_held(publisher)
        (one,) = publisher.subscribers()
        (left,) = publisher.drain(0.05)
        (after,) = publisher.subscribers()  # its kernel may still take some
        assert (left.subscriber, left.exact) == (one.id, True)
        assert after.queued <= left.messages <= one.queued
        reading = threading.Thread(target=read_numbers, args=(peer, published), daemon=True)
        reading.start()
        assert publisher.drain(DEADLINE_S) == ()
        reading.join(DEADLINE_S)
        publisher.publish(b"t", b"0.", timeout=DEADLINE_S)


def test_who_takes_nothing_is_evicted_and_publish_goes_on() -> None:
    with start(send_timeout=0.5) as publisher, stalled(publisher):
        come(publisher)
        deadline = time.monotonic() + DEADLINE_S
        while not publisher.closed_subscribers():  # who is within its limits may take its time
            assert time.monotonic() < deadline
            publisher.publish(b"t", PAYLOAD, timeout=DEADLINE_S)
        (ended,) = publisher.closed_subscribers()
        assert ended.cause is Reason.SEND_TIMEOUT
        assert ended.matched * len(PAYLOAD) < LOG // 4, "it was not the log that was full"


def test_close_ends_the_wait(publisher: Publisher) -> None:
    ends: list[BaseException] = []

    def wait() -> None:
        try:
            publisher.publish(b"t", b"")
        except ClosedError as error:
            ends.append(error)

    with stalled(publisher):
        come(publisher)
        publish_until_held(publisher)
        waiting = threading.Thread(target=wait)
        waiting.start()
        undelivered = publisher.close(0.2)
        waiting.join(DEADLINE_S)

    assert len(ends) == 1
    assert [one.messages <= LIMIT for one in undelivered] == [True]


def test_a_task_waits_as_a_thread_does() -> None:
    async def main() -> None:
        async with fanout_asyncio.Publisher("tcp://127.0.0.1:*", **OPTIONS) as publisher:
            endpoint = publisher.endpoints[0]
            connect = partial(RawPeer.version_3, receive_buffer=4096)
            with await asyncio.to_thread(connect, endpoint, b"t") as peer:
                await publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
                published = 0
                while not (await publisher.statistics()).held_by:
                    with contextlib.suppress(Again):
                        payload = b"%d." % published + PAYLOAD
                        await publisher.publish(b"t", payload, timeout=LOOK_S)
                        published += 1
                assert LIMIT < published < LOG // 4 // len(PAYLOAD)
                waiting = asyncio.create_task(publisher.publish(b"t", b"%d." % published))
                numbers = await asyncio.to_thread(read_numbers, peer, published + 1)
                assert numbers == [*range(published + 1)]
                await asyncio.wait_for(waiting, DEADLINE_S)

    asyncio.run(main())


def test_with_more_workers_than_one_look_shows_each_can_hold_it_up() -> None:
    """Nine: who sleeps is asked one by one then."""
    with start(workers=at.SLEEPERS_EACH + 1) as publisher, stalled(publisher):
        come(publisher)
        publish_until_held(publisher)
        assert not room_for(publisher)


@pytest.mark.parametrize("call", [1, 7, 100])
def test_in_a_loop_that_does_nothing_else_it_has_one_call_too_many_at_most(call: int) -> None:
    """What of its topic was published in between counts, and not what it does not want."""
    policy = SlowPolicy("block", limit_messages=50)
    with start(slow_policy=policy) as publisher, stalled(publisher) as peer:
        come(publisher)
        published = 0
        while not publisher.statistics().held_by:
            for _ in range(100):
                with contextlib.suppress(Again):
                    with publisher.batch(timeout=LOOK_S) as batch:
                        for _ in range(call):
                            batch.publish(b"t", PAYLOAD)
                        batch.publish(b"nobody wants it", PAYLOAD)
                    published += call
        (one,) = publisher.subscribers()
        assert 50 * 15 // 16 < one.queued <= 50 + call - 1
        assert (one.matched, one.dropped) == (published, 0)
        for _ in range(published):
            peer.read_message()
        publisher.publish(b"t", b"", timeout=DEADLINE_S)


def test_a_message_larger_than_the_limit_goes_when_nothing_else_waits() -> None:
    policy = SlowPolicy("block", limit_bytes=500)
    with start(slow_policy=policy) as publisher, stalled(publisher) as peer:
        come(publisher)
        for number in range(5):
            waiting = threading.Thread(target=publisher.publish, args=(b"t", bytes(100_000)))
            waiting.start()
            assert len(peer.read_message()[1]) == 100_000, number
            waiting.join(DEADLINE_S)
            assert not waiting.is_alive()
        assert publish_until_held(publisher) < LIMIT


def test_what_nobody_wants_is_not_waited_for(publisher: Publisher) -> None:
    with stalled(publisher):
        come(publisher)
        for _ in range(200 * LIMIT):
            publisher.publish(b"nobody wants it", b"", timeout=DEADLINE_S)
        (one,) = publisher.subscribers()
        assert (one.matched, one.holds) == (0, False)
