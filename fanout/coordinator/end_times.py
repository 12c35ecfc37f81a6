"""End times: by when the end is to be over, as several calls of `close()` want it. Pure."""

from __future__ import annotations

import math


class EndTimes:
    """Each call may bring forward when connections are closed, and when all is over.

    Its mutable state: these two; times are in seconds of one clock.

    Attributes:
        spread_until: when the last of those that have everything is sent end of file.
        until: when who has not got everything is closed, too.
    """

    def __init__(self) -> None:
        self.spread_until = self.until = math.inf

    def bring_forward(self, timeout: float, spread: float, now: float) -> bool:
        """Another call wants this; returns whether anything is sooner for it.

        Args:
            timeout: seconds in which everything may be delivered.
            spread: seconds over which connections are closed, besides.
        """
        before = self.spread_until, self.until
        self.spread_until = min(self.spread_until, now + spread)
        self.until = min(self.until, now + timeout + spread)
        return (self.spread_until, self.until) != before

    def left(self, now: float) -> tuple[float, float]:
        """What is left of both, as `timeout` and `spread`."""
        spread = max(0.0, min(self.spread_until, self.until) - now)
        return max(0.0, self.until - now - spread), spread
