"""What the slots say of subscribers, as frozen snapshots."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fanout.control.messages import Closed
from fanout.shm.subscriber_slot import SubscriberSlot
from fanout.statistics import SubscriberStatistics

if TYPE_CHECKING:
    from fanout.coordinator.roster import Accepted
    from fanout.reasons import Reason
    from fanout.shm.segment import Segment


def snapshot(
    segment: Segment, connection: Accepted, subscriptions: int, position: int
) -> SubscriberStatistics:
    """The figures of one subscriber.

    Args:
        subscriptions: how many distinct ones it has.
        position: bytes committed to the log.
    """
    now = SubscriberSlot(segment, connection.slot).read(connection.subscriber)
    since = now.blocked_since
    return SubscriberStatistics(
        id=connection.subscriber,
        peer=connection.peer,
        endpoint=connection.endpoint,
        worker=connection.worker,
        version=connection.version or "",
        subscriptions=subscriptions,
        matched=now.matched,
        sent=now.sent,
        queued=now.queued,
        dropped=now.dropped,
        discarded=0,
        sent_bytes=now.sent_bytes,
        lag_bytes=max(0, position - now.position) if since else 0,
        blocked_s=(time.monotonic_ns() - since) / 1e9 if since else 0.0,
    )


def final_of(segment: Segment, connection: Accepted, cause: Reason, *, evicted: bool) -> Closed:
    """The last figures of a subscriber whose worker cannot report them any more.

    They are those of its last checkpoint; what its worker did after that is counted as discarded.
    """
    last = SubscriberSlot(segment, connection.slot).read(connection.subscriber)
    return Closed(
        subscriber=connection.subscriber,
        evicted=evicted,
        cause=cause.number,
        reason=cause.text,
        matched=last.matched,
        sent=last.sent,
        dropped=last.dropped,
        discarded=last.queued,
        kernel_bytes=0,
    )


def free(segment: Segment, connection: Accepted) -> None:
    """Empty the slot of a connection that its worker has closed, or that has lost its worker."""
    SubscriberSlot(segment, connection.slot).free()
