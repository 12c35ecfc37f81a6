"""Rows: what a reader finds of each subscriber and each worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from fanout.reasons import DROPPING
from fanout.shm.clock import age_of
from fanout.shm.worker_slot import NO_TAIL, WorkerSlot, WorkerState
from fanout.statistics import ClosedSubscriber, SubscriberStatistics, WorkerStatistics

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fanout.shm.cards import Identity
    from fanout.shm.clock import Note
    from fanout.shm.closed import End
    from fanout.shm.segment import Segment
    from fanout.shm.subscriber_slot import Checkpoint


def by_reason(dropped: int, *others: int) -> dict[str, int]:
    """What was dropped for each reason, by its label.

    Args:
        others: for each of `DROPPING` but the first, which has what these leave.
    """
    counts = dropped - sum(others), *others
    return {reason.label: count for reason, count in zip(DROPPING, counts, strict=True)}


class SubscriberRow(NamedTuple):
    """Who a connection is, and where its stream stood when its worker last wrote it down."""

    identity: Identity
    checkpoint: Checkpoint  # zeros while no worker has taken it

    @property
    def half_open(self) -> bool:
        """Whether its handshake is not done yet."""
        return not self.identity.version

    def statistics(
        self,
        position: int,
        now: int,
        notes: Sequence[Note] = (),
        holding: Collection[int] = (),
    ) -> SubscriberStatistics:
        """The same as users know it.

        Args:
            position: bytes committed to the log.
            now: monotonic ns.
            notes: when the log was how long, if anything is queued.
            holding: for whom the publisher waits.
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
            conflated=it.conflated,
            discarded=0,
            matched_bytes=it.matched_bytes,
            sent_bytes=it.sent_bytes,
            queued_bytes=it.queued_bytes,
            dropped_bytes=it.dropped_bytes,
            conflated_bytes=it.conflated_bytes,
            discarded_bytes=0,
            dropped_by=by_reason(it.dropped, it.dropped_messages, it.dropped_age, it.dropped_log),
            dropped_bytes_by=by_reason(
                *(it.dropped_bytes, it.dropped_messages_bytes),
                *(it.dropped_age_bytes, it.dropped_log_bytes),
            ),
            lag_bytes=max(0, position - it.position) if since else 0,
            blocked_s=(now - since) / 1e9 if since else 0.0,
            age_s=age_of(it.oldest, notes, now) / 1e9 if it.queued else 0.0,
            kernel_bytes=it.kernel_bytes,
            rate=it.rate,
            rate_bytes=it.rate_bytes,
            policy=who.slow_policy,
            chosen_by=who.chosen_by,
            name=who.name,
            user=who.user,
            holds=who.subscriber in holding,
        )


def closed_of(end: End, now: int, clock: float) -> ClosedSubscriber:
    """An end as users know it.

    Args:
        now: monotonic ns.
        clock: Unix time, at the same instant.
    """
    half = len(end.drops) // 2
    return ClosedSubscriber(
        id=end.subscriber,
        peer=end.peer,
        worker=end.worker,
        version=end.version,
        name=end.name,
        cause=end.reason,
        reason=end.text,
        connected_s=(end.closed - end.opened) / 1e9,
        ended=clock - (now - end.closed) / 1e9,
        matched=end.matched,
        sent=end.sent,
        dropped=end.dropped,
        conflated=end.conflated,
        discarded=end.discarded,
        matched_bytes=end.matched_bytes,
        sent_bytes=end.sent_bytes,
        dropped_bytes=end.dropped_bytes,
        conflated_bytes=end.conflated_bytes,
        discarded_bytes=end.discarded_bytes,
        dropped_by=by_reason(end.dropped, *end.drops[:half]),
        dropped_bytes_by=by_reason(end.dropped_bytes, *end.drops[half:]),
        kernel_bytes=end.kernel_bytes,
        exact=end.exact,
        policy=end.policy,
        chosen_by=end.chosen_by,
        user=end.user,
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
    conflated: int
    matched_bytes: int
    dropped_bytes: int
    conflated_bytes: int
    discarded_bytes: int
    unrecorded: int
    replayed: int
    from_snapshot: int
    keyframes_lost: int
    in_snapshot: int

    @property
    def is_retired(self) -> bool:
        """Whether it is not wanted any more: of it there are only totals."""
        return self.state is WorkerState.RETIRED

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
            conflated=slot.conflated,
            matched_bytes=slot.matched_bytes,
            dropped_bytes=slot.dropped_bytes,
            conflated_bytes=slot.conflated_bytes,
            discarded_bytes=slot.discarded_bytes,
            unrecorded=slot.unrecorded,
            replayed=slot.replayed,
            from_snapshot=slot.from_snapshot,
            keyframes_lost=slot.keyframes_lost,
            in_snapshot=slot.in_snapshot,
        )

    def statistics(self) -> WorkerStatistics:
        """The same as users know it."""
        return WorkerStatistics(
            *(self.index, self.pid, self.subscribers, self.restarts, self.unrecorded)
        )
