"""For how long a subscriber hears nothing after something has happened. Pure.

Times are monotonic nanoseconds, as readers and the publisher see them on one machine.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

GAP_NS = 2_000_000  # shorter ones are no pauses
GAPS_KEPT = 2_000  # of one subscriber: some seconds, at the worst


@dataclass(frozen=True)
class Window:
    """Something has happened, and until then nothing else has.

    Attributes:
        what: the kind of thing.
        who: the subscribers that it concerns.
    """

    what: str
    begin: int
    end: int
    who: tuple[int, ...]


@dataclass
class Silence:
    """When one subscriber has heard nothing."""

    last: int = 0
    gaps: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=GAPS_KEPT))

    def heard(self, now: int) -> None:
        """Something came."""
        if now - self.last > GAP_NS and self.last:
            self.gaps.append((self.last, now))
        self.last = now

    def longest(self, window: Window, now: int) -> int:
        """The longest pause after the beginning of a window, that began before its end."""
        gaps = [*self.gaps, (self.last, now)] if self.last else []
        felt = [
            end - max(begin, window.begin)
            for begin, end in gaps
            if begin < window.end and end > window.begin
        ]
        return max(felt, default=0)
