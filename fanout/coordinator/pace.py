"""A pace: no more than so many in so many seconds, however many there are to come. Pure."""

from __future__ import annotations

import math
from collections import deque


class Pace:
    """Lets one after another pass.

    Its mutable state: when the last ones passed.

    Args:
        count: that may pass in `seconds`, 1 or more.
    """

    def __init__(self, count: int, seconds: float) -> None:
        self._passed: deque[float] = deque(maxlen=count)
        self._count = count
        self._seconds = seconds

    @property
    def opens(self) -> float:
        """From which time on the next one may pass."""
        return self._passed[0] + self._seconds if len(self._passed) == self._count else -math.inf

    def passes(self, now: float) -> bool:
        """Whether one more passes at this time; then it counts."""
        if now < self.opens:
            return False
        self._passed.append(now)
        return True
