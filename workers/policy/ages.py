"""Ages: when messages came, to the distance of two turns of a worker. Pure.

A message has no time: a look at the clock would cost a twentieth of `publish()`. While there is a
member behind whose limit is an age, its worker notes in each turn how far the log has come; so a
publisher that nobody sets such a limit for pays nothing.

What came before the first of these notes, to one that another worker served, or that had no such
limit then, is as old as the coordinator's notes say, which are further apart.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    # Heads and times of notes that saw a message, the oldest first, those before a time.
    Earlier: TypeAlias = Callable[[int, int], Sequence[tuple[int, int]]]

STEP_NS = 2_000_000  # between two notes at least
PAUSE_NS = 100_000_000  # between ours, from which on others may have some in between
NOTES_MAX = 16_384  # then every other one of the older half goes: their ages are large beside that
_NEVER = 1 << 63  # a message, or a time, that does not come


class Ages:
    """Notes of how far the log had come at which time.

    No message is taken for older than it is: who loses those that are too old loses no other.

    Its mutable state: the notes, of which both columns ascend, when the last one was begun, and
    from which message on there are no other ones.

    Attributes:
        head: how far the log had come when its worker looked last.
        earlier: asks for the notes of others; set by who has some.
    """

    def __init__(self) -> None:
        self.head = 0
        self.earlier: Earlier = lambda _sequence, _time: ()
        self._heads: list[int] = []
        self._times: list[int] = []
        self._began = 0
        self._since = _NEVER

    def __len__(self) -> int:
        return len(self._heads)

    def note(self, head: int, now: int) -> None:
        """All messages below `head`, or `self.head`, have come by now."""
        # What is between these two may have come long ago, as others have noted.
        head = max(head, self.head)
        if self._heads:
            if head <= self._heads[-1]:
                return
            if now - self._began < STEP_NS:
                self._heads[-1], self._times[-1] = head, now
                return
            if now - self._times[-1] > PAUSE_NS:
                self._fill(now)
                if head <= self._heads[-1]:
                    return
            if len(self._heads) >= NOTES_MAX:
                half = NOTES_MAX // 2
                del self._heads[:half:2]
                del self._times[:half:2]
        else:
            self._since = head
        self._heads.append(head)
        self._times.append(now)
        self._began = now

    def forget(self, tail: int) -> None:
        """Nobody asks for messages below `tail` any more."""
        old = bisect_right(self._heads, tail)
        if old > len(self._heads) // 2:
            del self._heads[:old]
            del self._times[:old]
            self._since = max(self._since, tail)

    def clear(self) -> None:
        """Nobody asks any more."""
        self._heads.clear()
        self._times.clear()
        self._since = _NEVER

    def age_of(self, sequence: int, now: int) -> int:
        """How long ago this message came, at least; 0 if that was not noted yet."""
        if sequence < self._since:
            self._look_back(sequence)
        at = bisect_right(self._heads, sequence)
        return max(0, now - self._times[at]) if at < len(self._times) else 0

    def first_within(self, age_ns: int, now: int) -> int:
        """The first message that is not older than that."""
        at = bisect_left(self._times, now - age_ns)
        return self._heads[at - 1] if at else 0

    def _fill(self, now: int) -> None:
        """Take what others have noted since our last note."""
        for head, time in self.earlier(self._heads[-1], now):
            if time >= self._times[-1]:  # theirs of the same instant may have seen more
                self._heads.append(head)
                self._times.append(time)

    def _look_back(self, sequence: int) -> None:
        """Take what others have noted of messages from this one on, before our first note."""
        self._since = sequence
        first = self._times[0] if self._times else _NEVER
        found = self.earlier(sequence, first)
        if not found:
            return
        known = bisect_right(self._heads, found[-1][0])  # which these have seen before
        if known == len(self._heads):
            self._began = found[-1][1]
        self._heads[:known] = [head for head, _time in found]
        self._times[:known] = [time for _head, time in found]
