"""Credits: how many questions somebody may have answered now. Pure: time is passed in.

Each asker has its own; and all of one address share some more, since whoever may ask 200 questions
a second could connect 256 times.
"""

from __future__ import annotations

from fanout.terms.question_terms import (
    ADDRESS_QUESTIONS_BURST,
    ADDRESS_QUESTIONS_PER_S,
    ADDRESSES_MAX,
)


class Credits:
    """They come back as time goes by. Owned by one thread.

    Args:
        per_s: so many a second.
        burst: no more than that are saved up; as many are there at first.
    """

    __slots__ = ("_at", "_burst", "_left", "_per_s")

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = burst
        self._at = now  # the time at which `_left` was right

    def left(self, now: float) -> float:
        """How many there are; below 0: more were spent than there were."""
        return min(self._burst, self._left + (now - self._at) * self._per_s)

    def spend(self, count: float, now: float) -> None:
        """So many, even if there are fewer."""
        self._left, self._at = self.left(now) - count, now

    def due_at(self) -> float:
        """When there are some; half of one is enough."""
        return self._at + max(0.0, 0.5 - self._left) / self._per_s

    def is_full(self, now: float) -> bool:
        """Whether nothing is known of it that a new one would not have."""
        return self.left(now) >= self._burst


class AddressCredits:
    """Those that askers of one address share, also with those that have left it."""

    def __init__(self) -> None:
        self._of: dict[str, Credits] = {}

    def __len__(self) -> int:
        return len(self._of)

    def of(self, name: str, now: float) -> Credits:
        """Those of the address of a peer, which has this name; over `ipc://` of its process."""
        host, _, port = name.rpartition(":")
        address = name if host == "ipc" or not port else host
        found = self._of.get(address)
        if found is None:
            if len(self._of) >= ADDRESSES_MAX:
                self._forget(now)
            found = self._of[address] = Credits(
                ADDRESS_QUESTIONS_PER_S, ADDRESS_QUESTIONS_BURST, now
            )
        return found

    def _forget(self, now: float) -> None:
        self._of = {name: one for name, one in self._of.items() if not one.is_full(now)}
        if len(self._of) >= ADDRESSES_MAX:
            del self._of[next(iter(self._of))]
