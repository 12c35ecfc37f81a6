"""Dues: who is to be looked at when something has come so far. Pure.

A member that is so far below a limit cannot be over it before the log has grown by that much, or so
much time has passed. So each is looked at when that is so, and nobody else: thousands of members
that are behind cost a turn nothing.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count
from typing import Generic, Protocol, TypeVar

VOID_MIN = 1_024  # void entries are let go when there are so many, and as many as others


class Watched(Protocol):
    """What is looked at; `watch` is another number when its entries are void."""

    watch: int


W = TypeVar("W", bound=Watched)


class Dues(Generic[W]):
    """Who is due, by one measure that only grows.

    Attributes:
        entries: a heap, some of them void; the same list for ever.
    """

    def __init__(self) -> None:
        self._numbers = count()  # decides between equals
        self.entries: list[tuple[int, int, int, W]] = []

    def __len__(self) -> int:
        return len(self.entries)

    def add(self, due: int, who: W) -> None:
        """It is to be looked at when the measure is there, unless its `watch` changes."""
        heappush(self.entries, (due, next(self._numbers), who.watch, who))

    def pop(self, level: int) -> W | None:
        """Somebody who is due now that the measure is there; None if nobody is."""
        heap = self.entries
        while heap and heap[0][0] <= level:
            _due, _number, watch, who = heappop(heap)
            if who.watch == watch:
                return who
        return None

    def first(self) -> tuple[int, W] | None:
        """Who is due first, and when; nothing is changed but that void entries are let go."""
        heap = self.entries
        while heap:
            due, _number, watch, who = heap[0]
            if who.watch == watch:
                return due, who
            heappop(heap)
        return None

    def forget_first(self) -> None:
        """Who is due first is not to be looked at for that."""
        heappop(self.entries)

    def sweep(self, members: int) -> None:
        """Let go of void entries, if they are many beside so many members; once a turn."""
        if len(self.entries) > 2 * members + VOID_MIN:
            self.entries[:] = [entry for entry in self.entries if entry[3].watch == entry[2]]
            heapify(self.entries)
