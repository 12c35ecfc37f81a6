"""Handing on: what workers leave or give up goes to others, slice by slice. Shell of takeovers.

Order, when a worker is lost: hold the log for what can go on, then let go of what the worker held;
say who wants what, then who goes on with it; and when that worker has said that it does, by when
its own words hold the log, let go of it. Of one that is moved the log is held from before its
worker is asked to give it up.
"""

from __future__ import annotations

import math
import os
from functools import partial
from typing import TYPE_CHECKING

from fanout.basics.descriptors import duplicate
from fanout.control.splitting import split_wants
from fanout.control.takeover import Release, Resume
from fanout.coordinator import reports
from fanout.coordinator.actions import Answer, NoteConnected, Wake, with_counts
from fanout.coordinator.copies import Copies
from fanout.coordinator.takeovers import Orphan
from fanout.shm.census import NOTHING, Amount
from fanout.shm.credit import FREE, least
from fanout.shm.fence import keep_order
from fanout.shm.header import Header
from fanout.shm.own_counts import may_have_sent
from fanout.shm.stream_record import Kind, StreamSlot
from fanout.shm.worker_slot import NO_TAIL, WorkerSlot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fanout.control.messages import Message
    from fanout.control.takeover import Released, Resumed, Wants
    from fanout.coordinator.actions import Action
    from fanout.coordinator.roster import Accepted
    from fanout.coordinator.state import State
    from fanout.coordinator.wrecks import Wrecks
    from fanout.shm.segment import Segment
    from fanout.shm.stream_record import StreamRecord

    Say = Callable[[int, Message, tuple[int, ...]], list[Action]]

SLICE = 0.01  # seconds of a turn
HOPE = 30.0  # seconds that an orphan waits for a worker or a descriptor; many times a start
MAY_SEND = "its worker may still send"


class HandingOn:
    """Gives orphans to workers that serve; on the coordinator's thread.

    Its mutable state: that of `State.takeovers`, and of the copies.

    Args:
        wrecks: ends those that cannot go on.
        say: as `Pool.say`.
        now: seconds.
        hold: has the publisher look at the credit before it publishes more.
        duplicate, close: as for `Copies`.
    """

    def __init__(
        self,
        segment: Segment,
        state: State,
        wrecks: Wrecks,
        say: Say,
        now: Callable[[], float],
        hold: Callable[[], None],
        *,
        duplicate: Callable[[int], int] = duplicate,
        close: Callable[[int], None] = os.close,
    ) -> None:
        self._segment = segment
        self._header = Header(segment)
        self._state = state
        self._takeovers = state.takeovers
        self._wrecks = wrecks
        self._say = say
        self._now, self._hold = now, hold
        self._copies = Copies(state, now, duplicate, close)
        self._is_held = False
        self._left: set[int] = set()  # workers that were left to themselves, and have not ended

    @property
    def may_wait(self) -> float:
        """Seconds after which there is somebody to hand on, if nothing happens before."""
        if self._is_held and not self._takeovers.pending:
            return 0.0
        if not self._takeovers.waiting or not self._state.supervision.ready:
            return math.inf
        return max(0.0, max(self._copies.again_at, self._takeovers.next_at) - self._now())

    def lose(self, worker: int, told: list[Action], exit_code: int | None) -> list[Action]:
        """A worker is lost, and its process has ended; returns what is to be done at once.

        Supervision has judged already whether it has ended by itself.

        Args:
            told: says so in the end.
            exit_code: None = there was no process, or nobody knows it.
        """
        state, now = self._state, self._now()
        slot = WorkerSlot(self._segment, worker)
        if worker not in self._left:  # else what it counts since then is of nobody
            state.ledger.past_inexact += slot.past
        self._left.discard(worker)
        if self.is_ending:
            return self._wrecks.add(worker, told)
        found = self._takeovers.sort(
            state.roster.served_by(worker),
            self._record_of,
            state.changes,
            slot.tail,
            now,
            own=exit_code is not None and not state.supervision.lives[worker].is_paced,
            resuming=slot.resuming,
            may_have_sent=partial(self._may_have_sent, slot.sending),
        )
        for orphan in found.orphans:
            orphan.connection.lost_from = orphan.first
            state.roster.orphan(orphan.connection.subscriber)
        if found.orphans:  # what it was asked for is known once others go on with these
            self._takeovers.asked += state.answers.take_back(worker)
        closed = sum(
            connection.version is not None and connection.subscriber not in self._takeovers.evicts
            for connection in found.others
        )
        state.ledger.not_resumed += closed
        state.ledger.takeovers += bool(found.orphans)
        moved = self._queued([orphan.connection for orphan in found.orphans])
        told = [with_counts(action, len(found.orphans), closed) for action in told]
        self._is_held = self._is_held or bool(found.orphans)
        self._keep_log(slot)
        return self._wrecks.add(worker, told, moved, found.why)

    def leave(self, worker: int, told: list[Action]) -> list[Action]:
        """A worker is left to itself; returns what is to be done at once.

        Its process is there, and may go on sending: so nobody goes on with what it had.

        Args:
            told: says so in the end.
        """
        why = {}
        if not self.is_ending:
            for connection in self._state.roster.served_by(worker):
                if connection.version is not None:
                    why[connection.subscriber] = MAY_SEND
        self._state.ledger.not_resumed += len(why)
        self._state.ledger.past_inexact += WorkerSlot(self._segment, worker).past
        self._left.add(worker)
        return self._wrecks.add(worker, told, why=why)

    def ask_for(self, connection: Accepted, target: int) -> list[Action]:
        """Have the worker of a connection give it up, for another one; returns what is to be done.

        The log is held from where that worker needs it: as long as it serves the connection, and
        when it has given it up, what the record needs is not before that.
        """
        slot = WorkerSlot(self._segment, connection.worker)
        head = self._header.head  # a worker that needs nothing now begins here, or later
        keep_order()
        needed = min(head, slot.tail, slot.resume)
        orphan = Orphan(connection, needed, needed, self._now(), target)
        orphan.source = connection.worker
        self._takeovers.leaving[connection.subscriber] = orphan
        self._is_held = True
        self._keep_log(slot)
        return self._say(connection.worker, Release(connection.subscriber, needed), ())

    def can_duplicate(self, connection: Accepted) -> bool:
        """Whether there is a descriptor with which it could be handed on."""
        return self._copies.can_be_made(connection.subscriber)

    def given_up(self, message: Released) -> list[Action]:
        """A worker has said what has become of that."""
        subscriber, takeovers = message.subscriber, self._takeovers
        if not message.ok:
            takeovers.leaving.pop(subscriber, None)
            return []
        connection = self._state.roster.connections.get(subscriber)
        if connection is None:
            return []
        record = self._record_of(connection)
        known = record, self._state.changes, self._now()
        found = takeovers.given_up(subscriber, *known, debt=message.debt, boxes=message.boxes)
        if found is not None:
            orphan, why = found
            connection.lost_from = orphan.first
            self._state.roster.orphan(subscriber)
            if why is not None:
                self._end([orphan], why)
        return []

    def go_on(self) -> list[Action]:
        """Hand on, for a slice, and end who waits for too long; returns what is to be done."""
        actions = self._copies.told()
        if not self._is_held:
            return actions
        takeovers, supervision, now = self._takeovers, self._state.supervision, self._now()
        if self.is_ending or supervision.broken:
            self._end(takeovers.late(math.inf), "")
        elif supervision.taking:
            actions += self._hand_on(supervision.taking, now)
            if self._copies.are_short_for(HOPE):
                self._end(takeovers.late(now - HOPE), f"no descriptor was free for {HOPE:g} s")
        else:
            self._end(takeovers.late(now - HOPE), f"no worker has served for {HOPE:g} s")
        self._keep_log()
        self._is_held = takeovers.pending or bool(takeovers.ending)
        if not takeovers.pending:
            self._copies.forget()
            asked, takeovers.asked = takeovers.asked, []
            for flag in asked:
                actions += reports.ask(self._state, flag)
        return actions

    def heard(self, worker: int, message: Resumed) -> list[Action]:
        """A worker has said what has become of one that was handed on to it."""
        orphan = self._takeovers.went_on(message.subscriber)
        if orphan is None:
            return []
        if message.ok:
            orphan.connection.lost_from = None
            self._state.ledger.resumed += not orphan.quiet
            self._state.ledger.moved += orphan.quiet and worker != orphan.source
            return [Wake(worker, 0)]
        if message.short:
            self._copies.refused(f"{message.reason} (worker {worker})", worker)
        self._state.roster.orphan(message.subscriber)
        taking = self._state.supervision.taking
        if not message.again or not self._takeovers.refused(orphan, worker, taking, self._now()):
            self._end([orphan], message.reason)
        return []

    def abandon(self) -> list[Action]:
        """End all that are not served: there is no worker any more."""
        orphans = [*self._takeovers.late(math.inf), *self._takeovers.handed.values()]
        self._takeovers.handed.clear()
        self._end(orphans, "")
        asked, self._takeovers.asked = self._takeovers.asked, []
        return [Answer(flag) for flag in asked]

    def _keep_log(self, slot: WorkerSlot | None = None) -> None:
        """Have the log keep what they need whom nobody serves, and their worker's credit hold."""
        needed, before = self._takeovers.needed, self._header.credit
        theirs = FREE if slot is None else slot.credit.unserved()
        credit = FREE if needed == NO_TAIL else least((before, theirs))
        if needed != self._header.hold or credit != before:
            self._header.hold_back(needed, credit)
            self._hold()

    @property
    def is_ending(self) -> bool:
        """Whether the end of all has begun: nobody goes on any more."""
        state = self._state
        return state.ledger.closing or state.supervision.finishing_until is not None

    def _end(self, orphans: list[Orphan], why: str) -> None:
        for orphan in orphans:
            subscriber = orphan.connection.subscriber
            if subscriber not in self._state.roster.connections:
                continue
            self._takeovers.ending[subscriber] = orphan
            is_evicted = subscriber in self._takeovers.evicts
            self._state.ledger.not_resumed += not (self.is_ending or is_evicted)
            self._wrecks.close(orphan.connection, why)

    def _hand_on(self, ready: list[int], now: float) -> list[Action]:
        actions: list[Action] = []
        if now < self._copies.again_at:
            return actions
        lives = self._state.supervision.lives
        serving = [one for one in self._state.supervision.ready if not lives[one].is_dismissed]
        for orphan in self._takeovers.to_hand_on(now):
            subscriber = orphan.connection.subscriber
            descriptor = self._copies.make(subscriber)
            if descriptor is None:
                break
            connection = self._state.roster.move(subscriber, orphan.to_ask(ready, serving))
            worker = connection.worker
            self._state.interest.move(subscriber, worker)
            for change in self._wants_of(connection):
                actions += self._say(worker, change, ())
            wants = self._state.interest.prefixes(subscriber)
            for message in self._state.access.rights_of(connection, wants):
                actions += self._say(worker, message, ())
            actions += self._say(worker, self._resume_of(orphan, now), (descriptor,))
            self._takeovers.hand_on(subscriber)
            evict = self._takeovers.evicts.get(subscriber)
            if evict is not None:
                actions += self._say(worker, evict, ())
            actions.append(NoteConnected(connection))
            if self._now() - now >= SLICE:
                break
        return actions

    def _resume_of(self, orphan: Orphan, now: float) -> Resume:
        connection = orphan.connection
        choice = self._state.choices.choice_of(connection.subscriber)
        return Resume(
            *(connection.subscriber, connection.slot, connection.protocol),
            connection.version or "",
            choice.policy.as_dict(),
            connection.owed(now) if orphan.debt is None else orphan.debt,
            *(orphan.quiet, connection.slow, connection.stalled),
            self._state.choices.has_chosen(connection.subscriber),
            orphan.boxes,
            choice.chosen_by,
        )

    def _wants_of(self, connection: Accepted) -> Iterator[Wants]:
        """All that it wants, and how that has changed since its record."""
        subscriber = connection.subscriber
        record = self._record_of(connection)
        if record is None:
            return
        first = record.wanted_from
        wanted = self._state.interest.prefixes(subscriber)
        changes = []
        if record.kind != Kind.WANTS_NOTHING:
            for change in self._state.changes.of(subscriber):  # the newest first
                if change.sequence <= first:
                    break
                changes.append(change)
                wanted = wanted - change.added | change.cancelled
        since = connection.wanted_since if connection.wanted_since > first else 0
        yield from split_wants(subscriber, since, sorted(wanted), [])
        for change in reversed(changes):
            more, less = sorted(change.added), sorted(change.cancelled)
            yield from split_wants(subscriber, change.sequence, more, less)

    def _record_of(self, connection: Accepted) -> StreamRecord | None:
        return StreamSlot(self._segment, connection.slot).read(connection.subscriber)

    def _may_have_sent(self, sending: int, connection: Accepted) -> bool:
        return may_have_sent(sending, StreamSlot(self._segment, connection.slot))

    def _queued(self, connections: list[Accepted]) -> Amount:
        """What waits for these, as their workers take it into their totals."""
        messages = size = 0
        for record in filter(None, map(self._record_of, connections)):
            messages += record.matched - record.sent - record.dropped - record.conflated
            gone = record.sent_bytes + record.dropped_bytes + record.conflated_bytes
            size += record.matched_bytes - gone
        return Amount(messages, size) if messages or size else NOTHING
