"""Events that are iterated over, and subscribers that are sent away: real workers and sockets."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from fanout import ClosedError, EventKind, ForkedError, Publisher, Reason
from fanout.asyncio import Publisher as AsyncPublisher
from tests.helpers.audience import raise_descriptor_limit
from tests.helpers.command import ROOT
from tests.helpers.happenings import Happenings
from tests.helpers.raw import READY_SUB, RawPeer, command, greeting_3
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from fanout import Event, Events, SubscriberStatistics

ENDPOINT = "tcp://127.0.0.1:*"
OF_LIFE = [
    EventKind.SUBSCRIBER_CONNECTED,
    EventKind.SUBSCRIBER_SUBSCRIBED,
    EventKind.SUBSCRIBER_SLOW,
    EventKind.SUBSCRIBER_DROPPED,
]


def up_to_the_end_of_one(events: Events) -> list[Event]:
    """All that is told of the only subscriber there is."""
    seen = [next(events)]
    while seen[-1].kind is not EventKind.SUBSCRIBER_EVICTED:
        seen.append(next(events))
    return [event for event in seen if event.kind is not EventKind.WORKER_STARTED]


def agree_on_the_end(publisher: Publisher, one: SubscriberStatistics, end: Event) -> None:
    """The totals and the ring of ends say of the only one that has left what its event says."""
    total = publisher.statistics()
    assert (total.evicted, total.discarded, total.dropped) == (1, end.discarded, end.dropped)
    (closed,) = publisher.closed_subscribers()
    assert (closed.id, closed.peer, closed.version) == (one.id, one.peer, "3.1")
    assert (closed.cause, closed.dropped, closed.discarded) == (
        *(end.cause, end.dropped, end.discarded),
    )
    assert closed.reason == end.reason[:64]
    assert (closed.policy, closed.chosen_by, closed.name) == (one.policy, one.chosen_by, one.name)
    assert closed.matched == total.sent + total.dropped + total.discarded


def test_a_slow_one_is_followed_until_it_is_sent_away() -> None:
    """By two readers and the callback, which get the same; the losses told add up to all."""
    happenings = Happenings()
    with (
        Publisher(
            ENDPOINT,
            workers=1,
            log_bytes=1 << 20,
            slow_limit_bytes=1 << 17,
            kernel_queue_bytes=4096,
            on_event=happenings,
        ) as publisher,
        publisher.events(timeout=DEADLINE_S) as events,
        publisher.events(timeout=DEADLINE_S) as others,
        RawPeer.version_3(publisher.endpoints[0], b"a", receive_buffer=4096) as peer,
    ):
        publisher.wait_for_subscribers(1, topic=b"a", timeout=DEADLINE_S)
        (one,) = publisher.subscribers()
        happenings.wait_for(EventKind.SUBSCRIBER_SUBSCRIBED)
        while not happenings.of(EventKind.SUBSCRIBER_DROPPED):
            for _ in range(100):
                publisher.publish(b"a", bytes(1000))
        assert publisher.disconnect(one.id, "tired of it")
        peer.read_to_end()
        (end,) = happenings.wait_for(EventKind.SUBSCRIBER_EVICTED)
        assert not publisher.disconnect(one.id), "it is gone"

        seen = up_to_the_end_of_one(events)
        assert [event.kind for event in seen[:4]] == OF_LIFE
        assert seen[1].added == 1
        assert {event.subscriber for event in seen} == {one.id}
        assert seen[-1] == end
        assert (end.cause, end.reason) == (
            Reason.DISCONNECTED_BY_CALL,
            "sent away by the publisher's program (disconnect): tired of it",
        )
        assert sum(event.dropped_since for event in seen) == end.dropped > 0
        agree_on_the_end(publisher, one, end)
        publisher.close()
        assert list(events) == [], "nothing has happened since"
        assert [one for one in others if one.subscriber is not None] == seen
        with pytest.raises(ClosedError):
            publisher.events()
        with pytest.raises(ClosedError):
            publisher.closed_subscribers()
        with pytest.raises(ClosedError):
            publisher.disconnect(1)


def test_tasks_follow_the_events_until_the_end() -> None:
    async def follow(publisher: AsyncPublisher) -> list[Event]:
        return [event async for event in publisher.events()]

    async def main() -> None:
        publisher = await AsyncPublisher.start(ENDPOINT, workers=1)
        task = asyncio.ensure_future(follow(publisher))
        await asyncio.sleep(0)
        with RawPeer.version_3(publisher.endpoints[0], b"a"):
            async with publisher.events(timeout=DEADLINE_S) as events:
                await publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
                (one,) = await publisher.subscribers()
                assert not await publisher.disconnect(one.id + 1)
                assert await publisher.disconnect(one.id)
                async for event in events:
                    if event.kind is EventKind.SUBSCRIBER_EVICTED:
                        break
        assert [one.id for one in await publisher.closed_subscribers()] == [one.id]
        await publisher.close()
        followed = await asyncio.wait_for(task, DEADLINE_S)
        assert [event.kind for event in followed if event.subscriber == one.id] == [
            *OF_LIFE[:2],
            EventKind.SUBSCRIBER_EVICTED,
        ]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("subscriber", "reason", "error", "text"),
    [
        ("7", "", TypeError, "subscriber must be the id that subscribers"),
        (True, "", TypeError, "not bool"),
        (7, b"x", TypeError, "reason must be a str, not bytes"),
        (7, "a\nb", ValueError, "cannot be shown"),
        (7, "x" * 257, ValueError, "takes 257 bytes of UTF-8, 256 are allowed"),
    ],
)
def test_what_names_no_subscriber_is_refused(
    subscriber: object, reason: object, error: type[Exception], text: str
) -> None:
    with (
        Publisher(ENDPOINT, workers=1, log_bytes=1 << 20) as publisher,
        pytest.raises(error, match=text),
    ):
        publisher.disconnect(subscriber, reason)  # type: ignore[arg-type]


def test_a_forked_child_is_told_at_once_and_takes_nothing_from_its_parent() -> None:
    with Publisher(workers=1, log_bytes=1 << 20) as publisher:
        events = publisher.events()
        child = os.fork()
        if not child:
            try:
                for use in (
                    lambda: next(events),
                    publisher.events,
                    lambda: publisher.disconnect(1),
                ):
                    with pytest.raises(ForkedError):
                        use()
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        publisher.close()
        assert all(event.kind is EventKind.WORKER_STARTED for event in events)


def test_an_iterator_that_is_dropped_is_forgotten() -> None:
    with Publisher(ENDPOINT, workers=1, log_bytes=1 << 20) as publisher:
        announcer = publisher._engine._announcer
        events = publisher.events()
        assert len(announcer._readers) == 1
        del events
        with RawPeer.version_3(publisher.endpoints[0], b"a"):
            wait_until(lambda: not announcer._readers, "the next event")


TOP = (sys.executable, "-m", "fanout", "top")
LOSERS = 1_000
LINES_MAX = 60  # tens: the first few of each kind and their summaries, on a slow machine too


@pytest.mark.unmeasured
def test_a_thousand_that_lose_at_full_rate_are_tens_of_lines_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Real sockets that never read: the callback hears of each of them, people read a summary.

    `fanout top` shows them all.
    """
    raise_descriptor_limit()
    caplog.set_level(logging.INFO, "fanout")
    happenings = Happenings()
    with (
        ExitStack() as peers,
        Publisher(
            ENDPOINT,
            workers=1,
            log_bytes=1 << 16,
            kernel_queue_bytes=4096,
            send_timeout=600,
            stall_timeout=600,
            tcp_user_timeout=600,
            on_event=happenings,
        ) as publisher,
    ):
        for _ in range(LOSERS):
            peer = peers.enter_context(RawPeer(publisher.endpoints[0], receive_buffer=4096))
            peer.send(greeting_3(1) + READY_SUB + command(b"SUBSCRIBE", b"a"))
        publisher.wait_for_subscribers(LOSERS, topic=b"a", timeout=DEADLINE_S)
        while len(happenings.of(EventKind.SUBSCRIBER_DROPPED)) < LOSERS:
            for _ in range(1_000):
                publisher.publish(b"a", bytes(100))
        lost = publisher.statistics().dropped
        shown = json.loads(
            subprocess.check_output(
                [*TOP, "--once", "--json", "--interval", "0", "--pid", str(os.getpid())],
                cwd=ROOT,
                timeout=DEADLINE_S,
            )
        )["subscribers"]
        peers.close()  # or the end would wait for them
        wait_until(lambda: not publisher.statistics().subscribers, "all have left")

    told = happenings.of(EventKind.SUBSCRIBER_DROPPED)
    assert {event.subscriber for event in told} == {one["id"] for one in shown}
    assert len(shown) == LOSERS
    assert all(one["dropped"] > 0 for one in shown)
    assert lost > 10 * LOSERS
    assert not happenings.of(EventKind.SUBSCRIBER_EVICTED)
    lines = [record.getMessage() for record in caplog.records if record.name == "fanout"]
    assert any("has lost" in line for line in lines)
    assert 2 <= len(lines) < LINES_MAX, lines
