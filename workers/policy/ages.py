"""Ages: when messages came, to the distance of two turns of a worker. Pure.

A message has no time: a look at the clock would cost a twentieth of `publish()`. While there is a
member behind whose limit is an age, its worker notes in each turn how far the log has come; so a
publisher that nobody sets such a limit for pays nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

STEP_NS = 2_000_000  # between two notes at least
NOTES_MAX = 16_384  # then every other one of the older half goes: their ages are large beside that


class Ages:
    """Notes of how far the log had come at which time.

    No message is taken for older than it is: who loses those that are too old loses no other.

    Its mutable state: the notes, of which both columns ascend, and when the last one was begun.
    """

    def __init__(self) -> None:
        self._heads: list[int] = []
        self._times: list[int] = []
        self._began = 0

    def __len__(self) -> int:
        return len(self._heads)

    def note(self, head: int, now: int) -> None:
        """All messages below `head` have come by now."""
        if self._heads:
            if head <= self._heads[-1]:
                return
            if now - self._began < STEP_NS:
                self._heads[-1], self._times[-1] = head, now
                return
            if len(self._heads) >= NOTES_MAX:
                half = NOTES_MAX // 2
                del self._heads[:half:2]
                del self._times[:half:2]
        self._heads.append(head)
        self._times.append(now)
        self._began = now

    def forget(self, tail: int) -> None:
        """Nobody asks for messages below `tail` any more."""
        old = bisect_right(self._heads, tail)
        if old > len(self._heads) // 2:
            del self._heads[:old]
            del self._times[:old]

    def clear(self) -> None:
        """Nobody asks any more."""
        self._heads.clear()
        self._times.clear()

    def age_of(self, sequence: int, now: int) -> int:
        """How long ago this message came, at least; 0 if that was not noted yet."""
        at = bisect_right(self._heads, sequence)
        return now - self._times[at] if at < len(self._times) else 0

    def first_within(self, age_ns: int, now: int) -> int:
        """The first message that is not older than that."""
        at = bisect_left(self._times, now - age_ns)
        return self._heads[at - 1] if at else 0
