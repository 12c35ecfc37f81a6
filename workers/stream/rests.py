"""Rests: members that have everything and are not sent anything before some time. Pure.

Who has rested, and for whom nothing has come, rests on until something does, whenever that is: it
is not looked at meanwhile. Else anybody could have a worker wake as often as he likes, for nothing.
"""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import chain, count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout.workers.stream.member import Member


class Rests:
    """Who rests, and until when.

    Its mutable state: who and until when, and the front for which nothing had come for any of those
    who have rested.

    Attributes:
        due: a heap of the times, some of them void; the same list for ever.
        rested: those who have; the same dict for ever.
    """

    def __init__(self) -> None:
        self._until: dict[Member, int] = {}
        self.due: list[tuple[int, int, Member]] = []
        self._numbers = count()  # decides between equals
        self.rested: dict[Member, None] = {}
        self._front = 0

    def __contains__(self, member: object) -> bool:
        return member in self._until or member in self.rested

    def __bool__(self) -> bool:
        return bool(self._until or self.rested)

    def __iter__(self) -> Iterator[Member]:
        return chain(self._until, self.rested)

    def clear(self) -> None:
        """Nobody rests any more."""
        self._until.clear()
        self.due.clear()
        self.rested.clear()

    def add(self, member: Member, until: int) -> None:
        """It rests until then."""
        self._until[member] = until
        heappush(self.due, (until, next(self._numbers), member))

    def until(self, member: Member) -> int:
        """Up to when it rests; 0 if it does not, or has rested."""
        return self._until.get(member, 0)

    def end(self, member: Member) -> None:
        """It does not rest any more; nothing if it does not."""
        self._until.pop(member, None)
        self.rested.pop(member, None)

    def rouse(self, member: Member) -> bool:
        """Something has come for it that was not published now; whether its time was over."""
        is_over = member in self.rested
        self.rested.pop(member, None)
        return is_over

    @property
    def next_due(self) -> int | None:
        """When the first of them has rested, None if nobody rests."""
        while self.due and self._until.get(self.due[0][2]) != self.due[0][0]:
            heappop(self.due)
        return self.due[0][0] if self.due else None

    def wake(self, now: int, front: int) -> list[Member]:
        """Those who have rested, and have something to be looked at.

        Args:
            front: messages below this have come; who is there has none.
        """
        woken = []
        if self.rested and front != self._front:
            woken = [*self.rested]
            self.rested.clear()
        self._front = front
        while (due := self.next_due) is not None and due <= now:
            member = heappop(self.due)[2]
            del self._until[member]
            if member.sequence < front or member.is_to_be_told or member.snapshots is not None:
                woken.append(member)
            else:
                self.rested[member] = None
        return woken
