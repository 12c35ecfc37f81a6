"""What the coordinator writes into shared memory, for readers that do not ask it.

Who each subscriber is, how the last connections ended, where each worker is in its life, and when
the log was how long. Its thread writes, any process reads, also while this one hangs.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fanout.basics.units import NS
from fanout.control.messages import Closed
from fanout.coordinator.expiring import Expiring
from fanout.coordinator.lost import NOTHING_LATER, Unreported
from fanout.reasons import Reason
from fanout.shm.cards import CHOSEN_BY, Card, Cards, Identity
from fanout.shm.clock import Clock, Note, is_due
from fanout.shm.closed import ClosedRing, End
from fanout.shm.fence import keep_order
from fanout.shm.header import Header
from fanout.shm.last_known import last_known
from fanout.shm.reader import LogReader
from fanout.shm.stream_record import StreamSlot
from fanout.shm.subscriber_slot import SubscriberSlot
from fanout.shm.worker_slot import WorkerSlot
from fanout.terms.slow_policy import policy_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.coordinator.ledger import Ledger
    from fanout.coordinator.lives import Life
    from fanout.coordinator.roster import Accepted
    from fanout.shm.segment import Segment
    from fanout.shm.subscriber_slot import Checkpoint
    from fanout.terms.slow_policy import SlowPolicy


class Figures:
    """The coordinator's part of the shared memory; its thread's alone.

    Args:
        ledger: of the same segment.
        policy: what happens to subscribers for which nothing else is chosen.
        max_age: seconds for which messages are last values, 0 = for ever.
        clock: monotonic ns.
    """

    def __init__(
        self,
        segment: Segment,
        ledger: Ledger,
        policy: SlowPolicy,
        max_age: float = 0.0,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._now = clock
        self._segment = segment
        self._ledger = ledger
        self._policy = policy
        self._header = Header(segment)
        self._log = LogReader(segment)
        self._clock = Clock(segment)
        self._ring = ClosedRing(segment)
        self._cards = Cards(segment)
        self._last_note: Note | None = None
        self._expiring = Expiring(int(max_age * NS))

    def turned(self, now: int) -> None:
        """The coordinator is alive at this time, in monotonic ns; the log is so long, if it is due.

        It has a turn each half second at least.
        """
        self._header.heartbeat = now
        expired = self._expiring.expired(self._header.head, now)
        if expired is not None:
            self._header.expired = expired
        if not is_due(self._last_note, self._header.head, now):
            return
        head, position = self._log.length()
        # The time is that after the look: no message is taken for older than it is, though others
        # have had the processor meanwhile.
        self._last_note = Note(max(now, self._now()), head, position)
        self._clock.add(self._last_note)

    def worker(self, life: Life, pid: int) -> None:
        """Say where a worker is in its life.

        Args:
            pid: of its process, 0 = none runs.
        """
        slot = WorkerSlot(self._segment, life.index)
        if pid and pid != slot.pid:
            slot.started = time.monotonic_ns()
        slot.pid = pid
        slot.state = life.state
        slot.restarts = max(0, life.restarts)

    # Connections.

    def admitted(self, connection: Accepted) -> None:
        """A connection has a slot; say who it is before its worker takes the slot."""
        Card(self._segment, connection.slot).write(
            Identity(
                subscriber=connection.subscriber,
                worker=connection.worker,
                version=connection.version or "",
                slow_policy=self._policy,
                since=time.monotonic_ns(),
                subscriptions=0,
                peer=connection.peer,
                endpoint=connection.endpoint,
            )
        )

    def connected(self, connection: Accepted) -> None:
        """Its handshake is done; or another worker serves it."""
        self._cards.note_worker(connection.slot, connection.worker)
        self._cards.note_version(connection.slot, connection.version or "")

    def chosen(self, connection: Accepted, name: str, policy: SlowPolicy, chosen_by: str) -> None:
        """It is called so, and has this policy, which was chosen by one of `cards.CHOSEN_BY`."""
        Card(self._segment, connection.slot).chosen(name, policy, chosen_by)

    def judged(self, connection: Accepted) -> None:
        """It has proven who it is."""
        Card(self._segment, connection.slot).judged(connection.user)

    def subscribed(self, connection: Accepted, count: int) -> None:
        """It has so many distinct subscriptions."""
        self._cards.note_subscriptions(connection.slot, count)

    def ended(self, connection: Accepted, closed: Closed, *, exact: bool = True) -> None:
        """Book the end of a connection, and free its card and its slot.

        A reader sees from the header that this is under way, so that for it, too, somebody who
        leaves is either connected or has left.
        """
        card = Card(self._segment, connection.slot)
        # Who never became a subscriber has no place among the ends: strangers could push out those
        # about whom somebody asks.
        end = None if connection.version is None else self._end_of(connection, card, closed)
        number = self._header.ends_booked + 1
        self._header.ends_begun = number
        keep_order()
        self._ledger.close(connection, closed, exact=exact)
        card.free()
        keep_order()  # or somebody would seem to be connected and to have been sent nothing
        SubscriberSlot(self._segment, connection.slot).free()
        if end is not None:
            self._ring.add(end)
        keep_order()
        self._header.ends_booked = number

    def _end_of(self, connection: Accepted, card: Card, closed: Closed) -> End:
        identity = card.read()
        policy, chosen_by = self._went_by(identity, closed)
        now = time.monotonic_ns()
        return End(
            subscriber=closed.subscriber,
            worker=connection.worker,
            opened=now if identity is None else identity.since,
            closed=now,
            reason=Reason.of(closed.cause),
            matched=closed.matched,
            sent=closed.sent,
            dropped=closed.dropped,
            discarded=closed.discarded,
            kernel_bytes=closed.kernel_bytes,
            peer=connection.peer,
            text=closed.reason,
            version=connection.version or "",
            name="" if identity is None else identity.name,
            matched_bytes=closed.matched_bytes,
            sent_bytes=closed.sent_bytes,
            dropped_bytes=closed.dropped_bytes,
            discarded_bytes=closed.discarded_bytes,
            conflated=closed.conflated,
            conflated_bytes=closed.conflated_bytes,
            drops=(
                *(closed.dropped_messages, closed.dropped_age, closed.dropped_log),
                closed.dropped_messages_bytes,
                *(closed.dropped_age_bytes, closed.dropped_log_bytes),
            ),
            exact=closed.exact and not closed.uncounted,
            policy=policy,
            chosen_by=chosen_by,
            user=connection.user,
        )

    def _went_by(self, identity: Identity | None, closed: Closed) -> tuple[SlowPolicy, str]:
        """The policy by which it was served in the end, and who has chosen that.

        Another one may have been chosen for it since, of which its worker had not heard yet. If the
        worker cannot tell, it is the one that was chosen.
        """
        if identity is None:
            return self._policy, CHOSEN_BY[0]
        went_by = policy_in(closed.policy) if closed.policy else self._policy
        if not closed.chosen_by or went_by == identity.slow_policy:
            return identity.slow_policy, identity.chosen_by
        return went_by, closed.chosen_by


def final_of(
    segment: Segment,
    connection: Accepted,
    cause: Reason,
    later: Unreported = NOTHING_LATER,
    *,
    evicted: bool,
) -> Closed:
    """The last figures of a subscriber whose worker cannot report them any more.

    They are those of its last checkpoint, or record, with what has come `later`. Of a checkpoint
    that was cut short, if there is no record, some words may be newer than others: it still adds
    up. What its address owes is not among them.
    """
    slot = SubscriberSlot(segment, connection.slot)
    last = last_known(segment, connection.slot, connection.subscriber)
    sent, sent_bytes = last.sent + later.sent, last.sent_bytes + later.sent_bytes
    matched = max(last.matched, last.matched - last.queued) + later.matched
    matched_bytes = max(last.matched_bytes, last.matched_bytes - last.queued_bytes)
    matched_bytes += later.matched_bytes
    has_more = bool(last.uncounted) or _is_replayed(segment, connection, last)
    discarded = matched - sent - last.dropped - last.conflated
    discarded_bytes = matched_bytes - sent_bytes - last.dropped_bytes - last.conflated_bytes
    return Closed(
        subscriber=connection.subscriber,
        evicted=evicted,
        cause=cause.number,
        reason=cause.text + later.doubt,
        matched=matched,
        sent=sent,
        dropped=last.dropped,
        discarded=discarded,
        kernel_bytes=0,
        matched_bytes=matched_bytes,
        sent_bytes=sent_bytes,
        dropped_bytes=last.dropped_bytes,
        discarded_bytes=discarded_bytes,
        conflated=last.conflated,
        conflated_bytes=last.conflated_bytes,
        dropped_messages=last.dropped_messages,
        dropped_age=last.dropped_age,
        dropped_messages_bytes=last.dropped_messages_bytes,
        dropped_age_bytes=last.dropped_age_bytes,
        dropped_log=last.dropped_log,
        dropped_log_bytes=last.dropped_log_bytes,
        uncounted=has_more,
        # Of what it was to be sent after that checkpoint nobody knows what it was sent.
        exact=later.complete and not (later.doubt or discarded or has_more or slot.is_torn),
    )


def _is_replayed(segment: Segment, connection: Accepted, last: Checkpoint) -> bool:
    """Whether it had not come to the end of a replay, of which nobody has counted the rest.

    Who replays everything is among them, though that is counted when it is asked for.
    """
    record = StreamSlot(segment, connection.slot).read(connection.subscriber)
    return record is not None and record.wanted_from > max(record.following, last.sequence)
