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

    from fanout.workers.connections.alike import Alike
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


class _Change(NamedTuple):
    """What somebody wants changes, and with it which last values it is to be sent."""

    added: Collection[bytes]
    cancelled: Collection[bytes]
    is_shown: bool  # it is to be sent those of what is new to it
    above: int  # which it has up to this message
    is_told: bool
    about: About | None


class Replays:
    """Finds what is missing; its mutable state: who is promised what, and the time of this turn.

    Args:
        size: bytes of the log that may be asked for.
        shows: whether there are last values.

    Attributes:
        alike: sends what another one was sent; set if there are any.
    """

    def __init__(
        self,
        around: Surroundings,
        pump: Pump,
        tail: Tail[Peer],
        records: Records,
        size: int,
        *,
        shows: bool = False,
    ) -> None:
        self._shows = shows
        self._changes: dict[Peer, _Change] = {}
        self._records = records
        self._around = around
        self._log = around.log
        self._pump = pump
        self._tail = tail
        self._size = size
        self._promises: dict[Peer, _Promise] = {}
        self._like: tuple[Peer, int, _Change] | None = None  # who gets what the last one got
        self.alike: Alike | None = None
        self._turned_at = self._began_at = -1  # when somebody was first sent values in this turn

    def promise(
        self,
        peer: Peer,
        said: SelfService,
        added: Collection[bytes],
        cancelled: Collection[bytes],
        about: About | None = None,
    ) -> int:
        """What it wants changes, and it may have missed something: promise it what it gets.

        Args:
            said: knows from where on it has missed what is added.
            about: what it is told that this is, though nothing is added; None = it is that.

        Returns:
            From which message on it is sent what is published.
        """
        until = self._tail.promise(peer)
        is_asked = bool(added or about)
        since = said.since(peer.id) if is_asked and self._size else None
        if self._shows:
            self._promise_values(peer, said, added, cancelled, since, about)
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

    def _promise_values(
        self,
        peer: Peer,
        said: SelfService,
        added: Collection[bytes],
        cancelled: Collection[bytes],
        since: Since | None,
        about: About | None,
    ) -> None:
        """It is to be sent last values; of those that wait for it some may not be wanted more."""
        wishes = said.wishes(peer.id)
        is_shown = wishes.values and (bool(added) or (wishes.marks and about is not None))
        if not is_shown and peer.member.snapshots is None:
            return
        is_same_run = since is not None and since.epoch == self._log.epoch
        above = -1
        if since is not None and is_same_run and not wishes.older:
            above = since.sequence
        self._changes[peer] = _Change(added, cancelled, is_shown, above, wishes.marks, about)
        if is_shown or added:  # whoever takes it over sees by itself what was cancelled
            self._note_promised(peer)

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
        promise, change = self._promises.pop(peer, None), self._changes.pop(peer, None)
        if promise is None and change is None:
            return 0
        # Its report may have waited: what has come since it was promised that, comes by itself.
        looked_at, is_replayed, due = 0, False, self._tail.promised.get(peer, self._pump.front)
        if promise is not None:
            due = self._go_back(peer, promise, now)
            is_all = promise.wants is None or promise.wants.everything
            looked_at = 0 if is_all else promise.until - due
            is_replayed = promise.wants is not None and due < promise.until
        if change is not None:
            if promise is None and self._fits_alike(peer, change, due):
                self._like = peer, due, change
            else:
                self._show(peer, change, due, now, is_replayed=is_replayed)
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
        self.forget(peer)
        like, self._like = self._like, None
        member, written, has_time = peer.member, peer.record.count, self._has_time(now)
        if like is not None and like[0] is peer:
            _peer, due, change = like
            if has_time and self.alike is not None:
                self.alike.give(peer, change.added, now)
                return
            self._show(peer, change, due, now, is_replayed=False)
        is_shown = member.snapshots is not None and member.sealed is None
        is_now = is_shown and has_time and self.alike is not None and self.alike.is_plain
        if is_now and self._pump.runnable.pop(member, self) is None:
            self._pump.serve(member, now)
        if peer.record.count == written:
            self._records.write(peer)
        elif peer.record.count == written + 1 and not member.blocked and self.alike is not None:
            self.alike.note(peer)

    def _fits_alike(self, peer: Peer, change: _Change, due: int) -> bool:
        """Whether it is to be sent what another one was just sent, and nothing else."""
        if self.alike is None or not change.is_shown or change.is_told:
            return False
        return self.alike.fits(peer, due, change.above, change.added)

    def _has_time(self, now: int) -> bool:
        """Whether others can wait in this turn: for less if there is something new for them."""
        if now != self._turned_at:
            self._turned_at, self._began_at = now, self._around.now()
        tuning = self._pump.tuning
        most = tuning.part_ns if self._log.head() == self._pump.front else tuning.others_ns
        return self._around.now() - self._began_at < most

    def _show(self, peer: Peer, change: _Change, due: int, now: int, *, is_replayed: bool) -> None:
        """It is sent other last values from now on."""
        snapshots, added = peer.member.snapshots, change.added
        if snapshots is not None and change.cancelled:
            snapshots.cancel(change.cancelled)
        if change.is_shown:
            self._pump.show(
                *(peer.member, due, change.above, added, peer.wants),
                is_told=change.is_told,
                now=now,
                is_asked_for=is_replayed,
                about=change.about,
            )
        elif snapshots is not None and added:
            snapshots.add_none(added)

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

    def forget(self, peer: Peer) -> None:
        """It is gone; or it goes back, and its member needs the log from there on by itself."""
        peer.is_going_back = False
        self._promises.pop(peer, None)
        self._changes.pop(peer, None)
        self._tail.replays.pop(peer, None)
