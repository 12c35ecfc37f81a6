"""Rests: members that have everything and are not sent anything before some time. Pure."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout.workers.stream.member import Member


class Rests:
    """Who rests, and until when.

    Its mutable state: that, and a heap of the times, some of them void.
    """

    def __init__(self) -> None:
        self._until: dict[Member, int] = {}
        self._due: list[tuple[int, int, Member]] = []
        self._numbers = count()  # decides between equals

    def __contains__(self, member: object) -> bool:
        return member in self._until

    def __iter__(self) -> Iterator[Member]:
        return iter(self._until)

    def clear(self) -> None:
        """Nobody rests any more."""
        self._until.clear()
        self._due.clear()

    def add(self, member: Member, until: int) -> None:
        """It rests until then."""
        self._until[member] = until
        heappush(self._due, (until, next(self._numbers), member))

    def end(self, member: Member) -> None:
        """It does not rest any more; nothing if it does not."""
        self._until.pop(member, None)

    @property
    def next_due(self) -> int | None:
        """When the first of them has rested, None if nobody rests."""
        while self._due and self._until.get(self._due[0][2]) != self._due[0][0]:
            heappop(self._due)
        return self._due[0][0] if self._due else None

    def wake(self, now: int) -> list[Member]:
        """Those who have rested."""
        woken = []
        while (due := self.next_due) is not None and due <= now:
            member = heappop(self._due)[2]
            del self._until[member]
            woken.append(member)
        return woken
