"""Rows: what a reader finds of each subscriber and each worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from fanout.shm.worker_slot import NO_TAIL, WorkerSlot, WorkerState
from fanout.statistics import SubscriberStatistics, WorkerStatistics

if TYPE_CHECKING:
    from fanout.shm.cards import Identity
    from fanout.shm.segment import Segment
    from fanout.shm.subscriber_slot import Checkpoint


class SubscriberRow(NamedTuple):
    """Who a connection is, and where its stream stood when its worker last wrote it down."""

    identity: Identity
    checkpoint: Checkpoint  # zeros while no worker has taken it

    @property
    def half_open(self) -> bool:
        """Whether its handshake is not done yet."""
        return not self.identity.version

    def statistics(self, position: int, now: int) -> SubscriberStatistics:
        """The same as users know it.

        Args:
            position: bytes committed to the log.
            now: monotonic ns.
        """
        who, it = self
        since = it.blocked_since
        return SubscriberStatistics(
            id=who.subscriber,
            peer=who.peer,
            endpoint=who.endpoint,
            worker=who.worker,
            version=who.version,
            subscriptions=who.subscriptions,
            matched=it.matched,
            sent=it.sent,
            queued=it.queued,
            dropped=it.dropped,
            discarded=0,
            sent_bytes=it.sent_bytes,
            lag_bytes=max(0, position - it.position) if since else 0,
            blocked_s=(now - since) / 1e9 if since else 0.0,
        )


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """One worker. Its totals are over all processes that it ever had."""

    index: int
    pid: int  # 0 = no process runs
    state: WorkerState
    restarts: int
    started: int  # monotonic ns; of the present process
    subscribers: int  # connections, half-open ones too
    load: int  # CPU time used in the last second, in thousandths
    heartbeat: int  # monotonic ns
    progress: int  # turns that did something or found nothing to do
    cpu_ns: int
    rss_bytes: int
    cohorts: int
    front: int  # sequence up to which every ready subscriber was served
    tail: int | None  # the oldest message that it may still read; None = it holds nothing back
    matched: int
    sent: int
    sent_bytes: int
    dropped: int
    discarded: int

    @classmethod
    def read(cls, segment: Segment, index: int) -> WorkerRow:
        """As the words stand now, each seen for itself."""
        slot = WorkerSlot(segment, index)
        tail = slot.tail
        return cls(
            index=index,
            pid=slot.pid,
            state=WorkerState(slot.state),
            restarts=slot.restarts,
            started=slot.started,
            subscribers=slot.subscribers,
            load=slot.load,
            heartbeat=slot.heartbeat,
            progress=slot.progress,
            cpu_ns=slot.cpu_ns,
            rss_bytes=slot.rss_bytes,
            cohorts=slot.cohorts,
            front=slot.front,
            tail=None if tail == NO_TAIL else tail,
            matched=slot.matched,
            sent=slot.sent,
            sent_bytes=slot.sent_bytes,
            dropped=slot.dropped,
            discarded=slot.discarded,
        )

    def statistics(self) -> WorkerStatistics:
        """The same as users know it."""
        return WorkerStatistics(self.index, self.pid, self.subscribers, self.restarts)
