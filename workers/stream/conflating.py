"""Conflating: what waits for a member becomes the newest message of each topic. Pure.

The segments of the member are replaced by one, with `Values`: they are sent from where they lie in
the log. What came meanwhile is the next *pass*: it begins when all of this one is sent, so each
topic has its turn, and nobody is further behind than one pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.stream.ends import Ends
from fanout.workers.stream.gaps import CONFLATED, Gap
from fanout.workers.stream.sifting import Siftings
from fanout.workers.stream.values import Values
from fanout.zmtp.frames import first_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.shm.reader import LogReader
    from fanout.workers.stream.backlog import Backlog
    from fanout.workers.stream.cohort import Cohort
    from fanout.workers.stream.member import Member, Wants
    from fanout.workers.stream.newest import Newest
    from fanout.workers.stream.totals import Totals
    from fanout.workers.stream.turn_part import TurnPart


class Conflating:
    """Thins what waits for members.

    Args:
        backlog: theirs.
        newest: the newest message of each topic.
        totals: where what is left out is counted once more.
        piece: messages of the log that are sorted together.
        part: bounds what is done at once.
    """

    def __init__(
        self,
        backlog: Backlog,
        log: LogReader,
        newest: Newest,
        totals: Totals,
        piece: int,
        part: TurnPart,
    ) -> None:
        self._backlog = backlog
        self._log = log
        self._newest = newest
        self._totals = totals
        self._piece = piece
        self._part = part
        self._siftings = Siftings(self._named, piece, part)
        self._ends = Ends(backlog.count, self._wanted, piece, part)

    def conflate(self, member: Member, front: int) -> bool:
        """Of what waits for the member, but for what it has begun to get, keep the newest.

        Returns:
            Whether there was time to find these. If not, nothing has changed but that some of them
            are known: it is to be asked again.
        """
        backlog = self._backlog
        backlog.detach(member, front)
        first = member.sequence
        if first >= front:
            return True
        is_told = member.gaps is not None and member.gaps.conflated
        cohort = _all_along(member)
        is_found = (not is_told or self._ends.may_look(member)) and (
            self._siftings.go_on(member, first, front)
            if cohort is None
            else self._newest.go_on(cohort, first, front, backlog.tail, self._part)
        )
        if not is_found:
            return False
        if member.replay is not None:
            backlog.count_replayed(member, front)
        values = self._values(member, cohort, first, front)
        left_out = member.queued - bool(member.spill) - len(values.sequences)
        if left_out:
            ends = self._ends.find(member, values, first, front) if is_told else (0, 0)
            if ends is None:
                return False
            self._leave_out(member, values, left_out, ends, front)
        self._siftings.end(member)
        if member.snapshots is not None:
            member.snapshots.pass_until(first, front)
        member.older.clear()
        member.older.append((front, values))
        start = values.sequences[0] if values.sequences else front
        member.place(start, 0, self._log.start_of(start))
        return True

    def end(self, member: Member) -> None:
        """It does not ask any more."""
        self._siftings.end(member)
        self._ends.end(member)

    def pause(self, member: Member) -> None:
        """It has no room: others are not to wait for its socket.

        It asks again only if it is judged; with an answer to be sent first, not before it has room.
        """
        if member.control:
            self.end(member)
            return
        self._siftings.pause(member)
        self._ends.pause(member)

    def sweep(self) -> None:
        """Let go of what nobody asks for any more; once a turn."""
        self._siftings.sweep()
        self._ends.sweep()

    def _values(
        self, member: Member, cohort: Cohort[Member] | None, first: int, front: int
    ) -> Values:
        if cohort is not None:
            return self._newest.wanted(cohort, first, front, self._backlog.tail)
        return Values(self._siftings.found(member, first, front), self._log)

    def _named(self, cohort: Wants, first: int, stop: int) -> list[tuple[bytes, int]]:
        """The topics of what is wanted of these messages, and which they are."""
        piece = self._log.piece
        return [(first_frame(piece(one)), one) for one in self._wanted(first, stop, cohort)]

    def _wanted(self, first: int, stop: int, cohort: Wants) -> Sequence[int]:
        if cohort is None:
            return ()
        if isinstance(cohort, Values):
            return cohort.between(first, stop)
        if cohort.everything:
            return range(first, stop)
        return [one for one, _size in self._backlog.picks(cohort, first, stop)]

    def _leave_out(
        self, member: Member, values: Values, messages: int, ends: tuple[int, int], front: int
    ) -> None:
        """Count what the newest of each topic have taken the place of."""
        kept = values.amount(member.sequence, front)
        size = member.queued_bytes - len(member.spill) - kept.bytes
        if member.gaps is not None and member.gaps.conflated:
            member.gaps.note(Gap(*ends, messages, CONFLATED), values.sequences[0])
        member.conflated += messages
        member.conflated_bytes += size
        self._totals.conflated += messages
        self._totals.conflated_bytes += size


def _all_along(member: Member) -> Cohort[Member] | None:
    """What it wants of all that waits for it, if that is one thing: then others know it, too."""
    older = member.older
    left = older[0][1] if len(older) == 1 else None
    if isinstance(left, Values):
        # What is left of its last pass are the newest up to then, from its cursor on.
        wants_the_same = left.are_newest
    else:  # as it does for what was published before
        wants_the_same = not older or _are_same(left, member.cohort)
    return member.cohort if wants_the_same else None


def _are_same(one: Cohort[Member] | None, other: Cohort[Member] | None) -> bool:
    if one is None or other is None:
        return False
    return one.without is None and one.key == other.key
