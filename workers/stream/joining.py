"""Joining: last values are put together as they are sent, once for all who want the same. Pure.

Many subscribe to the same at once. So what is joined of a list that several may have is kept with
that, and is more than one of them would be given by itself: who takes all of it at once has cost
one record and one send. Who takes a part of it goes on with pieces of it, which are copied out of
what is there; so he costs no more memory, and comes to the same places as the others again.
"""

from __future__ import annotations

from collections import deque
from itertools import accumulate
from typing import TYPE_CHECKING

from fanout.shm.value_layout import KEYFRAME, NO_VALUE
from fanout.workers.stream.loads import Load
from fanout.zmtp.frames import first_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fanout.shm.kept_values import KeptValues
    from fanout.workers.stream.listing import Listing
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.snapshot import Snapshot
    from fanout.workers.tuning import ShowTuning

PIECES_BYTES = 8 * 1024 * 1024  # of messages that others may want as well
FETCHED_MIN = 8  # messages, from which on it takes less to read them together
SHARED_BYTES = 8 * 1024 * 1024  # of what is joined and kept for others, of all lists
LOG_PART = 16  # of the log: as much at once at most, for records point to copies of it


class Joining:
    """Puts them together.

    Its mutable state: messages that others may want as well; and what was joined of lists that
    several have, by the numbers of these, which stand in the order in which that was done.

    Attributes:
        missed: is told of a lone keyframe that is none any more, and of its member and snapshot;
            set if topics may have keyframes.
    """

    def __init__(self, values: KeptValues, tuning: ShowTuning) -> None:
        self._values = values
        self._log = values.log
        self._looked_at = tuning.values_per_look
        self._shared_most = min(SHARED_BYTES, values.log.size)
        values_at_once, bytes_at_once = tuning.values_per_send, tuning.bytes_per_send
        self._at_once = values_at_once, bytes_at_once
        times, part = tuning.shared_times, values.log.size // LOG_PART
        self._shared_at_once = (
            times * values_at_once,
            max(bytes_at_once, min(times * bytes_at_once, part)),
        )
        self._pieces: dict[int, bytes] = {}
        self._pieces_bytes = 0
        self._shared: dict[int, list[Load]] = {}
        self._order: deque[int] = deque()
        self._shared_bytes = 0
        self.missed: Callable[[Member, Snapshot, int], None] | None = None

    def following(self, member: Member, snapshot: Snapshot, listing: Listing, limit: int) -> Load:
        """The next values that are still to be sent of a list.

        Args:
            limit: what is published from that message on comes by itself.
        """
        at, of_list = snapshot.at, (listing.places, listing.sequences)
        if not (listing.is_shared and _is_like_others(member, snapshot)):
            return self.join(*of_list, at, member, snapshot, limit)
        like = limit, self.seen()
        for known in reversed(self._shared.get(listing.number, ())):
            if known.first <= at < known.stop and (known.limit, known.seen) == like:
                break
        else:
            at_once = self._shared_at_once
            known = self.join(*of_list, at, member, snapshot, limit, at_once=at_once)
            self._keep(listing.number, known)
        if at == known.first:
            return known
        return known.part(at, *self._at_once)

    def seen(self) -> tuple[int, int, int]:
        """As long as this is so, what was joined is what would be joined, or was a little ago."""
        values = self._values
        return values.expired, values.forgotten, values.keyed

    def _keep(self, number: int, load: Load) -> None:
        """Others that have the list of this number want it, too."""
        load.is_shared = True
        self._shared.setdefault(number, []).append(load)
        self._order.append(number)
        self._shared_bytes += load.held_bytes
        while self._shared_bytes > self._shared_most and len(self._order) > 1:
            oldest = self._order.popleft()
            loads = self._shared[oldest]
            self._shared_bytes -= loads.pop(0).held_bytes
            if not loads:
                del self._shared[oldest]

    def join(
        self,
        places: Sequence[int],
        marks: Sequence[int],
        first: int,
        member: Member,
        snapshot: Snapshot,
        limit: int,
        *,
        is_later: bool = False,
        at_once: tuple[int, int] | None = None,
    ) -> Load:
        """Those that are still to be sent of some places, from one of these on.

        Args:
            marks: the messages that were the last ones there.
            limit: as above.
            is_later: they were being committed then.
            at_once: so many of them at most, or so many bytes, or one; None = as many as by itself.
        """
        values, snapshots = self._values, member.snapshots
        most, most_bytes = at_once or self._at_once
        last, seen = values.last, self.seen()  # before all else is looked at
        assert snapshots is not None
        ids = values.ids if values.has_keyframes else None
        at, sequences, wires = list[int](), list[int](), list[bytes]()
        later, evicted = list[tuple[int, int]](), list[int]()
        size, stop = 0, min(len(places), first + self._looked_at)
        self._fetch(places[first : min(stop, first + most)], limit, most_bytes)
        for index in range(first, stop):
            place = places[index]
            owner, sequence = 0 if ids is None else ids[place], last[place]  # in this order
            if owner >= KEYFRAME and not self._is_alone(place, sequence, member, snapshot, limit):
                continue
            if sequence >= limit:
                if sequence != NO_VALUE and sequence >= self._log.head():
                    later.append((index, place))  # if it is not committed, an older one counts
                continue
            is_noted = bool(snapshot.later) and not is_later and place in snapshot.later
            if sequence < seen[0] or sequence <= snapshot.above or is_noted:
                continue
            wire = self._wire(place, sequence)
            if wire is None:
                evicted.append(index)
                continue
            if snapshots.has_cancelled and snapshots.is_covered(snapshot, first_frame(wire)):
                continue
            at.append(index)
            sequences.append(sequence)
            wires.append(wire)
            size += len(wire)
            if size >= most_bytes or len(at) >= most:
                stop = index + 1
                break
        marked, joined = [marks[index] for index in at], _joined(member, wires, sequences)
        which = limit, stop, sequences, marked
        return Load(*which, *joined, first=first, at=at, later=later, evicted=evicted, seen=seen)

    def _is_alone(
        self, place: int, sequence: int, member: Member, snapshot: Snapshot, limit: int
    ) -> bool:
        """Whether there is nothing of a topic but a keyframe, so that it is sent like others."""
        if place not in snapshot.alone:
            return False
        if self.missed is not None and self._is_missed(place, sequence, limit):
            self.missed(member, snapshot, place)
            return False
        return True

    def _is_missed(self, place: int, sequence: int, limit: int) -> bool:
        """Whether what was a lone keyframe is none any more, but for one that is not kept.

        What came after it comes by itself; or it is a delta, over which its member has jumped.
        """
        if sequence >= limit:
            return sequence < self._log.head()
        if self._wire(place, sequence) is None:
            return False
        return not self._values.is_keyframe(place, sequence)

    def _fetch(self, places: Sequence[int], limit: int, most_bytes: int) -> None:
        """Read those of the last messages there that are in the log together, before each is."""
        last, known = self._values.last, self._pieces
        sequences = {
            sequence
            for place in places
            if (sequence := last[place]) < limit and sequence not in known
        }
        if len(sequences) >= FETCHED_MIN:
            for sequence, wire in self._values.in_log(sorted(sequences), most_bytes).items():
                self._keep_piece(sequence, wire)

    def _wire(self, place: int, sequence: int) -> bytes | None:
        wire = self._pieces.get(sequence)
        if wire is not None:
            return wire
        wire = self._values.wire(place, sequence)
        if wire is None and self._values.last[place] == sequence:
            wire = self._values.wire(place, sequence)  # it was just copied
        if wire is not None:
            self._keep_piece(sequence, wire)
        return wire

    def _keep_piece(self, sequence: int, wire: bytes) -> None:
        if self._pieces_bytes > PIECES_BYTES:
            self._pieces.clear()
            self._pieces_bytes = 0
        self._pieces[sequence] = wire
        self._pieces_bytes += len(wire) + 100


def _is_like_others(member: Member, snapshot: Snapshot) -> bool:
    """Whether others that have its list are sent the same.

    What one has cancelled, others are sent. And who was sent the newest of what comes is sent
    nothing older of these topics: what was joined for others may be.
    """
    assert member.snapshots is not None
    is_alike = snapshot.is_alone and member.encoding is None and not snapshot.is_passed
    return is_alike and not (snapshot.alone or snapshot.later or member.snapshots.has_cancelled)


def _joined(
    member: Member, wires: list[bytes], sequences: list[int]
) -> tuple[Sequence[int], bytes]:
    """These as the member reads them, and where in that each begins, and the last one ends."""
    pieces = wires
    if member.encoding is not None:
        pieces = list(map(member.encoding.encode, wires, sequences))
    return [*accumulate(map(len, pieces), initial=0)], b"".join(pieces)
