"""Held: connections that were refused, and are not ended before a while. Shell.

Who is closed comes back at once, to be refused again: libzmq after 0.1 s. Who is held believes to
be connected, and costs a descriptor.
"""

from __future__ import annotations

import math
import os
import socket
from bisect import insort
from collections import deque
from contextlib import suppress

HELD_MAX = 1_024  # connections that are held before their end; the oldest make room for others


class HeldBack:
    """Owned by one thread; its mutable state: descriptors, by the times of their ends."""

    def __init__(self) -> None:
        self._held: deque[tuple[float, int]] = deque()
        self._owner_pid = os.getpid()

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, descriptor: int, until: float) -> None:
        """End this connection then; takes the descriptor over."""
        while len(self._held) >= HELD_MAX:
            shut(self._held.popleft()[1])
        insort(self._held, (until, descriptor))

    def end(self, now: float = math.inf) -> None:
        """End those that were held for long enough; all, if no time is given.

        In a forked child only its copies are closed: the parent goes on holding them.
        """
        end = shut if os.getpid() == self._owner_pid else _close
        while self._held and self._held[0][0] <= now:
            end(self._held.popleft()[1])

    def make_room(self) -> bool:
        """End all, for somebody who waits and finds no descriptor; whether that left any.

        If it did, he is accepted in the next turn. If not, accept nobody for a while.
        """
        held = len(self._held)
        self.end()
        return held > 0

    def next_at(self) -> float | None:
        """When the first is to be ended; None: there is none."""
        return self._held[0][0] if self._held else None


def shut(descriptor: int) -> None:
    """End the connection of this descriptor, whoever else holds it, and close it."""
    with suppress(OSError):  # it is closed on the other side already
        ours = socket.socket(fileno=descriptor)
        try:
            ours.shutdown(socket.SHUT_RDWR)
        finally:
            ours.close()


def _close(descriptor: int) -> None:
    """Close it alone; a forked program may have closed all that it did not know already."""
    with suppress(OSError):
        os.close(descriptor)
