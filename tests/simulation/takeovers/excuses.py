"""Excuses: what has happened to a subscriber by which its connection may be closed.

Each is of one subscriber and of one event: it holds from a death of a worker on, until another one
has gone on with that subscriber. Nothing of this is what the system has said.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

IN_A_ROW = 3  # workers that have ended by themselves, each within WITHIN of the one before
WITHIN = 30.0  # seconds
STEP = 1.0  # second; looks at the clock in between may take a part of that


class Excuses:
    """Of all subscribers, by number.

    Attributes:
        unsure: nobody knows how much they were sent.
        untold: nor of these how much was taken of what they have said.
        going_back: nor of these what they were promised of what was published before.
        unheard: something that they have said was taken, and not acted upon.
        keyless: the worker that had their keys is dead.
        short: in the record that counts there is not all, for there was no memory.
    """

    def __init__(self) -> None:
        self.unsure: set[int] = set()
        self.untold: set[int] = set()
        self.going_back: set[int] = set()
        self.unheard: set[int] = set()
        self.keyless: set[int] = set()
        self.short: set[int] = set()
        self._ends: dict[int, list[float]] = {}

    def went_on(self, number: int) -> None:
        """Another worker goes on with it."""
        for each in (self.unsure, self.untold, self.going_back, self.unheard, self.keyless):
            each.discard(number)

    def recorded(self, number: int, *, is_short: bool) -> None:
        """A record of it is valid now."""
        (self.short.add if is_short else self.short.discard)(number)

    def ended_by_itself(self, suspects: Iterable[int], now: float) -> None:
        """A worker has ended, by no signal from outside, and one of these may be why."""
        for number in suspects:
            self._ends.setdefault(number, []).append(now)

    def may_end_workers(self, number: int) -> bool:
        """Whether it may have ended so many in a row that it is closed for that."""
        return self._in_a_row(number, WITHIN + STEP) >= IN_A_ROW

    def ends_workers(self, number: int) -> bool:
        """Whether it must be closed for that."""
        return self._in_a_row(number, WITHIN - STEP) >= IN_A_ROW

    def _in_a_row(self, number: int, within: float) -> int:
        ends = self._ends.get(number, [])
        count = min(len(ends), 1)
        for before, after in pairwise(ends):
            count = count + 1 if after - before <= within else 1
        return count
