"""Catching up: how much is looked through of what waits, before the clock is looked at. Pure.

What is looked through in pieces, while more comes, would never be if more came than there is time
for. So at least twice as much is looked through each time as came since the last time, which costs
others no more than it cost to send that; up to a bound, for none of it is worth holding them up.
"""

from __future__ import annotations

FASTER = 2
AT_MOST = 32_768  # messages, some 30 ms: of who cannot keep up with that, the log decides


class CatchingUp:
    """Its mutable state: up to where there was something the last time, and how much is due now.

    Args:
        front: up to where there is.
    """

    __slots__ = ("_due", "_front")

    def __init__(self, front: int) -> None:
        self._front = front
        self._due = 0

    def begin(self, front: int) -> None:
        """It goes on."""
        self._due = min(FASTER * (front - self._front), AT_MOST)
        self._front = front

    def is_enough(self, messages: int) -> bool:
        """So many more are looked through: whether it may end, if the time is over."""
        self._due -= messages
        return self._due <= 0
