"""How far the program publishes ahead of those who may lose nothing, at full rate. Pure.

`publish()` is some fifty times faster than two hundred programs in Python read, and half a log
behind whoever keeps up loses messages like everybody: rightly, but then there would be nobody left
of whom it can be said that he lost none. So the program looks how far they are, as one does that
must not lose them anything, and publishes at the rate at which the slowest of them reads.
"""

from __future__ import annotations

AHEAD = 5_000  # messages: a second of theirs, a megabyte of a log of 64
BATCH = 200  # between two looks at the clock


class Window:
    """Counts what may still be published before they are looked at again.

    Args:
        ahead: messages that may be published and not yet be sent to all of them.
    """

    def __init__(self, ahead: int = AHEAD) -> None:
        self._ahead = ahead
        self._left = 0

    def seen(self, behind: int) -> None:
        """The slowest of them is so many messages behind."""
        self._left = max(0, self._ahead - behind)

    def due(self) -> int:
        """How many messages to publish now; they count as published. 0 = look at them first."""
        count = min(BATCH, self._left)
        self._left -= count
        return count
