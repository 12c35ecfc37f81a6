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

    Its mutable state: a heap of entries, some of them void.
    """

    def __init__(self) -> None:
        self._numbers = count()  # decides between equals
        self._heap: list[tuple[int, int, int, W]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, due: int, who: W) -> None:
        """It is to be looked at when the measure is there, unless its `watch` changes."""
        heappush(self._heap, (due, next(self._numbers), who.watch, who))

    def pop(self, level: int) -> W | None:
        """Somebody who is due now that the measure is there; None if nobody is."""
        heap = self._heap
        while heap and heap[0][0] <= level:
            _due, _number, watch, who = heappop(heap)
            if who.watch == watch:
                return who
        return None

    def sweep(self, members: int) -> None:
        """Let go of void entries, if they are many beside so many members; once a turn."""
        if len(self._heap) > 2 * members + VOID_MIN:
            self._heap = [entry for entry in self._heap if entry[3].watch == entry[2]]
            heapify(self._heap)
