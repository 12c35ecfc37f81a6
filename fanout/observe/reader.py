"""The reader: totals, workers, subscribers and ends of a publisher, out of its shared memory.

It asks nobody and takes no lock, so it answers while the publisher hangs or is stopped, and nothing
that it does can hold the publisher up. What it shows is as old as what was last written: a worker
brings the slots of its subscribers up to date each 0.1 s, and a publisher that is stopped says
nothing new (`heartbeat`).

Records that change in several stores say so, and are read again. If one stays half-written, because
its writer has died in the middle, its row is left out; the totals are then shown as they are.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from fanout.errors import ClosedError
from fanout.observe.rows import SubscriberRow, WorkerRow, by_reason, closed_of
from fanout.observe.survey import Survey
from fanout.reasons import Reason
from fanout.shm.cards import Card, Cards
from fanout.shm.clock import Clock
from fanout.shm.closed import ClosedRing
from fanout.shm.fence import keep_order
from fanout.shm.header import Header, PublisherState, SharedTotals, reason_counters
from fanout.shm.layout import CLOSED_ENTRIES, WORKERS_MAX
from fanout.shm.reader import LogReader
from fanout.shm.subscriber_slot import SubscriberSlot, SubscriberSlots
from fanout.shm.words import StuckRecord
from fanout.shm.worker_slot import WorkerSlot
from fanout.statistics import PublisherStatistics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from fanout.observe.survey import Known
    from fanout.shm.clock import Note
    from fanout.shm.closed import End
    from fanout.shm.segment import Segment
    from fanout.shm.subscriber_slot import Checkpoint
    from fanout.statistics import ClosedSubscriber, SubscriberStatistics

T = TypeVar("T")

ATTEMPTS = 100  # to read what is being changed; with the pause between them a tenth of a second
PAUSE = 0.001  # seconds: the writer is between two stores, unless it has just lost its core


def _pause() -> None:
    time.sleep(PAUSE)


_COPIED = (  # totals that are told as they stand
    *("inexact", "takeovers", "resumed", "not_resumed", "moved", "takeover_pauses"),
    "past_inexact",
    *("channel_full", "accept_pauses", "accept_queue_full", "clock_sets", "machine_sleeps"),
    *("standstills", "throttled", "half_closed", "subscriptions_refused"),
)


class Reader:
    """Reads one publisher's figures; any thread, any process.

    Args:
        segment: mapped to be read, at least up to its topics. The reader keeps it mapped, whatever
            becomes of the publisher.
        pause: lets a writer go on that is in the middle of a change.

    Attributes:
        epoch: a number for this run of the publisher; another one after each restart.

    Raises:
        ClosedError: from each method, when the publisher has ended and given its memory back.
    """

    def __init__(self, segment: Segment, pause: Callable[[], None] = _pause) -> None:
        self._segment = segment
        self._pause = pause
        self._header = Header(segment)
        self._totals = SharedTotals(segment.words)
        self._reasons = reason_counters(segment.words)
        self._cards = Cards(segment)
        self._slots = SubscriberSlots(segment)
        self._ring = ClosedRing(segment)
        self._clock = Clock(segment)
        self._log = LogReader(segment)
        self._known: Known = {}
        self._workers: list[WorkerSlot] = []  # none, until the publisher has said how many
        self.epoch = self._header.epoch

    # What the publisher is.

    @property
    def state(self) -> PublisherState:
        """Where the publisher is in its life; NONE = it has ended. It never raises.

        A publisher that was killed is in the state that it was in: see `heartbeat`, and its `pid`.
        """
        return PublisherState(self._header.state)

    @property
    def name(self) -> str:
        """What its user calls it; empty if nothing."""
        return self._header.name

    @property
    def pid(self) -> int:
        """Of its process, as that process sees itself: in a container it is another outside."""
        return self._header.pid

    @property
    def started(self) -> int:
        """Wall clock, ns since 1970."""
        return self._header.started

    @property
    def heartbeat(self) -> int:
        """Monotonic ns when its coordinator was last seen to live; it is each half second."""
        return self._header.heartbeat

    @property
    def head(self) -> int:
        """Messages committed; also the next sequence number."""
        return self._log.head()

    @property
    def log_bytes(self) -> int:
        """The size of the log."""
        return self._log.size

    @property
    def poisoned(self) -> bool:
        """Whether an interrupted send must be rolled back; for an instant it is so in each send."""
        return self._header.poison not in (0, self._header.head)

    # What it has counted.

    def totals(self) -> PublisherStatistics:
        """Totals of all connections, with the figures of those that are open in them.

        Who leaves meanwhile is counted once. Only if connections end faster than this can look, for
        a tenth of a second, some may be counted among those that are open and those that have left.
        """
        return self._valid(self._between_ends(self._look_at_totals))

    def workers(self) -> list[WorkerRow]:
        """Every worker that there ever was, by index."""
        return self._valid(
            [WorkerRow.read(self._segment, index) for index in range(len(self._worker_slots()))]
        )

    def used(self) -> list[int]:
        """The slots that connections have, in order."""
        return [index for index, subscriber in enumerate(self._cards.ids()) if subscriber]

    def rows(self, slots: Iterable[int] | None = None) -> list[SubscriberRow]:
        """Every connection by id, half-open ones too; or those that have these slots."""
        used = self.used() if slots is None else slots
        found = [row for row in map(self._row, used) if row is not None]
        return self._valid(sorted(found, key=lambda row: row.identity.subscriber))

    def subscribers(self, slots: Iterable[int] | None = None) -> tuple[SubscriberStatistics, ...]:
        """Every subscriber whose handshake is done, by id; or those that have these slots."""
        _head, position = self._log.length()
        rows = self.rows(slots)
        has_queued = any(row.checkpoint.queued for row in rows)
        notes = self._clock.notes() if has_queued else []
        now = time.monotonic_ns()
        holding = self.holding()
        there = [row for row in rows if not row.half_open]
        return tuple(row.statistics(position, now, notes, holding) for row in there)

    def holding(self) -> tuple[int, ...]:
        """Subscribers for which the publisher waits, at a limit of theirs; one of a worker."""
        return self._valid(tuple(one.holding for one in self._worker_slots() if one.holding))

    def action_of(self, slot: int, subscriber: int) -> str:
        """What happens to this one when it is behind; empty if it has left this slot."""
        return self._valid(self._cards.action_of(slot, subscriber))

    def survey(self) -> Survey:
        """Single words of every subscriber at once, for who looks at thousands each second."""
        return self._valid(Survey(self._segment, self._known))

    def log_used(self) -> int:
        """Bytes of the log that some worker may still read, or one in its place; `log_bytes` = it
        is full."""
        tails = [min(slot.tail, slot.resume) for slot in self._worker_slots()]
        head, position = self._log.length()
        low = min([*tails, self._header.hold], default=head)
        if low >= head:
            return self._valid(0)
        if head - low >= self._log.entries:
            return self._valid(self.log_bytes)
        return self._valid(min(max(0, position - self._log.start_of(low)), self.log_bytes))

    @property
    def ends_kept(self) -> int:
        """How many of the last ends of subscribers there are at most."""
        return CLOSED_ENTRIES

    def closed(self, since: int = 0) -> Iterator[tuple[int, End]]:
        """Ends of subscribers after the one of this number, each with its own, oldest first.

        The last 10,000 are kept; a gap in the numbers says that some were overwritten.
        """
        return iter(self._valid(list(self._ring.since(since))))

    def closed_subscribers(self) -> tuple[ClosedSubscriber, ...]:
        """The same as users know it."""
        now, clock = time.monotonic_ns(), time.time()
        return tuple(closed_of(end, now, clock) for _number, end in self.closed())

    def reasons(self) -> dict[Reason, int]:
        """How many connections were closed or refused for each reason."""
        return self._valid({reason: self._reasons[reason.number] for reason in Reason})

    def notes(self) -> list[Note]:
        """When the log was how long, oldest first: for rates, and `clock.age_of` a message."""
        return self._valid(self._clock.notes())

    def flushed(self) -> list[int]:
        """For each worker: everything below it was handed to the kernel. It never raises.

        That is never beyond what connections need that nobody serves at present.
        """
        # Read before and after: a connection may go from a worker to the hold, or back, in between.
        before = self._header.hold
        flushed = [slot.flushed for slot in self._worker_slots()]
        needed = min(before, self._header.hold)
        return [min(one, needed) for one in flushed]

    def _worker_slots(self) -> list[WorkerSlot]:
        count = min(self._header.workers, WORKERS_MAX)
        if len(self._workers) != count:  # there may be more than at the start
            self._workers = [WorkerSlot(self._segment, index) for index in range(count)]
        return self._workers

    def _look_at_totals(self) -> PublisherStatistics:
        published = self._log.length()
        totals, live, workers = self._totals, self._slots.sums(), self.workers()
        messages_by, bytes_by = _dropped(totals, live)
        return PublisherStatistics(
            *published,
            subscribers=self._cards.connected(),
            accepted=totals.accepted,
            refused=totals.refused,
            evicted=totals.evicted,
            disconnected=totals.disconnected,
            failed_handshakes=totals.failed_handshakes,
            matched=totals.matched + live.matched,
            matched_bytes=totals.matched_bytes + live.matched_bytes,
            sent=totals.sent + live.sent,
            sent_bytes=totals.sent_bytes + live.sent_bytes,
            queued=live.queued,
            queued_bytes=live.queued_bytes,
            dropped=totals.dropped + live.dropped,
            dropped_bytes=totals.dropped_bytes + live.dropped_bytes,
            dropped_by=messages_by,
            dropped_bytes_by=bytes_by,
            conflated=totals.conflated + live.conflated,
            conflated_bytes=totals.conflated_bytes + live.conflated_bytes,
            discarded=totals.discarded,
            discarded_bytes=totals.discarded_bytes,
            **{name: getattr(totals, name) for name in _COPIED},
            replayed=sum(row.replayed for row in workers),
            from_snapshot=sum(row.from_snapshot for row in workers),
            keyframes_lost=sum(row.keyframes_lost for row in workers),
            in_snapshot=sum(row.in_snapshot for row in workers if row.pid),
            value_topics=self._header.value_topics,
            value_bytes=self._header.values_to - self._header.values_from,
            values_evicted=self._header.values_evicted,
            held_by=self.holding(),
            compiled=bool(self._header.compiled),
            workers=tuple(row.statistics() for row in workers if not row.is_retired),
        )

    def _between_ends(self, look: Callable[[], T]) -> T:
        """What `look` finds while no end of a connection is being booked."""
        for _ in range(ATTEMPTS):
            booked = self._header.ends_booked
            keep_order()
            found = look()
            keep_order()
            if self._header.ends_begun == booked:
                return found
            self._pause()
        return found

    def _row(self, index: int) -> SubscriberRow | None:
        """Who has this slot and where it stands; None if nobody, or if that stays half-written."""
        card = Card(self._segment, index)
        slot = SubscriberSlot(self._segment, index)
        for _ in range(ATTEMPTS):
            try:
                identity = card.read()
            except StuckRecord:
                self._pause()
                continue
            if identity is None:
                return None
            checkpoint = slot.read(identity.subscriber)
            keep_order()
            if card.id == identity.subscriber:  # else the slot may have been another's already
                return SubscriberRow(identity, checkpoint)
        return None

    def _valid(self, found: T) -> T:
        if not self.epoch or self._header.epoch != self.epoch:
            raise ClosedError("this publisher has ended and given its memory back")
        return found


def _dropped(totals: SharedTotals, live: Checkpoint) -> tuple[dict[str, int], dict[str, int]]:
    """What was dropped of those who have left and of those who are there, in messages and bytes."""
    messages = by_reason(
        totals.dropped + live.dropped,
        totals.dropped_messages + live.dropped_messages,
        totals.dropped_age + live.dropped_age,
        totals.dropped_log + live.dropped_log,
    )
    size = by_reason(
        totals.dropped_bytes + live.dropped_bytes,
        totals.dropped_messages_bytes + live.dropped_messages_bytes,
        totals.dropped_age_bytes + live.dropped_age_bytes,
        totals.dropped_log_bytes + live.dropped_log_bytes,
    )
    return messages, size
