"""Showing: members that have subscribed are sent the last values of what is new to them. Pure.

A member that has a snapshot before it is one that is behind, at the place where that is due; what
it is sent of it is not in the log at that place, or not any more. So it is sent whole messages, and
the rest of one that its socket did not take becomes the member's spill, like the rest of any
message that the log need not keep.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

import msgpack

from fanout.reserved import SNAPSHOT_TOPIC
from fanout.shm.value_layout import KEYFRAME, NO_VALUE
from fanout.workers.stream.listings import Listings
from fanout.workers.stream.loads import Load
from fanout.workers.stream.steps import Step, send
from fanout.workers.stream.topic_names import TopicNames
from fanout.workers.tuning import TUNING, ShowTuning
from fanout.zmtp.frames import encode_message, first_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.shm.kept_values import KeptValues
    from fanout.workers.stream.chaining import Chaining
    from fanout.workers.stream.losing import Losing
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.snapshot import Snapshot
    from fanout.workers.stream.totals import Totals

PIECES_BYTES = 8 * 1024 * 1024  # of messages that others may want as well
LOADS_KEPT = 8  # joined, of one list
TRIES_MAX = 100  # to look at a message that is being committed, until others have their turn


class Showing:
    """Sends snapshots; its mutable state: what it knows of topics, and what members share.

    Args:
        losing: counts what a member has matched, and says when its record is to be written.

    Attributes:
        chaining: of topics that have keyframes more is sent; set if that can be.
    """

    def __init__(
        self,
        values: KeptValues,
        losing: Losing,
        totals: Totals,
        tuning: ShowTuning = TUNING.show,
    ) -> None:
        self._tuning = tuning
        self._values = values
        self._log = values.log
        self._losing = losing
        self._totals = totals
        self.names = TopicNames(values)
        self.chaining: Chaining | None = None
        self._pieces: dict[int, bytes] = {}
        self._pieces_bytes = 0
        self._listings = Listings(self.names, values, tuning)

    def step(self, member: Member) -> Step:
        """Send one piece of the snapshot that is due.

        Raises:
            OSError: the connection is dead.
        """
        assert member.snapshots is not None
        snapshot = member.snapshots.pending[0]
        if snapshot.load is not None:
            return self._go_on(member, snapshot, snapshot.load)
        if not snapshot.is_begun:
            snapshot.is_begun = True
            if snapshot.is_told:
                self._tell(member, snapshot, is_end=False)
                self._losing.turned(member)
                return Step.MORE
        if not self._listings.find(member, snapshot, _limit_of(member, snapshot)):
            return Step.MORE
        if not snapshot.is_found and not self._find(member, snapshot):
            return Step.MORE
        assert snapshot.listing is not None
        if snapshot.before is not None:
            snapshot.sent += member.sent - snapshot.before
            snapshot.before = None
        if snapshot.at < len(snapshot.listing):
            load = self._load_for(member, snapshot)
            if _is_told_first(member):
                return Step.MORE
            if load.data:
                return self._send(member, snapshot, load)
            self._pass(snapshot, load, load.stop)
        elif snapshot.listing.has_more:
            snapshot.part, snapshot.passed = (snapshot.listing.part[1] or b"", None), -1
            snapshot.listing.go_on()
            snapshot.at = 0
            snapshot.is_found = False
        elif snapshot.later:
            return self._step_later(member, snapshot)
        else:
            self._end(member, snapshot)
        return Step.MORE

    def _find(self, member: Member, snapshot: Snapshot) -> bool:
        """Find what it is sent of topics that have keyframes; returns whether there is nothing."""
        chaining = self.chaining
        if chaining is None or not (self._values.has_keyframes or snapshot.finding):
            snapshot.is_found = True
            return True
        chaining.step(member, snapshot)
        return False

    def _step_later(self, member: Member, snapshot: Snapshot) -> Step:
        """Look at one that was being committed: now it is, or the one before is the last again."""
        place, *others = snapshot.later
        load = self._join((place,), (snapshot.stands_at,), 0, member, snapshot, is_later=True)
        if _is_told_first(member):
            return Step.MORE
        if load.later:
            snapshot.later = [*others, place]
            snapshot.tries += 1
            return Step.FULL if snapshot.tries > TRIES_MAX else Step.MORE
        snapshot.later = others
        if not load.data:
            return Step.MORE
        self._note(member, snapshot, load)
        step, begun = self._hand(member, snapshot, load)
        if not begun:
            snapshot.later = [place, *others]
        return step

    def _end(self, member: Member, snapshot: Snapshot) -> None:
        snapshots = member.snapshots
        assert snapshots is not None
        if snapshot.is_told:
            self._tell(member, snapshot, is_end=True)
        snapshots.end_first()
        if not snapshots.pending:
            member.snapshots = None
        self._losing.turned(member)

    def _tell(self, member: Member, snapshot: Snapshot, *, is_end: bool) -> None:
        assert not member.control, "it is sent first"
        fields = {
            "epoch": self._log.epoch,
            "at": _limit_of(member, snapshot),
            "count": snapshot.sent,
            "evicted": snapshot.evicted,
            "subscriptions": len(snapshot.prefixes),
            "end": is_end,
        }
        mark = encode_message((SNAPSHOT_TOPIC, msgpack.packb(fields)))
        encoding = member.encoding
        member.control = mark if encoding is None else encoding.encode(mark, member.sequence)

    # What is sent.

    def _load_for(self, member: Member, snapshot: Snapshot) -> Load:
        """The next values that are still to be sent."""
        listing, limit = snapshot.listing, _limit_of(member, snapshot)
        assert listing is not None
        assert member.snapshots is not None
        is_shared = snapshot.is_alone and member.encoding is None
        # What one has cancelled, others are sent.
        is_shared = is_shared and not (
            snapshot.alone or snapshot.later or member.snapshots.has_cancelled
        )
        known = listing.loads.get(snapshot.at) if is_shared else None
        if isinstance(known, Load) and known.limit == limit:
            return known
        load = self._join(listing.places, listing.sequences, snapshot.at, member, snapshot)
        if is_shared:
            if len(listing.loads) >= LOADS_KEPT:
                del listing.loads[next(iter(listing.loads))]
            listing.loads[snapshot.at] = load
        return load

    def _join(
        self,
        places: Sequence[int],
        marks: Sequence[int],
        first: int,
        member: Member,
        snapshot: Snapshot,
        *,
        is_later: bool = False,
    ) -> Load:
        """Those that are still to be sent of some places, from one of these on.

        Args:
            marks: the messages that were the last ones there.
            is_later: they were being committed then.
        """
        values, limit, snapshots = self._values, _limit_of(member, snapshot), member.snapshots
        last, expired, tuning = values.last, values.expired, self._tuning
        assert snapshots is not None
        is_checked = snapshots.has_cancelled
        ids = values.ids if values.has_keyframes else None
        at, sequences, wires = list[int](), list[int](), list[bytes]()
        later, evicted = list[tuple[int, int]](), list[int]()
        size, stop = 0, min(len(places), first + tuning.values_per_look)
        for index in range(first, stop):
            place = places[index]
            topic_id, sequence = 0 if ids is None else ids[place], last[place]  # in this order
            if topic_id >= KEYFRAME:
                if place not in snapshot.alone:
                    continue
                if self.chaining is not None and self._is_missed(place, sequence, limit):
                    self.chaining.missed(member, snapshot, place)
                    continue
            if sequence >= limit:
                if sequence != NO_VALUE and sequence >= self._log.head():
                    later.append((index, place))  # if it is not committed, an older one counts
                continue
            is_noted = bool(snapshot.later) and not is_later and place in snapshot.later
            if sequence < expired or sequence <= snapshot.above or is_noted:
                continue
            wire = self._wire(place, sequence)
            if wire is None:
                evicted.append(index)
                continue
            if is_checked and snapshots.is_covered(snapshot, first_frame(wire)):
                continue
            at.append(index)
            sequences.append(sequence)
            wires.append(wire)
            size += len(wire)
            if size >= tuning.bytes_per_send or len(at) >= tuning.values_per_send:
                stop = index + 1
                break
        marked = [marks[index] for index in at]
        what = limit, stop, sequences, marked, *_joined(member, wires, sequences)
        return Load(*what, at=at, later=later, evicted=evicted)

    def _is_missed(self, place: int, sequence: int, limit: int) -> bool:
        """Whether what was a lone keyframe is none any more, but for one that is not kept.

        What came after it comes by itself; or it is a delta, over which its member has jumped.
        """
        if sequence >= limit:
            return sequence < self._log.head()
        if self._wire(place, sequence) is None:
            return False
        return not self._values.is_keyframe(place, sequence)

    def _wire(self, place: int, sequence: int) -> bytes | None:
        wire = self._pieces.get(sequence)
        if wire is not None:
            return wire
        wire = self._values.wire(place, sequence)
        if wire is None and self._values.last[place] == sequence:
            wire = self._values.wire(place, sequence)  # it was just copied
        if wire is not None:
            if self._pieces_bytes > PIECES_BYTES:
                self._pieces.clear()
                self._pieces_bytes = 0
            self._pieces[sequence] = wire
            self._pieces_bytes += len(wire) + 100
        return wire

    def _send(self, member: Member, snapshot: Snapshot, load: Load) -> Step:
        at, later, evicted = snapshot.at, snapshot.later, snapshot.evicted
        self._pass(snapshot, load, load.stop)
        self._note(member, snapshot, load)
        step, begun = self._hand(member, snapshot, load)
        if begun < len(load):
            snapshot.at, snapshot.later, snapshot.evicted = at, later, evicted
            self._pass(snapshot, load, load.at[begun])
        return step

    def _note(self, member: Member, snapshot: Snapshot, load: Load) -> None:
        """This is what it is sent; it stands behind that."""
        snapshot.load = load
        self._losing.turned(member)
        snapshot.load = None

    def _go_on(self, member: Member, snapshot: Snapshot, load: Load) -> Step:
        """It is sent what another worker was sending."""
        step, begun = self._hand(member, snapshot, load)
        if begun:
            snapshot.load = None
            if begun < len(load):
                snapshot.passed = load.marks[begun - 1]
        return step

    def _hand(self, member: Member, snapshot: Snapshot, load: Load) -> tuple[Step, int]:
        """Send what its socket takes of that; returns how many of them were begun, too."""
        bounds = load.bounds
        count = send(member, load.data)
        whole = bisect_right(bounds, count) - 1
        offset = count - bounds[whole]
        begun = whole + (offset > 0)
        self._losing.correct(member, begun, bounds[begun])
        member.sent += whole
        self._totals.sent += whole
        self._totals.from_snapshot += begun
        snapshot.sent += begun
        if offset:
            # Where it came from it may be overwritten at any time.
            sequence, encoding = load.sequences[whole], member.encoding
            data = load.data[bounds[whole] : bounds[begun]]
            start = self._log.start_of(member.sequence)
            spills = self._losing.spills
            member.spill = spills.taken_over(sequence, encoding, offset, data, start)
            member.spilled = sequence
        return Step.MORE if count == len(load.data) else Step.FULL, begun

    def _pass(self, snapshot: Snapshot, load: Load, stop: int) -> None:
        """It goes on at this place of the list."""
        snapshot.at = stop
        more = [place for index, place in load.later if index < stop]
        snapshot.later = [*snapshot.later, *more]
        snapshot.evicted += sum([index < stop for index in load.evicted])


def _limit_of(member: Member, snapshot: Snapshot) -> int:
    """What is published from there on comes by itself, or has come.

    Where the cursor is: beyond where it was due, it has jumped.
    """
    finding = snapshot.finding
    if finding is not None:  # it is held elsewhere meanwhile
        return finding.due if snapshot.is_passed else finding.until
    return snapshot.due if snapshot.is_passed else member.sequence


def _is_told_first(member: Member) -> bool:
    """Whether it misses something of which it has to be told before it is sent more."""
    return member.gaps is not None and any(gap.kind for gap in member.gaps.pending)


def _joined(
    member: Member, wires: list[bytes], sequences: list[int]
) -> tuple[Sequence[int], bytes]:
    """These as the member reads them, and where in that each begins, and the last one ends."""
    pieces = wires
    if member.encoding is not None:
        pieces = list(map(member.encoding.encode, wires, sequences))
    return [*accumulate(map(len, pieces), initial=0)], b"".join(pieces)
