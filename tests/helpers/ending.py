"""A thread that takes its time to end, in virtual time."""

from __future__ import annotations

import math


class Ending:
    """A thread that takes steps up to a time, and ends at another.

    Args:
        each: seconds from one step to the next.
    """

    def __init__(self, ends: float, *, each: float = 0.1, until: float = math.inf) -> None:
        self.now = 0.0
        self._ends = ends
        self._each = each
        self._until = until

    def join(self, timeout: float) -> None:
        self.now = min(self.now + timeout, max(self.now, self._ends))

    def is_alive(self) -> bool:
        return self.now < self._ends

    @property
    def steps(self) -> int:
        return int(min(self.now, self._until) / self._each)
