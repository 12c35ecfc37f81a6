"""Expiring: which messages are too old to be anybody's last values. Pure.

A message has no time; now and then it is noted how far the log has come.
"""

from __future__ import annotations

from collections import deque

NOTES = 64  # in one age: so exact it is, to half a second


class Expiring:
    """Notes, and says what is too old by now; times are monotonic ns.

    Its mutable state: the notes that are not too old.

    Args:
        max_age: ns; 0 = nothing is ever too old.
    """

    def __init__(self, max_age: int) -> None:
        self._max_age = max_age
        self._notes: deque[tuple[int, int]] = deque()

    def expired(self, head: int, now: int) -> int | None:
        """All messages below this are too old; None = that is not known to have changed.

        Args:
            head: how far the log has come by now.
        """
        if not self._max_age:
            return None
        notes, found = self._notes, None
        if not notes or now - notes[-1][0] >= self._max_age // NOTES:
            notes.append((now, head))
        while notes and notes[0][0] <= now - self._max_age:
            found = notes.popleft()[1]
        return found
