"""`close()` returns in time, and what it returns is true, whoever blocks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from fanout import BrokenError, Event, EventKind, Publisher, Undelivered
from fanout.asyncio import Publisher as AsyncPublisher
from fanout.basics import grace
from fanout.engine.questions import Outstanding
from tests.helpers.collecting import Collector
from tests.helpers.happenings import Happenings
from tests.helpers.programs import pause
from tests.helpers.raw import RawPeer
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDPOINT = "tcp://127.0.0.1:*"


class Blocking:
    """An `on_event` that does not come back before it is let go."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, _event: Event) -> None:
        self.began.set()
        self.let_go.wait(DEADLINE_S)


@pytest.fixture
def blocking() -> Iterator[Blocking]:
    blocking = Blocking()
    yield blocking
    blocking.let_go.set()


@contextlib.contextmanager
def hanging(publisher: Publisher) -> Iterator[None]:
    """The coordinator's thread has no turn meanwhile."""
    begun, done = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        done.wait(DEADLINE_S)

    publisher._engine._coordinator._calls.post(hang)
    assert begun.wait(DEADLINE_S)
    try:
        yield
    finally:
        done.set()


def test_beside_a_callback_that_blocks_it_delivers_and_ends(blocking: Blocking) -> None:
    publisher = Publisher(ENDPOINT, workers=1, log_bytes=1 << 20, on_event=blocking)
    pid = publisher.statistics().workers[0].pid
    with RawPeer.version_3(publisher.endpoints[0], b"") as peer:
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        for _ in range(100):
            publisher.publish(b"a", b"1")
        assert blocking.began.wait(DEADLINE_S)
        received = [peer.read_message() for _ in range(100)]  # a busy machine may take its time

        assert publisher.close(0.5) == ()
        assert not blocking.let_go.is_set()
        assert not os.path.exists(f"/proc/{pid}")
        assert received == [[b"a", b"1"]] * 100
        assert peer.read_to_end() == b""


def test_beside_a_callback_that_blocks_it_names_who_was_not_sent_all(blocking: Blocking) -> None:
    publisher = Publisher(ENDPOINT, workers=1, log_bytes=1 << 20, on_event=blocking)
    with RawPeer.version_3(publisher.endpoints[0], b""):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        pause(publisher.statistics().workers[0].pid)
        publisher.publish(b"a", b"1")

        assert [one.messages for one in publisher.close(0.1)] == [1]
    assert not blocking.let_go.is_set()


def test_drain_and_close_in_a_callback_are_true() -> None:
    results: list[tuple[Undelivered, ...]] = []

    def on_event(event: Event) -> None:
        if event.kind is EventKind.SUBSCRIBER_CONNECTED:
            publisher = made[0]
            publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            pause(publisher.statistics().workers[0].pid)
            publisher.publish(b"a", b"1")
            results.append(publisher.drain(0.1))
            results.append(publisher.close(0.1))

    made = [Publisher(ENDPOINT, workers=1, log_bytes=1 << 20, on_event=on_event)]
    with RawPeer.version_3(made[0].endpoints[0], b""):
        wait_until(lambda: len(results) == 2, "both calls")
    made.clear()

    assert [[one.messages for one in result] for result in results] == [[1], [1]]


def test_where_nothing_has_ended_it_does_not_say_that_all_was_delivered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publisher = Publisher(ENDPOINT, workers=1, log_bytes=1 << 20)
    with RawPeer.version_3(publisher.endpoints[0], b"") as peer:
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        with hanging(publisher):
            publisher.publish(b"a", b"1")
            assert peer.read_message() == [b"a", b"1"]  # its worker does not need the coordinator
            with monkeypatch.context() as patch:
                patch.setattr(grace, "END_GRACE", 0.1)
                with pytest.raises(TimeoutError, match=r"has not ended .* 1 subscribers are"):
                    publisher.close(0.1)
            assert publisher.closed
        assert publisher.close() == (), "it goes on, and is waited for"
        assert peer.read_to_end() == b""


def test_a_coordinator_that_fails_leaves_nobody_unnamed() -> None:
    """A bug of ours ends it at once: what nobody has reported is counted, and told."""
    happenings = Happenings()
    publisher = Publisher(ENDPOINT, workers=1, log_bytes=1 << 20, on_event=happenings)
    with RawPeer.version_3(publisher.endpoints[0], b""):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        pause(publisher.statistics().workers[0].pid)
        for _ in range(3):
            publisher.publish(b"a", b"1")
        coordinator = publisher._engine._coordinator
        coordinator._calls.post(lambda: 1 // 0)
        wait_until(lambda: not coordinator._thread.is_alive(), "its end")

        with pytest.raises(BrokenError):  # nobody is left to do it
            publisher.restart_workers()
        assert [one.messages for one in publisher.close(0.1)] == [3]
        (evicted,) = happenings.wait_for(EventKind.SUBSCRIBER_EVICTED)
        assert evicted.discarded == 3


def test_a_drain_that_is_cancelled_leaves_what_was_lost_to_the_next() -> None:
    lost = Undelivered(7, "peer:1", 3, 0)
    is_looking, may_go_on = threading.Event(), threading.Event()

    def look(_target: int) -> Outstanding:
        is_looking.set()
        may_go_on.wait(DEADLINE_S)
        return Outstanding([lost], [])

    async def main() -> tuple[Undelivered, ...]:
        async with AsyncPublisher(ENDPOINT, workers=1, log_bytes=1 << 20) as publisher:
            questions = publisher._running().questions
            with mock.patch.object(questions, "look", look):
                drain = asyncio.create_task(publisher.drain(DEADLINE_S))
                assert await asyncio.to_thread(is_looking.wait, DEADLINE_S)
                drain.cancel()
                await asyncio.sleep(0)
                may_go_on.set()
                with pytest.raises(asyncio.CancelledError):
                    await drain
            return await publisher.drain(DEADLINE_S)

    assert asyncio.run(asyncio.wait_for(main(), DEADLINE_S)) == (lost,)


def test_an_asyncio_one_closes_although_the_executor_is_taken() -> None:
    """The program has filled it with calls that block."""
    let_go = threading.Event()

    async def main() -> tuple[Undelivered, ...]:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        blocked = loop.run_in_executor(None, let_go.wait, DEADLINE_S)
        try:
            publisher = await AsyncPublisher.start(ENDPOINT, workers=1)
            await publisher.statistics()
            return await publisher.close(0.5)
        finally:
            let_go.set()
            await blocked

    assert asyncio.run(asyncio.wait_for(main(), DEADLINE_S)) == ()


def test_it_says_that_more_was_to_come_for_who_sleeps_while_it_is_sent_what_it_missed() -> None:
    """What a replay has not come to is not looked for when it ends: that takes too long."""
    happenings = Happenings()
    publisher = Publisher(
        ENDPOINT, workers=1, log_bytes=8 << 20, kernel_queue_bytes=1 << 16, on_event=happenings
    )
    for number in range(8_000):
        publisher.publish(b"AB"[number % 2 :][:1], bytes(480))
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            asked = b"\x00fanout.since=-3600s", b"A"
            peer = RawPeer.version_3(publisher.endpoints[0], *asked, receive_buffer=4096)
            stack.enter_context(peer)
        wait_until(lambda: len(begun(publisher)) == 4, "four that have begun")

        undelivered = publisher.close(0.2)

    assert [one.exact for one in undelivered] == [False] * 4
    assert all(0 < one.messages < 3_999 for one in undelivered)
    ended = happenings.wait_for(EventKind.SUBSCRIBER_DISCONNECTED, 4)
    assert [(event.exact, event.discarded > 0) for event in ended] == [(False, True)] * 4


def begun(publisher: Publisher) -> list[int]:
    """Who has been sent something, and waits for more."""
    return [one.id for one in publisher.subscribers() if one.sent and one.queued]


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_committed_is_sent_though_the_coordinator_fails(workers: int) -> None:
    """As when its process dies; but here it is known what has become of all."""
    happenings = Happenings()
    publisher = Publisher(ENDPOINT, workers=workers, log_bytes=1 << 22, on_event=happenings)
    with contextlib.ExitStack() as ends:
        endpoint = publisher.endpoints[0]
        collectors = [ends.enter_context(Collector(endpoint, b"")) for _ in range(2)]
        publisher.wait_for_subscribers(2, timeout=DEADLINE_S)
        messages = [[b"a", b"%d" % number] for number in range(500)]

        def publish_and_fail() -> None:
            for topic, payload in messages:
                publisher.publish(topic, payload)
            raise ZeroDivisionError("a bug")

        coordinator = publisher._engine._coordinator
        coordinator._calls.post(publish_and_fail)
        wait_until(lambda: not coordinator._thread.is_alive(), "its end")

        for one in collectors:
            one.expect(messages)
        with pytest.raises(BrokenError):
            publisher.publish(b"a", b"too late")
        assert publisher.close() == ()
        assert happenings.of(EventKind.SUBSCRIBER_EVICTED) == []
        told = happenings.of(EventKind.SUBSCRIBER_DISCONNECTED)
        assert [(one.discarded, one.exact) for one in told] == [(0, True)] * 2


def test_reports_that_cannot_be_heard_hold_up_nobody() -> None:
    """The bug may be in what hears them: workers find their channels closed, and deliver then."""
    publisher = Publisher(ENDPOINT, workers=1, log_bytes=1 << 20)
    with Collector(publisher.endpoints[0], b"") as collector:
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        coordinator = publisher._engine._coordinator

        def publish_and_fail() -> None:
            publisher.publish(b"a", b"1")
            raise ZeroDivisionError("a bug")

        with mock.patch.object(coordinator._pool, "_take_reports", side_effect=OSError):
            coordinator._calls.post(publish_and_fail)
            wait_until(lambda: not coordinator._thread.is_alive(), "its end")
        collector.expect([[b"a", b"1"]])
        publisher.close()
