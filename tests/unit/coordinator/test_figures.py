"""Statistics of one subscriber, out of its slot, whatever state its worker left it in."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from fanout.coordinator.figures import final_of, free, snapshot
from fanout.coordinator.roster import Connection
from fanout.shm import layout as at
from fanout.shm.segment import Segment
from fanout.shm.slots import subscriber_slot
from fanout.workers.connections.peer import Peer
from tests.helpers.limits import LIMITS
from tests.helpers.log import SMALL

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECTION = Connection(7, 2, 1, "peer:1", "tcp://x", True, "3.1")


@pytest.fixture
def segment() -> Iterator[Segment]:
    segment = Segment.create(SMALL)
    slot = subscriber_slot(segment, CONNECTION.slot)
    slot[at.S_VERSION], slot[at.S_ID] = 2, 7
    slot[at.S_MATCHED], slot[at.S_SENT], slot[at.S_DROPPED] = 100, 60, 30
    slot[at.S_SENT_BYTES], slot[at.S_POSITION] = 6_000, 8_000
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
    subscriber_slot(segment, CONNECTION.slot)[at.S_BLOCKED_SINCE] = since

    figures = snapshot(segment, CONNECTION, 3, 9_000)

    assert figures.lag_bytes == 1_000
    assert figures.blocked_s >= 2.0


def test_a_slot_of_another_subscriber_says_nothing_of_this_one(segment: Segment) -> None:
    subscriber_slot(segment, CONNECTION.slot)[at.S_ID] = 6

    figures = snapshot(segment, CONNECTION, 0, 9_000)

    assert (figures.matched, figures.sent, figures.queued, figures.sent_bytes) == (0, 0, 0, 0)


@pytest.mark.parametrize("version", [2, 3])
def test_what_a_dead_worker_had_not_sent_is_discarded(segment: Segment, version: int) -> None:
    """With an odd version it died in the middle of an update."""
    slot = subscriber_slot(segment, CONNECTION.slot)
    slot[at.S_VERSION] = version

    final = final_of(segment, CONNECTION, "its worker was lost", evicted=True)

    assert (final.matched, final.sent, final.dropped, final.discarded) == (100, 60, 30, 10)
    assert (final.evicted, final.reason) == (True, "its worker was lost")


def test_a_free_slot_is_nobodys(segment: Segment) -> None:
    free(segment, CONNECTION)

    slot = subscriber_slot(segment, CONNECTION.slot)
    assert (slot[at.S_ID], slot[at.S_VERSION]) == (0, 0)


def test_what_a_worker_has_closed_is_known_until_it_is_told(segment: Segment) -> None:
    """It may die before its report is out."""
    theirs, ours = socket.socketpair()
    peer = Peer(7, subscriber_slot(segment, CONNECTION.slot), ours, LIMITS, 0)
    peer.member.matched, peer.member.sent, peer.member.dropped = 20, 15, 3
    peer.checkpoint(0)

    peer.close()
    theirs.close()

    final = final_of(segment, CONNECTION, "its worker was lost", evicted=True)
    assert (final.matched, final.sent, final.dropped, final.discarded) == (20, 15, 3, 2)
