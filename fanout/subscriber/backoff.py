"""How long to wait before the next attempt to connect. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_S = 0.1  # libzmq's RECONNECT_IVL
LAST_S = 5.0  # a publisher that was away for hours is found again within this


class BackOff:
    """Waits that double from 0.1 s to 5 s, each shortened by up to half at random.

    Subscribers that lost the same publisher at the same instant must not come back as one.

    Args:
        random: returns a number from 0 up to, not including, 1.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._next_s = FIRST_S

    def failed(self) -> float:
        """Returns how long to wait now, in seconds."""
        wait = self._next_s
        self._next_s = min(2 * wait, LAST_S)
        return wait * (1 - self._random() / 2)

    def succeeded(self) -> None:
        """Starts anew with the shortest wait."""
        self._next_s = FIRST_S
