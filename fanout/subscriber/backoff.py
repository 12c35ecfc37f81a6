"""How long to wait before the next attempt to connect. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_S = 0.1  # libzmq's RECONNECT_IVL
LAST_S = 10.0  # a publisher that was away for hours is found again within this
LEAST_S = 0.01  # else chance may try a hundred times before anybody can have started


class BackOff:
    """Waits of any length up to a limit that doubles from 0.1 s to 10 s (full jitter).

    Subscribers that lost the same publisher at the same instant must not come back as one: who
    waits for half of the limit and more at least comes back in the same half as all others.

    Args:
        random: returns a number from 0 up to, not including, 1.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._most_s = FIRST_S

    def failed(self) -> float:
        """Returns how long to wait now, in seconds."""
        most = self._most_s
        self._most_s = min(2 * most, LAST_S)
        return max(most * self._random(), LEAST_S)

    def succeeded(self) -> None:
        """Starts anew with the shortest wait."""
        self._most_s = FIRST_S
