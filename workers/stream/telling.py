"""Telling: what a member misses becomes its gaps, and what is told of these at once. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.stream.gaps import Gap
from fanout.workers.stream.segments import segments
from fanout.workers.stream.values import Values

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.reasons import Reason
    from fanout.shm.census import Amount
    from fanout.workers.stream.edges import Edges
    from fanout.workers.stream.member import Member, Wants

LOOKED_MAX = 4_096  # messages in which it is looked for what waits, each time that it is sent some


class Telling:
    """Knows which messages are missing; `Gaps` know what was told.

    Args:
        edges: finds the first and the last of them.
        count: what somebody wants of the messages from one up to, not including, another.
    """

    def __init__(self, edges: Edges, count: Callable[[Wants, int, int], Amount]) -> None:
        self._edges = edges
        self._count = count

    def note(
        self,
        member: Member,
        cohort: Wants,
        start: int,
        stop: int,
        lost: Amount,
        reason: Reason,
        within: tuple[int, int] | None = None,
    ) -> None:
        """It loses so much between these messages; its cursor passes them, or comes to them yet.

        Args:
            within: between which of them they all are, near the first and the last; None = it is
                not known, they are looked for in all of these.
        """
        if member.gaps is not None and lost.messages:
            assert cohort is not None
            if isinstance(cohort, Values):
                first, last = cohort.edges(start, stop)
            else:
                first, last = self._edges.of(cohort, *(within or (start, stop)))
            cursor = stop if start == member.sequence else member.sequence
            member.gaps.note(Gap(first, last, lost.messages, reason.label), cursor)

    def due_until(self, member: Member) -> int:
        """All gaps below this are told now: between them and its cursor nothing waits for it.

        So what is missing in one place is in one marker, however the member came to miss it. If it
        has nothing to finish with any more, none is: it stops losing first, before it is sent more.
        """
        assert member.gaps is not None
        cursor = member.sequence
        for gap in member.gaps.pending:
            if gap.kind or gap.last < cursor:
                continue
            if self._waits(member, cursor, gap.first):
                break
            if not gap.whole:
                return 0
            cursor = gap.last + 1
        return cursor

    def _waits(self, member: Member, first: int, stop: int) -> bool:
        """Whether it wants something of these messages; of many it is looked for nearer to them."""
        if stop - first > LOOKED_MAX:
            return True
        found = segments(member, first, stop)
        return any(
            self._count(cohort, start, min(until, stop)).messages for start, until, cohort in found
        )
