"""Workers are killed in the middle of chains of deltas: whoever gets them goes on where it was."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from fanout import EventKind, LastValues, Publisher
from fanout.coordinator.takeovers import MAY_HAVE_SENT
from tests.helpers.happenings import Happenings
from tests.helpers.raw import RawPeer
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MIB = 1024 * 1024
TOPICS = (b"book.A", b"book.B")
DELTAS = 1_000  # of each topic: far more than the kernel holds of a stream
DELTA = bytes(2_000)
LIVE = 20
KERNEL_BYTES = 64 * 1024  # less, and a busy machine takes a minute to pass all of it on


def publish(publisher: Publisher, topic: bytes, number: int, *, keyframe: bool = False) -> None:
    publisher.publish(topic, b"%d:" % number + DELTA, keyframe=keyframe, timeout=DEADLINE_S)


def publish_all(publisher: Publisher, several: Iterable[int], *, keyframe: bool = False) -> None:
    """Each of these on every topic."""
    for number in several:
        for topic in TOPICS:
            publish(publisher, topic, number, keyframe=keyframe)


def numbers(peer: RawPeer, count: int) -> list[int]:
    """Of the next messages."""
    return [int(peer.read_message()[1].partition(b":")[0]) for _ in range(count)]


def is_settled(publisher: Publisher, count: int) -> bool:
    """Whether of so many it is known whether they go on."""
    totals = publisher.statistics()
    return totals.resumed + totals.not_resumed >= count


def kill_all_workers(publisher: Publisher, happenings: Happenings) -> int:
    """Until it is known; returns how many of them served somebody."""
    served = {one.worker for one in publisher.subscribers()}
    for worker in publisher.statistics().workers:
        os.kill(worker.pid, signal.SIGKILL)
    lost = EventKind.WORKER_LOST
    wait_until(lambda: len(happenings.of(lost)) >= len(served), "that they are missed")
    return len(served)


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_who_is_in_the_middle_of_a_chain_goes_on_when_its_worker_is_killed(
    transport: str, tmp_path: Path
) -> None:
    """But for one of each lost worker on a Unix socket: that to which it was just sending."""
    happenings = Happenings()
    endpoint = "tcp://127.0.0.1:*" if transport == "tcp" else f"ipc://{tmp_path}/feed"
    with (
        Publisher(
            endpoint,
            workers=2,
            log_bytes=32 * MIB,
            replay_bytes=16 * MIB,
            kernel_queue_bytes=KERNEL_BYTES,
            last_values=LastValues(),
            on_event=happenings,
        ) as publisher,
        ExitStack() as peers,
    ):
        publish(publisher, TOPICS[0], -1, keyframe=True)  # not the last one
        publish_all(publisher, [0], keyframe=True)
        publish_all(publisher, range(1, DELTAS + 1))
        (where,) = publisher.endpoints
        ones = [
            peers.enter_context(RawPeer.version_3(where, topic, receive_buffer=KERNEL_BYTES))
            for topic in (*TOPICS, b"book.")
        ]
        publisher.wait_for_subscribers(len(ones), timeout=DEADLINE_S)
        assert [numbers(one, 2) for one in ones] == [[0, 1], [0, 1], [0, 0]]
        assert all(one.sent < DELTAS for one in publisher.subscribers()), "in the middle"
        served = kill_all_workers(publisher, happenings)
        publish_all(publisher, range(DELTAS + 1, DELTAS + 1 + LIVE))

        last = DELTAS + LIVE
        single, both = [*range(2, last + 1)], [*sorted([*range(1, last + 1)] * len(TOPICS))]
        wait_until(lambda: is_settled(publisher, len(ones)), "that all have another worker")
        lost = publisher.statistics().not_resumed
        evicted = happenings.wait_for(EventKind.SUBSCRIBER_EVICTED, lost)
        closed = {event.subscriber for event in evicted}
        for number, (one, left) in enumerate(zip(ones, (single, single, both), strict=True), 1):
            if number not in closed:
                assert numbers(one, len(left)) == left
        assert {event.reason.partition("; ")[2] for event in evicted} <= {MAY_HAVE_SENT}
        assert len(closed) <= (0 if transport == "tcp" else served)
        assert publisher.drain(DEADLINE_S) == ()
        totals = publisher.statistics()
        assert (totals.keyframes_lost, totals.dropped) == (0, 0)
        assert totals.past_inexact == served, "they say what may be off"
        assert totals.matched == totals.sent + totals.discarded
