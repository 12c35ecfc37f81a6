"""Replays: subscribers ask for what they have missed; found here, and given to the pump. Shell.

Somebody who subscribes, and says from where on it has missed something, is promised that before its
change is reported: the tail is there then. As soon as the change is applied, its member goes back.
In between nobody else can go on with it; that is a part of one turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fanout.workers.stream.members import OLDER_WANTS_MAX
from fanout.workers.stream.replaying import missed_by

if TYPE_CHECKING:
    from collections.abc import Collection

    from fanout.workers.connections.due_values import DueValues
    from fanout.workers.connections.peer import Peer
    from fanout.workers.connections.records import Records
    from fanout.workers.connections.self_service import SelfService
    from fanout.workers.connections.since import Since
    from fanout.workers.stream.cohort import Cohort
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.pump import Pump
    from fanout.workers.stream.value_marks import About
    from fanout.workers.surroundings import Surroundings
    from fanout.workers.tail import Tail

LOOK_NS = 300  # of CPU time for each message that is looked through for who does not want all
LOG_PART = 2  # of its index that is replayed at most
# Messages that are looked through at once: for the newest so many, or of those that wait for who
# asks for more. With more of them strangers could hold all others up.
COUNTED_MAX = 16_384
PIECE = 4_096  # of these, at once


class _Promise(NamedTuple):
    """What somebody is to be sent of what was published before."""

    wants: Cohort[Member] | None  # None = nothing: what it subscribes to it has had
    first: int  # from this message on the log has all of it
    missed: int  # from this message on the subscriber has not got it
    until: int
    is_other_run: bool
    is_told: bool  # when it has been sent all


class Replays:
    """Finds what is missing; its mutable state: who is promised what.

    Args:
        size: bytes of the log that may be asked for.

    Attributes:
        values: the last values that are due with what somebody wants; set if there are any.
    """

    def __init__(
        self,
        around: Surroundings,
        pump: Pump,
        tail: Tail[Peer],
        records: Records,
        size: int,
    ) -> None:
        self._records = records
        self._around = around
        self._log = around.log
        self._pump = pump
        self._tail = tail
        self._size = size
        self._promises: dict[Peer, _Promise] = {}
        self.values: DueValues | None = None

    def promise(
        self,
        peer: Peer,
        said: SelfService,
        added: Collection[bytes],
        cancelled: Collection[bytes],
        about: About | None = None,
        kept: Collection[bytes] = (),
    ) -> int:
        """What it wants changes, and it may have missed something: promise it what it gets.

        Args:
            said: knows from where on it has missed what is added.
            about: what it is told that this is, though nothing is added; None = it is that.
            kept: of what is added, what it has wanted all the time.

        Returns:
            From which message on it is sent what is published.
        """
        until = self._tail.promise(peer)
        is_asked = bool(added or about)
        since = said.since(peer.id) if is_asked and self._size else None
        if self.values is not None:
            wishes = said.wishes(peer.id)
            if self.values.promise(peer, wishes, added, cancelled, since, about, kept):
                self._note_promised(peer)
        if since is None:
            return until
        known = peer.wants
        before = known.difference(added).union(cancelled)
        wants = missed_by(added, before, peer.member.encoding) if added else None
        is_told = said.wishes(peer.id).ends
        if wants is None and not is_told:
            return until
        self._note_promised(peer)
        if wants is None:
            self._promises[peer] = _Promise(None, until, until, until, False, True)
            return until
        log = self._log
        is_other_run = since.epoch not in (None, log.epoch)
        first = self._first_of(since, until, is_other_run=is_other_run)
        floor = max(0, until - log.entries // LOG_PART)
        there = self._tail.go_back(peer, max(min(first, until), floor))
        begins = log.start_of(until) - self._size
        if log.start_of(there) < begins:
            there = log.sequence_at(begins - 1, there, until) + 1
        if since.messages:
            first = there = self._newest(wants, there, until, since.messages)
        self._tail.replays[peer] = there
        missed = min(first, there)
        self._promises[peer] = _Promise(wants, there, missed, until, is_other_run, is_told)
        return until

    def _note_promised(self, peer: Peer) -> None:
        """It is promised something that is in no figure; nobody is to believe the last checkpoint.

        Before its change is reported, and so before anybody may have heard that it was to come.
        """
        peer.is_going_back = True
        peer.slot.uncounted = 1
        self.note_past()

    def note_past(self) -> None:
        """Something of the past is promised: if this process is lost, some of it is not counted."""
        slot = self._around.slot
        if not slot.past:
            slot.past = 1

    def _first_of(self, since: Since, until: int, *, is_other_run: bool) -> int:
        """The first message that it may have missed."""
        if since.epoch is not None:
            return 0 if is_other_run else since.sequence + 1
        if since.age_ns:
            return min(until, self._around.head_at(self._around.now() - since.age_ns))
        return 0 if since.messages else until

    def _newest(self, wants: Cohort[Member], first: int, until: int, messages: int) -> int:
        """Where the newest so many begin that are wanted, or as many as are found."""
        if wants.everything:
            return max(first, until - messages)
        first = max(first, until - COUNTED_MAX)
        backlog, stop, found_from = self._pump.backlog, until, until
        while stop > first:
            low = max(first, (stop - 1) - (stop - 1) % PIECE)
            found = backlog.count(wants, low, stop).messages
            if found >= messages:
                return backlog.picks(wants, low, stop)[-messages][0]
            if found:
                found_from = low  # the lowest stretch with something for it
            messages -= found
            stop = low
        return found_from

    def hold(self, peer: Peer, until: int) -> int:
        """Have the log kept for it from as far before that message on as can be asked for.

        Only now: its member needs that log by itself at once.

        Returns:
            From where on it is kept, at most that message.
        """
        log = self._log
        there = self._tail.go_back(peer.member, max(0, until - log.entries // LOG_PART))
        del self._tail.replays[peer.member]
        begins = log.start_of(until) - self._size
        if there < until and log.start_of(there) < begins:
            there = log.sequence_at(begins - 1, there, until) + 1
        return min(there, until)

    def keep(self, peer: Peer, now: int) -> None:
        """Its change is applied: it goes back, if it was promised something, and that begins."""
        self.apply(peer, now)
        self.begin(peer, now)

    def apply(self, peer: Peer, now: int) -> int:
        """It goes back; nobody else can go on with it before `begin()`.

        Returns:
            CPU time in ns that it will take to look for what it gets.
        """
        promise, values = self._promises.pop(peer, None), self.values
        is_shown = values is not None and values.has_promised(peer)
        if promise is None and not is_shown:
            return 0
        # Its report may have waited: what has come since it was promised that, comes by itself.
        looked_at, is_replayed, due = 0, False, self._tail.promised.get(peer, self._pump.front)
        if promise is not None:
            due = self._go_back(peer, promise, now)
            is_all = promise.wants is None or promise.wants.everything
            looked_at = 0 if is_all else promise.until - due
            is_replayed = promise.wants is not None and due < promise.until
        if values is not None and is_shown:
            values.apply(peer, due, now, is_alone=promise is None, is_replayed=is_replayed)
        if not peer.is_going_back:  # of what waits for it some may be wanted no more
            self._records.write(peer)
        return looked_at * LOOK_NS

    def begin(self, peer: Peer, now: int) -> None:
        """It is sent its last values at once, if there is time, and there is a record of it again.

        Of who is sent all of them there is one record then, where there would be two; and it is
        with those that are ready before what is new is sent to these.
        """
        if not peer.is_going_back:
            return
        written = peer.record.count
        self._end_promises(peer)
        if self.values is not None:
            self.values.begin(peer, now)
        if peer.record.count == written:
            self._records.write(peer)

    def _go_back(self, peer: Peer, promise: _Promise, now: int) -> int:
        """Returns from which message on it is sent what it has missed."""
        pump, member = self._pump, peer.member
        wants, until = promise.wants, promise.until
        # It may have been promised less since: see `Tail`.
        first = min(max(promise.first, self._tail.replays.get(peer, 0)), until)
        if promise.is_other_run:
            pump.tell_other_run(member)
        if wants is not None:
            first = pump.first_within(member, first, until, wants, COUNTED_MAX)
            pump.tell_missed(member, promise.missed, first, wants)
            pump.replay(member, first, until, wants, now)
        if promise.is_told:
            pump.mark(member, now, 0 if wants is None else until)
        return first

    def has_much_left(self, peer: Peer) -> bool:
        """Whether what it says next is to be read when it has taken some of what it is to get."""
        member = peer.member
        if member.snapshots is not None and member.snapshots.are_many:
            return True
        has_many = member.older_wants > OLDER_WANTS_MAX // 2
        return bool(member.older) and (has_many or self.is_long(peer))

    def is_long(self, peer: Peer) -> bool:
        """Whether it would take long to begin another one for it now: what is left is counted then.

        The worker serves nobody meanwhile, so what it says next is read when less is left. Of one
        that is held, and may want all from there on, too: what it asked for would be cut.
        """
        member = peer.member
        if member.replay is None or self._pump.front - member.sequence <= COUNTED_MAX:
            return False
        _until, wants = member.older[0]
        return wants is None or not wants.everything

    def _end_promises(self, peer: Peer) -> None:
        """It goes back, and its member needs the log from there on by itself."""
        peer.is_going_back = False
        self._tail.replays.pop(peer, None)

    def forget(self, peer: Peer) -> None:
        """It is gone."""
        self._promises.pop(peer, None)
        if self.values is not None:
            self.values.forget(peer)
        self._end_promises(peer)
