"""Whatever is dropped, evicted, refused or restarted: a counter and an event agree about it."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from contextlib import ExitStack

from fanout import EventKind, Publisher, PublisherStatistics
from tests.helpers.happenings import Happenings
from tests.helpers.raw import RawPeer, command, frame
from tests.helpers.waiting import DEADLINE_S, wait_until

PAYLOAD = bytes(2000)


def name_of(peer: RawPeer) -> str:
    """What the publisher calls a peer."""
    return f"127.0.0.1:{peer.socket.getsockname()[1]}"


def be_refused(endpoint: str, happenings: Happenings) -> None:
    """Be one connection too many."""
    with RawPeer(endpoint) as refused:
        assert refused.read_to_end() == b""
        (event,) = happenings.wait_for(EventKind.CONNECTION_REFUSED)
        assert f"peer={name_of(refused)} reason='5 connections are open" in str(event)


def publish_until_evicted(publisher: Publisher, happenings: Happenings, count: int) -> None:
    """Publish what the slow one wants until so many have been evicted, for whatever reason."""
    deadline = time.monotonic() + DEADLINE_S
    while len(happenings.of(EventKind.SUBSCRIBER_EVICTED)) < count:
        assert time.monotonic() < deadline
        publisher.publish(b"t", PAYLOAD)


def strict(happenings: Happenings) -> Publisher:
    """A publisher that refuses, evicts and drops soon."""
    return Publisher(
        "tcp://127.0.0.1:*",
        workers=2,
        log_bytes=1 << 20,
        kernel_queue_bytes=4096,
        max_subscribers=5,
        max_subscriptions=3,
        send_timeout=3.0,  # long before, the log has gone round: it has lost something by then
        handshake_timeout=3.0,  # those that shake hands do it in time, on a busy machine too
        heartbeat_interval=0,
        on_event=happenings,
    )


def lose_the_worker_of(peer: RawPeer, publisher: Publisher) -> int:
    """Kill the worker of the only subscriber that is left; returns which that was.

    A part of a frame of the peer's is lost with it, so that nobody can go on with its stream.
    """
    peer.say_half()
    (subscriber,) = publisher.subscribers()
    os.kill(publisher.statistics().workers[subscriber.worker].pid, signal.SIGKILL)
    return subscriber.worker


def check_agreement(
    total: PublisherStatistics, happenings: Happenings, *, slow: str, leaver: str
) -> None:
    """Each counter has its events; only `slow` has lost messages, and only `leaver` has left."""
    evicted = happenings.of(EventKind.SUBSCRIBER_EVICTED)
    assert all(event.reason and event.subscriber for event in evicted)
    assert total.evicted == len(evicted)
    failed = happenings.of(EventKind.HANDSHAKE_FAILED)
    assert total.failed_handshakes == len(failed) == 1
    gone = happenings.of(EventKind.SUBSCRIBER_DISCONNECTED)
    assert [event.peer for event in gone] == [leaver]
    assert total.disconnected == len(gone)
    assert total.refused == len(happenings.of(EventKind.CONNECTION_REFUSED)) == 1
    assert total.accepted == len(evicted) + len(failed) + len(gone) + total.refused
    assert total.discarded == sum(event.discarded for event in (*evicted, *gone))
    dropped = {event.peer: event.dropped for event in (*evicted, *gone)}
    assert total.dropped == sum(dropped.values()) == dropped[slow] > 0
    assert [event.peer for event in happenings.of(EventKind.SUBSCRIBER_SLOW)] == [slow]
    lost = happenings.of(EventKind.WORKER_LOST)
    assert sum(worker.restarts for worker in total.workers) == len(lost) == 1
    # Only the slow one had any messages; the last were published when it had gone.
    assert 0 < total.sent + total.dropped + total.discarded <= total.published


def test_events_and_counters_agree() -> None:
    happenings = Happenings()
    with ExitStack() as stack, strict(happenings) as publisher:
        endpoint = publisher.endpoints[0]

        def join(topic: bytes, receive_buffer: int = 0) -> RawPeer:
            peer = RawPeer.version_3(endpoint, topic, receive_buffer=receive_buffer)
            return stack.enter_context(peer)

        slow, rude, healthy, leaver = join(b"t", 4096), join(b"r"), join(b"h"), join(b"l")
        half_open = stack.enter_context(RawPeer(endpoint))
        for topic in (b"t", b"r", b"h", b"l"):
            publisher.wait_for_subscribers(1, topic=topic, timeout=DEADLINE_S)
        names = [name_of(peer) for peer in (slow, rude, healthy, leaver, half_open)]

        be_refused(endpoint, happenings)
        leaver.close()
        happenings.wait_for(EventKind.SUBSCRIBER_DISCONNECTED)
        rude.send(b"".join(command(b"SUBSCRIBE", b"%d" % n) for n in range(9)) + frame(b"\x01x"))
        half_open.read_to_end()
        publish_until_evicted(publisher, happenings, 2)  # rude and slow

        victim = lose_the_worker_of(healthy, publisher)
        happenings.wait_for(EventKind.SUBSCRIBER_EVICTED, 3)
        lost = happenings.wait_for(EventKind.WORKER_LOST)
        happenings.wait_for(EventKind.WORKER_STARTED, 3)
        wait_until(lambda: publisher.statistics().subscribers == 0, "all are gone")

        check_agreement(publisher.statistics(), happenings, slow=names[0], leaver=names[3])
        evicted = happenings.of(EventKind.SUBSCRIBER_EVICTED)
        assert Counter(event.peer for event in evicted) == Counter(names[:3])  # not half open
        assert [one.peer for one in happenings.of(EventKind.HANDSHAKE_FAILED)] == names[4:]
        assert "SIGKILL" in lost[0].reason
        assert lost[0].worker == victim
