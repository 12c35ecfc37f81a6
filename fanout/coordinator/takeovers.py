"""Takeovers: connections of lost workers go on with others. Pure.

A worker that is lost leaves connections that another one can go on with: the kernel keeps them, we
have a duplicate of each, and in shared memory there is a record of where its stream stands. Such a
connection is an *orphan* until some worker can take it over: one of the others, or at the latest
the one that is started in the lost one's place. It is *handed on* to that one then, and is served
once that worker says that it goes on; if that worker is lost before, it is an orphan again. The
log is held for all of them, from the oldest message on that any needs.

What cannot go on is ended and counted like everything that a lost worker leaves; see `wrecks.py`.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from fanout.reasons import Reason
from fanout.shm.stream_record import Kind
from fanout.shm.worker_slot import NO_TAIL

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from fanout.control.messages import Evict
    from fanout.coordinator.answers import Flag
    from fanout.coordinator.changes import Changes
    from fanout.coordinator.roster import Accepted
    from fanout.shm.stream_record import StreamRecord

HANDED_AT_ONCE = 64  # connections in a turn: others have theirs in between
REFUSALS_MAX = 8  # of workers that had no room for one; with all asked twice it has no use
REFUSED_PAUSE = 0.5  # seconds until one that had none is asked again; others may leave it meanwhile
OWN_ENDS_MAX = 3  # of workers that had a connection, in a row: then it may be what ends them
MAY_HAVE_SENT = "how much it was sent over ipc is not known"
ENDS_WORKERS = f"{OWN_ENDS_MAX} workers in a row ended while they had it"
OWN_ENDS_WITHIN = 30.0  # seconds; for longer a worker has served it well


def _never(_connection: Accepted) -> bool:
    return False


@dataclass(slots=True)
class Orphan:
    """A connection that no worker serves, or that is handed on."""

    connection: Accepted
    needed: int  # the message from which on it needs the log; NO_TAIL = it does not
    first: int  # the message from which on it may not have been sent what it wants
    since: float  # seconds, from when on no worker serves it
    target: int | None = None  # the worker that is to go on with it, if it serves
    quiet: bool = False  # its worker has given it up, and its record says all
    # How its boxes go on, if it is sealed: secret, and never for two workers that may use it.
    boxes: list[bytes] = field(default_factory=list, repr=False)
    debt: int | None = None  # what its address owes, as its worker said when it gave it up
    source: int | None = None  # the worker that was asked to give it up
    refusals: Counter[int] = field(default_factory=Counter)  # by worker: it had no room for it
    again_at: float = 0.0  # seconds; when it is to be handed on

    def to_ask(self, ready: Collection[int], serving: Collection[int]) -> list[int]:
        """Of these workers, those of whom one is to go on with it.

        Args:
            ready: that take connections.
            serving: who is about to end, too: it takes back what it has given up.
        """
        able = serving if self.target == self.source else ready
        if self.target is not None and self.target in able:
            return [self.target]
        fewest = min(self.refusals[worker] for worker in ready)
        return [worker for worker in ready if self.refusals[worker] == fewest]


@dataclass(slots=True)
class Sorted:
    """What can become of the connections of a lost worker."""

    orphans: list[Orphan]
    others: list[Accepted]
    why: dict[int, str] = field(default_factory=dict)  # of the others, by subscriber, for people


@dataclass(slots=True)
class Takeovers:
    """The orphans, and those that are handed on; the coordinator's thread.

    Attributes:
        leaving: those whose workers serve them, and were asked to give them up.
        waiting: orphans by subscriber, in the order in which they are to be handed on.
        handed: those that are handed on, and were not heard of yet.
        ending: those that cannot go on after all, until they are counted and ended.
        asked: who asks for exact figures waits until all go on.
        evicts: who is to be ended, until it is: its worker may be lost before it has read that.
    """

    leaving: dict[int, Orphan] = field(default_factory=dict)
    waiting: dict[int, Orphan] = field(default_factory=dict)
    handed: dict[int, Orphan] = field(default_factory=dict)
    ending: dict[int, Orphan] = field(default_factory=dict)
    asked: list[Flag] = field(default_factory=list)
    evicts: dict[int, Evict] = field(default_factory=dict)
    _own_ends: dict[int, tuple[int, float]] = field(default_factory=dict)

    @property
    def pending(self) -> bool:
        """Whether any connection is not served, or is about to be given up."""
        return bool(self.leaving or self.waiting or self.handed)

    def knows(self, subscriber: int) -> bool:
        """Whether this connection is on its way from one worker to another, or to its end."""
        orphans = self.leaving, self.waiting, self.handed, self.ending
        return any(subscriber in some for some in orphans)

    @property
    def needed(self) -> int:
        """The oldest message that the log must keep for them; NO_TAIL = none."""
        orphans = [*self.leaving.values(), *self.waiting.values()]
        orphans += [*self.handed.values(), *self.ending.values()]
        return min([orphan.needed for orphan in orphans], default=NO_TAIL)

    def sort(
        self,
        connections: Iterable[Accepted],
        record_of: Callable[[Accepted], StreamRecord | None],
        changes: Changes,
        tail: int,
        now: float,
        *,
        own: bool,
        resuming: int = 0,
        may_have_sent: Callable[[Accepted], bool] = _never,
    ) -> Sorted:
        """The worker of these connections is lost: who of them can go on?

        Args:
            tail: of that worker.
            now: seconds.
            own: it has ended for a reason of its own, and not because somebody has killed it.
            resuming: the subscriber with whom it was just about to go on: then it was that one who
                has ended it, and none of the others; 0 = nobody.
            may_have_sent: whether nobody knows how much a connection was sent; of one at most.
        """
        found = Sorted([], [])
        for connection in connections:
            before = self.handed.pop(connection.subscriber, None)
            leaving = self.leaving.pop(connection.subscriber, None)
            is_named = resuming in (0, connection.subscriber)
            is_suspect = own and is_named and self._is_suspect(connection.subscriber, now)
            record = record_of(connection)
            why = ENDS_WORKERS if is_suspect else _why_not(connection, record, changes)
            if why is None and may_have_sent(connection):
                why = MAY_HAVE_SENT
            if why is not None or record is None:
                found.others.append(connection)
                found.why[connection.subscriber] = why or ""
                if before is not None:  # what it is owed from there on is counted in the log
                    self.ending[connection.subscriber] = before
                continue
            needed = record.needed if before is None else min(record.needed, before.needed)
            orphan = Orphan(connection, needed, max(needed, tail), now)
            if before is not None:
                orphan.first = before.first
            if leaving is not None:
                orphan.target = leaving.target
            found.orphans.append(orphan)
            self._spare(connection.subscriber)
        for orphan in found.orphans:
            self.waiting[orphan.connection.subscriber] = orphan
        return found

    def given_up(
        self,
        subscriber: int,
        record: StreamRecord | None,
        changes: Changes,
        now: float,
        *,
        debt: int,
        boxes: list[bytes],
    ) -> tuple[Orphan, str | None] | None:
        """The worker of this connection serves it no more: it is an orphan from now on.

        Args:
            boxes: how its boxes go on, if it is sealed; secret.

        Returns:
            That, with why nobody can go on with it, for people; None = it is not known (any more).
        """
        orphan = self.leaving.pop(subscriber, None)
        if orphan is None:
            return None
        connection = orphan.connection
        why = _why_not(connection, record, changes, boxes)
        orphan.quiet, orphan.debt, orphan.since, orphan.boxes = True, debt, now, boxes
        if record is not None:
            orphan.needed = orphan.first = record.needed
        if why is None:
            self.waiting[subscriber] = orphan
            self._spare(subscriber)
        return orphan, why

    def to_hand_on(self, now: float) -> Iterator[Orphan]:
        """The next orphans; each is handed on by `hand_on()`, or stays one."""
        due = (orphan for orphan in self.waiting.values() if orphan.again_at <= now)
        yield from list(islice(due, HANDED_AT_ONCE))

    @property
    def next_at(self) -> float:
        """Seconds; when the next is to be handed on."""
        return min([orphan.again_at for orphan in self.waiting.values()], default=math.inf)

    def hand_on(self, subscriber: int) -> None:
        """It is handed on."""
        self.handed[subscriber] = self.waiting.pop(subscriber)

    def went_on(self, subscriber: int) -> Orphan | None:
        """Its worker was heard of; None if it is known (any more) to nobody."""
        return self.handed.pop(subscriber, None)

    def refused(self, orphan: Orphan, worker: int, taking: Collection[int], now: float) -> bool:
        """A worker has no room for this one: it is an orphan again, unless too many had none.

        Those that were not asked are next, and first of all who has given it up.

        Args:
            taking: the workers that serve.

        Returns:
            Whether it is.
        """
        orphan.refusals[worker] += 1
        if orphan.refusals.total() >= REFUSALS_MAX:
            return False
        source = orphan.source
        orphan.target = None if source is None or orphan.refusals[source] else source
        is_new = any(not orphan.refusals[one] for one in taking)
        orphan.again_at = now if is_new else now + REFUSED_PAUSE
        self.waiting[orphan.connection.subscriber] = orphan
        return True

    def may_return(self, worker: int) -> bool:
        """Whether it may have to serve one again that it has given up."""
        gone = *self.waiting.values(), *self.handed.values()
        return any(orphan.source == worker for orphan in gone)

    def late(self, until: float) -> list[Orphan]:
        """Take out the orphans whose workers were lost before that time."""
        late = [orphan for orphan in self.waiting.values() if orphan.since < until]
        for orphan in late:
            del self.waiting[orphan.connection.subscriber]
        return late

    def note_evict(self, message: Evict) -> bool:
        """A connection is to be ended, by whichever worker has it.

        Returns:
            Whether its worker is to be told now; who gets an orphan is told then.
        """
        self.evicts[message.subscriber] = message
        return message.subscriber not in self.waiting

    def _spare(self, subscriber: int) -> None:
        """It is with that worker no more: if that was to close it, nothing is in its way."""
        evict = self.evicts.get(subscriber)
        if evict is not None and evict.cause == Reason.WORKER_RETIRED.number:
            del self.evicts[subscriber]

    def forget(self, subscriber: int) -> None:
        """The connection is ended."""
        orphans = self.leaving, self.waiting, self.handed, self.ending
        for known in (*orphans, self.evicts, self._own_ends):
            known.pop(subscriber, None)

    def _is_suspect(self, subscriber: int, now: float) -> bool:
        """Count one more worker that has ended by itself while it had this connection."""
        ends, last = self._own_ends.get(subscriber, (0, now))
        ends = 1 if now - last > OWN_ENDS_WITHIN else ends + 1
        self._own_ends[subscriber] = ends, now
        return ends >= OWN_ENDS_MAX


def _why_not(
    connection: Accepted,
    record: StreamRecord | None,
    changes: Changes,
    boxes: Sequence[bytes] = (),
) -> str | None:
    """Why another worker cannot go on with it, for people; None = it can.

    Args:
        boxes: how its boxes go on; empty = nobody knows, if it is sealed.
    """
    if connection.version is None or connection.over_limit:
        return ""  # it is not a subscriber yet, or not any more
    if connection.is_sealed and not boxes:  # whatever its record says
        return Kind.SEALED.why_not
    kind = Kind.NONE if record is None else Kind(record.kind)
    if record is None or not kind.goes_on:
        return kind.why_not
    # What it wanted since its record must be known.
    is_known = changes.are_known(connection.subscriber, record.wanted_from)
    if kind is Kind.WANTS_NOTHING or is_known:
        return None
    return "what it wanted when is not known any more"
