"""Records: written for each peer, so that another worker can go on with its stream. Shell.

The log must be there from the oldest record on that somebody may have to go on by. So records are
renewed: those of all peers with their checkpoints, each half second and when nothing moves any
more; and at once those that are in the way when the publisher waits for room, or that keep much
more of the log than the peers need.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fanout.shm.stream_record import SPEECH_BYTES, Kind
from fanout.shm.worker_slot import NO_TAIL
from fanout.workers.connections.peer import POINTS_TO_NOTHING, PointedTo
from fanout.workers.stream.more import more_of
from fanout.workers.stream.recording import record_of
from fanout.workers.stream.spills import Copy
from fanout.workers.stream.values import Values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fanout.shm.spill_area import Stored
    from fanout.shm.stream_record import StreamRecord
    from fanout.shm.subscriber_slot import Checkpoint
    from fanout.workers.connections.peer import Peer
    from fanout.workers.stream.cohort import Cohort
    from fanout.workers.stream.finding import Alone
    from fanout.workers.stream.loads import Load
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.pump import Pump
    from fanout.workers.stream.snapshot import Snapshots
    from fanout.workers.stream.turn_part import TurnPart
    from fanout.workers.surroundings import Surroundings
    from fanout.workers.tail import Tail

    ToKeep = Values | Cohort[Member] | Snapshots | Load | Alone
    Kept = Copy | Stored

KEPT_PART = 4  # records may keep 1/4 of the log beyond what the peers need
TURNS_PER_LOOK = 8  # at what they keep, unless the publisher waits; in a turn they keep little more
SHARED_BYTES = 512  # of what there is more of one that may be the same of the next
PEERS_PER_LOOK = 32  # at the clock; each takes some microseconds


class _NoRoomError(Exception):
    """What a record is to point to can be kept nowhere."""


class Records:
    """Writes them, and says what the log must keep for them.

    Its mutable state: what the log must keep for them, whose records are being renewed, up to which
    message that was done last, what one of them points to, and those peers of others whose records
    point to what is here.

    Args:
        peers: by id; changed by others.
    """

    def __init__(
        self, around: Surroundings, pump: Pump, tail: Tail[Peer], peers: Mapping[int, Peer]
    ) -> None:
        self._slot = around.slot
        self._log = around.log
        self._pump = pump
        self._tail = tail
        self._peers = peers
        self._left: list[Peer] = []
        self._left_behind: list[tuple[Peer, int]] = []  # with how many records there were
        self._is_renewing = False
        self._renewed = 0
        self._turns = 0  # since it was looked at what they keep
        self._resume = self._slot.resume = NO_TAIL
        self._area = around.spill_area()
        self._last_stored: tuple[bytes, Stored | None] = b"", None
        pump.backlog.turned = self._note_turn

    @property
    def are_behind(self) -> bool:
        """Whether the log keeps more for them than for what has still to be sent."""
        return self._resume < self._slot.tail

    def write(
        self,
        peer: Peer,
        *,
        said: bytes = b"",
        will_want: bool = False,
        seen: Checkpoint | None = None,
        is_leaving: bool = False,
        like: PointedTo = POINTS_TO_NOTHING,
    ) -> None:
        """Write the record of a peer; of one that is still in its handshake there is none.

        Args:
            said: what is about to be said to it.
            will_want: a change is about to be reported, by which it may want something.
            seen: its checkpoint of this instant, if there is one: it is settled then.
            is_leaving: another worker is to be told how its boxes go on, if it is sealed.
            like: what the record of another one points to, if this one's is to point to just that.
        """
        if not peer.ready:
            return
        member, promised = peer.member, self._tail.promised
        if seen is None:
            # What was promised to somebody in this turn is from the front on, wherever that is.
            self._pump.settle(member, stay=bool(promised))
        since = promised.get(peer) if promised else None
        if since is not None:
            will_want = True  # its report may be out by now
        acted = peer.inbox.acted
        record = record_of(member, said, acted, will_want, seen)
        if since is not None:
            record = self._up_to_promise(record, member, since)
        pointed_to = like
        if like.stored is not None:
            record = record._replace(more=like.stored.offset, more_bytes=like.stored.size)
        elif member.sealed is not None and not is_leaving:
            # Nobody can go on with it if this worker is lost, and all it keeps is figures.
            nothing = record._replace(copy=0, speech=b"")
            record = nothing._replace(kind=Kind.SEALED, needed=NO_TAIL)
        elif member.spill or len(record.speech) > SPEECH_BYTES or may_have_more(peer):
            record, pointed_to = self._add_more(peer, record)
        if peer.is_going_back:
            record = record._replace(kind=Kind.GOING_BACK, needed=NO_TAIL)
        needed = record.needed
        if needed < self._resume:  # the tail keeps that part of the log already
            self._resume = self._slot.resume = needed
        peer.record.write(record)
        peer.inbox.noted = acted
        peer.pointed_to = pointed_to  # frees what only the record before pointed to
        peer.recorded = needed

    def holds_for_change(self, peer: Peer) -> bool:
        """Whether who goes on needs no other record when its wants change now.

        The coordinator remembers what changed when. That is for few changes: its next checkpoint
        has a record with it. And with who was promised something of the past nobody goes on before
        there is a record of that: so the one that is there is refused, which is two stores.
        """
        if peer.is_going_back:
            if not peer.record.refuse(Kind.GOING_BACK):
                return False
            peer.recorded = NO_TAIL
            return True
        if peer.recorded == NO_TAIL or peer.member.blocked or may_have_more(peer):
            return False
        peer.record_due = 0
        return True

    def _add_more(self, peer: Peer, record: StreamRecord) -> tuple[StreamRecord, PointedTo]:
        """Have a record point to what is not in the log, and to what does not fit into it."""
        member = peer.member
        kept: list[Kept] = []
        is_shown = member.snapshots is not None
        if member.spill and (is_shown or max(peer.recorded, record.needed) > record.sequence):
            # The rest of a message that the log need not keep, or was not asked to.
            record = record._replace(needed=record.following)
            copy = memoryview(member.spill).obj
            assert isinstance(copy, Copy)
            if copy.stored is None:
                copy.stored = self._area.store(copy)
            if copy.stored is not None:
                kept.append(copy)
                where = copy.stored
                record = record._replace(copy=where.offset, copy_bytes=where.size)
            elif is_shown:  # perhaps of a last value: then it is at no position of the log
                return self._point_to_nothing(peer, record)
        too_long = record.speech if len(record.speech) > SPEECH_BYTES else b""
        rests_until = self._pump.rests.until(member)
        try:
            more = more_of(
                *(member, partial(self._keep, kept)),
                said=peer.said,
                rests_until=rests_until,
                speech=too_long,
            )
            packed, before = more.packed(), peer.pointed_to
            if not packed:
                return record, PointedTo(kept=(*kept,))
            stored = before.stored if packed == before.packed else None
            stored = stored or self._stored_of(packed)
        except _NoRoomError:
            return self._point_to_nothing(peer, record)
        if too_long:
            record = record._replace(speech=b"")
        record = record._replace(more=stored.offset, more_bytes=stored.size)
        return record, PointedTo(packed, stored, (*kept,))

    def _point_to_nothing(self, peer: Peer, record: StreamRecord) -> tuple[StreamRecord, PointedTo]:
        """There is no memory for what nobody else knows."""
        last = peer.record.read(peer.id)
        self._slot.unrecorded += last is None or last.kind != Kind.NO_ROOM
        nothing = record._replace(kind=Kind.NO_ROOM, needed=NO_TAIL, copy=0, speech=b"")
        return nothing, POINTS_TO_NOTHING

    def _up_to_promise(self, record: StreamRecord, member: Member, since: int) -> StreamRecord:
        """What was matched from a promise on is counted by who goes on, by what it wants then."""
        since = max(since, member.sequence, member.older[-1][0] if member.older else 0)
        if since >= record.counted:
            return record
        found = self._pump.backlog.count(member.cohort, since, record.counted)
        matched = record.matched - found.messages
        matched_bytes = record.matched_bytes - found.bytes
        return record._replace(counted=since, matched=matched, matched_bytes=matched_bytes)

    def _keep(self, kept: list[Kept], values: ToKeep) -> tuple[int, int]:
        """Store what somebody is to get; who has the same shares that."""
        if isinstance(values, Values) and not values.sequences:
            return 0, 0
        if values.stored is None:
            values.stored = self._store(values.packed())
        kept.append(values.stored)  # this record's own: `values.stored` may be replaced later
        return values.stored.offset, values.stored.size

    def _stored_of(self, packed: bytes) -> Stored:
        """Where this is; many that come at once have the same."""
        known, stored = self._last_stored
        if known == packed and stored is not None:
            return stored
        stored = self._store(packed)
        if len(packed) <= SHARED_BYTES:
            self._last_stored = packed, stored
        return stored

    def _store(self, data: bytes) -> Stored:
        stored = self._area.store(data)
        if stored is None:
            raise _NoRoomError
        return stored

    def _note_turn(self, member: Member) -> None:
        """What a member is sent next does not follow from its record."""
        peer = self._peers.get(member.id)
        if peer is not None:
            self.write(peer)

    def keep(self, peer: Peer, data: bytes) -> Stored | None:
        """Store this beside what its record points to, for as long; None = there is no place."""
        stored = self._area.store(data)
        if stored is not None:
            before = peer.pointed_to
            peer.pointed_to = before._replace(kept=(*before.kept, stored))
        return stored

    def leave(self, peer: Peer) -> None:
        """Another worker goes on by its record: what that points to stays until it has its own."""
        if peer.pointed_to is not POINTS_TO_NOTHING:
            self._left_behind.append((peer, peer.record.count))

    def note_jumps(self) -> None:
        """Write those of the members that have jumped in this turn, before they are sent more."""
        jumped, self._pump.jumped = self._pump.jumped, []
        for member in dict.fromkeys(jumped):
            peer = self._peers.get(member.id)
            if peer is not None:
                self.write(peer)

    def note_all(self) -> None:
        """Those of all peers were renewed: the log must keep what the oldest needs."""
        if self._left_behind:
            current = [one for one in self._left_behind if one[0].record.is_at(one[0].id, one[1])]
            self._left_behind = current
        resume = min([peer.recorded for peer in self._peers.values()], default=NO_TAIL)
        self._resume = self._slot.resume = resume

    def renew(self, part: TurnPart, part_ns: int) -> bool:
        """Renew those that are in the way, for as long as there is time; once a turn.

        Returns:
            Whether the log need not keep as much as before.
        """
        if not self._is_renewing:
            self._turns += 1
            if not self._tail.wanted and self._turns < TURNS_PER_LOOK:
                return False
            self._turns = 0
            if not self._are_in_the_way():
                return False
            tail = self._slot.tail
            self._left = [peer for peer in self._peers.values() if peer.recorded < tail]
            self._is_renewing, self._renewed = True, tail if tail != NO_TAIL else 0
        part.begin(part_ns)
        while self._left:
            some, self._left = self._left[:PEERS_PER_LOOK], self._left[PEERS_PER_LOOK:]
            for peer in some:
                if self._peers.get(peer.id) is peer:  # it may have left, and come back
                    self.write(peer)
            if self._left and part.is_over():
                return False
        self._is_renewing = False
        self.note_all()
        return True

    def _are_in_the_way(self) -> bool:
        """Whether they keep the publisher waiting, or a large part of the log."""
        resume, tail = self._resume, self._slot.tail
        if resume >= tail:
            return False
        if resume < self._tail.wanted <= tail:
            return True
        if tail in (NO_TAIL, self._renewed):  # of one in the middle of a message the rest is kept
            return False
        log = self._log
        kept = log.start_of(tail) - log.start_of(resume)
        return kept > log.size // KEPT_PART or tail - resume > log.entries // KEPT_PART


def may_have_more(peer: Peer) -> bool:
    """Whether its worker may know something of it that is not in its record; else it does not."""
    member = peer.member
    return bool(
        peer.said
        or member.older
        or member.replay is not None
        or member.gaps is not None
        or member.mark is not None
        or member.snapshots is not None
        or member.policy.min_interval_ns
        or member.sequence < member.lossy_until
    )
