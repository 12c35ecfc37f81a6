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

    Its mutable state: that, a heap of the times, some of them void, and those who have rested, with
    the front for which nothing had come for any of them.
    """

    def __init__(self) -> None:
        self._until: dict[Member, int] = {}
        self._due: list[tuple[int, int, Member]] = []
        self._numbers = count()  # decides between equals
        self._rested: dict[Member, None] = {}
        self._front = 0

    def __contains__(self, member: object) -> bool:
        return member in self._until or member in self._rested

    def __iter__(self) -> Iterator[Member]:
        return chain(self._until, self._rested)

    def clear(self) -> None:
        """Nobody rests any more."""
        self._until.clear()
        self._due.clear()
        self._rested.clear()

    def add(self, member: Member, until: int) -> None:
        """It rests until then."""
        self._until[member] = until
        heappush(self._due, (until, next(self._numbers), member))

    def end(self, member: Member) -> None:
        """It does not rest any more; nothing if it does not."""
        self._until.pop(member, None)
        self._rested.pop(member, None)

    @property
    def next_due(self) -> int | None:
        """When the first of them has rested, None if nobody rests."""
        while self._due and self._until.get(self._due[0][2]) != self._due[0][0]:
            heappop(self._due)
        return self._due[0][0] if self._due else None

    def wake(self, now: int, front: int) -> list[Member]:
        """Those who have rested, and have something to be looked at.

        Args:
            front: messages below this have come; who is there has none.
        """
        woken = []
        if self._rested and front != self._front:
            woken = [*self._rested]
            self._rested.clear()
        self._front = front
        while (due := self.next_due) is not None and due <= now:
            member = heappop(self._due)[2]
            del self._until[member]
            if member.sequence < front or (member.gaps is not None and member.gaps.pending):
                woken.append(member)
            else:
                self._rested[member] = None
        return woken
