"""Statistics of one subscriber, out of its slot, whatever state its worker left it in."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from fanout.coordinator.figures import final_of, free, snapshot
from fanout.coordinator.roster import Accepted
from fanout.reasons import Reason
from fanout.shm import layout as at
from fanout.shm.segment import Segment
from fanout.shm.subscriber_slot import Checkpoint, SubscriberSlot
from fanout.workers.connections.peer import Peer
from fanout.zmtp import Session
from tests.helpers.limits import LIMITS
from tests.helpers.log import SMALL

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECTION = Accepted(7, 2, 1, "peer:1", "tcp://x", "zmtp", "3.1")
CHECKPOINT = Checkpoint(
    position=8_000,
    sequence=90,
    offset=0,
    matched=100,
    sent=60,
    sent_bytes=6_000,
    dropped=30,
    blocked_since=0,
    stream_bytes=6_100,
)


@pytest.fixture
def segment() -> Iterator[Segment]:
    segment = Segment.create(SMALL)
    slot = SubscriberSlot(segment, CONNECTION.slot)
    slot.take(7)
    slot.checkpoint(CHECKPOINT)
    yield segment
    segment.close()


def test_what_is_neither_sent_nor_dropped_is_queued(segment: Segment) -> None:
    figures = snapshot(segment, CONNECTION, 3, 9_000)

    assert (figures.matched, figures.sent, figures.dropped, figures.queued) == (100, 60, 30, 10)
    assert (figures.id, figures.peer, figures.worker, figures.subscriptions) == (7, "peer:1", 1, 3)
    assert figures.sent_bytes == 6_000


def test_who_takes_what_it_gets_has_no_lag(segment: Segment) -> None:
    figures = snapshot(segment, CONNECTION, 3, 9_000)

    assert (figures.lag_bytes, figures.blocked_s) == (0, 0.0)


def test_who_is_blocked_has_a_lag_and_a_time(segment: Segment) -> None:
    since = time.monotonic_ns() - 2_000_000_000
    slot = SubscriberSlot(segment, CONNECTION.slot)
    slot.checkpoint(CHECKPOINT._replace(blocked_since=since))

    figures = snapshot(segment, CONNECTION, 3, 9_000)

    assert figures.lag_bytes == 1_000
    assert figures.blocked_s >= 2.0


def test_a_slot_of_another_subscriber_says_nothing_of_this_one(segment: Segment) -> None:
    SubscriberSlot(segment, CONNECTION.slot).id = 6

    figures = snapshot(segment, CONNECTION, 0, 9_000)

    assert (figures.matched, figures.sent, figures.queued, figures.sent_bytes) == (0, 0, 0, 0)


@pytest.mark.parametrize("version", [2, 3])
def test_what_a_dead_worker_had_not_sent_is_discarded(segment: Segment, version: int) -> None:
    """With an odd version it died in the middle of an update."""
    slot = SubscriberSlot(segment, CONNECTION.slot)
    slot.words[at.S_VERSION] = version

    final = final_of(segment, CONNECTION, Reason.WORKER_LOST, evicted=True)

    assert (final.matched, final.sent, final.dropped, final.discarded) == (100, 60, 30, 10)
    assert (final.evicted, final.cause) == (True, Reason.WORKER_LOST.number)
    assert final.reason == "its worker was lost"


def test_a_free_slot_is_nobodys(segment: Segment) -> None:
    free(segment, CONNECTION)

    words = SubscriberSlot(segment, CONNECTION.slot).words
    assert (words[at.S_ID], words[at.S_VERSION]) == (0, 0)


def test_what_a_worker_has_closed_is_known_until_it_is_told(segment: Segment) -> None:
    """It may die before its report is out."""
    theirs, ours = socket.socketpair()
    peer = Peer(7, SubscriberSlot(segment, CONNECTION.slot), ours, Session(LIMITS), 0)
    peer.member.matched, peer.member.sent, peer.member.dropped = 20, 15, 3
    peer.checkpoint(0)

    peer.close()
    theirs.close()

    final = final_of(segment, CONNECTION, Reason.WORKER_LOST, evicted=True)
    assert (final.matched, final.sent, final.dropped, final.discarded) == (20, 15, 3, 2)
