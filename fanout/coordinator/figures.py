"""What the slots say of subscribers, as frozen snapshots."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fanout.control.messages import Closed
from fanout.shm import layout as at
from fanout.shm.slots import StuckSlot, read_consistent, subscriber_slot
from fanout.statistics import SubscriberStatistics

if TYPE_CHECKING:
    from fanout.coordinator.roster import Connection
    from fanout.shm.segment import Segment


def snapshot(
    segment: Segment, connection: Connection, subscriptions: int, position: int
) -> SubscriberStatistics:
    """The figures of one subscriber.

    Args:
        subscriptions: how many distinct ones it has.
        position: bytes committed to the log.
    """
    words = _words(segment, connection)
    matched, sent, dropped = (words[i] for i in (at.S_MATCHED, at.S_SENT, at.S_DROPPED))
    since = words[at.S_BLOCKED_SINCE]
    return SubscriberStatistics(
        id=connection.subscriber,
        peer=connection.peer,
        endpoint=connection.endpoint,
        worker=connection.worker,
        version=connection.version or "",
        subscriptions=subscriptions,
        matched=matched,
        sent=sent,
        queued=matched - sent - dropped,
        dropped=dropped,
        discarded=0,
        sent_bytes=words[at.S_SENT_BYTES],
        lag_bytes=max(0, position - words[at.S_POSITION]) if since else 0,
        blocked_s=(time.monotonic_ns() - since) / 1e9 if since else 0.0,
    )


def final_of(segment: Segment, connection: Connection, reason: str, *, evicted: bool) -> Closed:
    """The last figures of a subscriber whose worker cannot report them any more.

    They are those of its last checkpoint; what its worker did after that is counted as discarded.
    """
    words = _words(segment, connection)
    matched, sent, dropped = (words[i] for i in (at.S_MATCHED, at.S_SENT, at.S_DROPPED))
    return Closed(
        subscriber=connection.subscriber,
        evicted=evicted,
        reason=reason,
        matched=matched,
        sent=sent,
        dropped=dropped,
        discarded=matched - sent - dropped,
        kernel_bytes=0,
    )


def free(segment: Segment, connection: Connection) -> None:
    """Empty the slot of a connection that its worker has closed, or that has lost its worker."""
    slot = subscriber_slot(segment, connection.slot)
    slot[at.S_ID] = 0
    slot[at.S_VERSION] = 0


def _words(segment: Segment, connection: Connection) -> list[int]:
    """The words of its slot, zeros if it has not been taken over by its worker yet."""
    slot = subscriber_slot(segment, connection.slot)
    try:
        words = read_consistent(slot)
    except StuckSlot:
        words = slot.tolist()
    if words[at.S_ID] != connection.subscriber:
        return [0] * at.SLOT_WORDS
    return words
