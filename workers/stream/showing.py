"""Showing: members that have subscribed are sent the last values of what is new to them. Pure.

A member that has a snapshot before it is one that is behind, at the place where that is due; what
it is sent of it is not in the log at that place, or not any more. So it is sent whole messages, and
the rest of one that its socket did not take becomes the member's spill, like the rest of any
message that the log need not keep.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from fanout.workers.stream.joining import Joining
from fanout.workers.stream.listings import Listings
from fanout.workers.stream.steps import Step, send
from fanout.workers.stream.topic_names import TopicNames
from fanout.workers.stream.value_marks import mark_of
from fanout.workers.tuning import TUNING, ShowTuning

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.shm.kept_values import KeptValues
    from fanout.workers.stream.chaining import Chaining
    from fanout.workers.stream.loads import Load
    from fanout.workers.stream.losing import Losing
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.snapshot import Snapshot
    from fanout.workers.stream.totals import Totals

TRIES_MAX = 100  # to look at a message that is being committed, until others have their turn


class Showing:
    """Sends snapshots; its mutable state: what it knows of topics, and what members share.

    Args:
        losing: counts what a member has matched, and says when its record is to be written.

    Attributes:
        whole: what was sent last of a snapshot, if that was the end of it, and all went out.
        postpone: has it go on with a member soon, of which no event will tell.
    """

    def __init__(
        self,
        values: KeptValues,
        losing: Losing,
        totals: Totals,
        tuning: ShowTuning = TUNING.show,
        postpone: Callable[[Member], object] = lambda _member: None,
    ) -> None:
        self._tuning = tuning
        self._values = values
        self._log = values.log
        self._losing = losing
        self._totals = totals
        self.postpone = postpone
        self.names = TopicNames(values)
        self._chaining: Chaining | None = None
        self.whole: Load | None = None
        self._joining = Joining(values, tuning)
        self._listings = Listings(self.names, values, tuning)

    @property
    def chaining(self) -> Chaining | None:
        """Finds what more is sent of topics that have keyframes; set if that can be."""
        return self._chaining

    @chaining.setter
    def chaining(self, chaining: Chaining) -> None:
        self._chaining = chaining
        self._joining.missed = chaining.missed

    def seen(self) -> tuple[int, int, int]:
        """As long as this is so, what was joined of a list is what would be joined."""
        return self._joining.seen()

    def expect(self, wish: tuple[int, object] | None) -> None:
        """More than one will want this; see `Listings.expected`."""
        self._listings.expected = wish

    def count(self, member: Member, load: Load) -> None:
        """One that is ready was sent all of this."""
        messages, size, totals = len(load), len(load.data), self._totals
        self._losing.correct(member, messages, size)
        member.sent += messages
        member.sent_bytes += size
        totals.sent += messages
        totals.sent_bytes += size
        totals.from_snapshot += messages

    def go_on_in(self, member: Member, load: Load, count: int) -> None:
        """It was sent so many bytes of this, which is all of its snapshot; now it is behind.

        It goes on as whoever would go on with it by its record.
        """
        assert member.snapshots is not None
        snapshot = member.snapshots.pending[0]
        snapshot.is_begun = snapshot.is_found = snapshot.is_last = True
        snapshot.load, snapshot.passed = load, snapshot.due - 1
        member.sent_bytes += count
        self._totals.sent_bytes += count
        self._went_on(member, snapshot, load, count)

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
            limit = _limit_of(member, snapshot)
            load = self._joining.following(member, snapshot, snapshot.listing, limit)
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
        chaining = self._chaining
        if chaining is None or not (self._values.has_keyframes or snapshot.finding):
            snapshot.is_found = True
            return True
        chaining.step(member, snapshot)
        return False

    def _step_later(self, member: Member, snapshot: Snapshot) -> Step:
        """Look at one that was being committed: now it is, or the one before is the last again."""
        place, *others = snapshot.later
        mark, limit = snapshot.stands_at, _limit_of(member, snapshot)
        load = self._joining.join((place,), (mark,), 0, member, snapshot, limit, is_later=True)
        if _is_told_first(member):
            return Step.MORE
        if load.later:
            snapshot.later = [*others, place]
            snapshot.tries += 1
            if snapshot.tries <= TRIES_MAX:
                return Step.MORE
            self.postpone(member)
            return Step.FULL
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
        if not snapshot.is_last:
            self._losing.turned(member)

    def _tell(self, member: Member, snapshot: Snapshot, *, is_end: bool) -> None:
        assert not member.control, "it is sent first"
        mark = mark_of(snapshot, self._log.epoch, _limit_of(member, snapshot), is_end=is_end)
        encoding = member.encoding
        member.control = mark if encoding is None else encoding.encode(mark, member.sequence)

    # What is sent.

    def _send(self, member: Member, snapshot: Snapshot, load: Load) -> Step:
        at, later, evicted = snapshot.at, snapshot.later, snapshot.evicted
        self._pass(snapshot, load, load.stop)
        snapshot.is_last = self._is_last(member, snapshot, load)
        self._note(member, snapshot, load)
        step, begun = self._hand(member, snapshot, load)
        if begun < len(load):
            snapshot.at, snapshot.later, snapshot.evicted = at, later, evicted
            self._pass(snapshot, load, load.at[begun])
        self.whole = load if snapshot.is_last and step is Step.MORE else None
        self._end_if_noted(member, snapshot, is_whole=step is Step.MORE)
        return step

    def _is_last(self, member: Member, snapshot: Snapshot, load: Load) -> bool:
        """Whether nothing is left of it behind that, and the record of that may say so.

        The record stays for a while then, and with it what it points to: that is not to be much,
        unless others have it as well.
        """
        listing, snapshots = snapshot.listing, member.snapshots
        assert listing is not None
        assert snapshots is not None
        is_over = snapshot.at >= len(listing) and not (listing.has_more or snapshot.later)
        is_small = load.is_shared or len(load.data) * self._tuning.small_part <= self._log.size
        is_plain = not (member.older or member.replay or snapshot.is_told)
        return is_over and is_small and is_plain and len(snapshots.pending) == 1

    def _end_if_noted(self, member: Member, snapshot: Snapshot, *, is_whole: bool) -> None:
        """If all of it went out, as its record says already, what comes follows from the log."""
        if snapshot.is_last and is_whole:
            self._end(member, snapshot)
        snapshot.is_last = False

    def _note(self, member: Member, snapshot: Snapshot, load: Load) -> None:
        """This is what it is sent; it stands behind that."""
        snapshot.load = load
        self._losing.turned(member)
        snapshot.load = None

    def _go_on(self, member: Member, snapshot: Snapshot, load: Load) -> Step:
        """It is sent what another worker was sending."""
        return self._went_on(member, snapshot, load, send(member, load.data))

    def _went_on(self, member: Member, snapshot: Snapshot, load: Load, count: int) -> Step:
        """The same; its socket has taken so many bytes of that."""
        step, begun = self._taken(member, snapshot, load, count)
        if begun:
            snapshot.load = None
            if begun < len(load):
                snapshot.passed = load.marks[begun - 1]
            self._end_if_noted(member, snapshot, is_whole=step is Step.MORE)
        return step

    def _hand(self, member: Member, snapshot: Snapshot, load: Load) -> tuple[Step, int]:
        """Send what its socket takes of that; returns how many of them were begun, too."""
        return self._taken(member, snapshot, load, send(member, load.data))

    def _taken(
        self, member: Member, snapshot: Snapshot, load: Load, count: int
    ) -> tuple[Step, int]:
        """The same; it has taken so many bytes."""
        bounds = load.bounds
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
