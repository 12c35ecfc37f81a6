"""What is counted: times in a histogram of fixed size, and which numbers of a feed are missing.

Pure: a soak may run for days, so that nothing here grows with the number of messages.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

STEPS = 64  # buckets for each doubling: a time is known to 1/64, which is 1.6 %
BITS = STEPS.bit_length()


class Histogram:
    """How often which time was seen, in nanoseconds."""

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self._counts = dict(counts or {})

    def add(self, value: int) -> None:
        """Count one time; those below 0 count as 0."""
        value = max(0, value)
        shift = max(0, value.bit_length() - BITS)
        bucket = shift * STEPS + (value >> shift)
        self._counts[bucket] = self._counts.get(bucket, 0) + 1

    def clear(self) -> None:
        """Forget all."""
        self._counts.clear()

    def merge(self, other: Histogram) -> None:
        """Count what the other has counted."""
        for bucket, count in other._counts.items():
            self._counts[bucket] = self._counts.get(bucket, 0) + count

    @property
    def total(self) -> int:
        """Times counted."""
        return sum(self._counts.values())

    def quantile(self, share: float) -> float:
        """The time that this share of all do not exceed, in ns; nan if there is none."""
        wanted, seen = share * self.total, 0
        for bucket in sorted(self._counts):
            seen += self._counts[bucket]
            if seen >= wanted:
                return float(_upper(bucket))
        return math.nan

    def as_pairs(self) -> list[tuple[int, int]]:
        """Buckets and counts, for `from_pairs` in another process."""
        return sorted(self._counts.items())

    @classmethod
    def from_pairs(cls, pairs: list[tuple[int, int]]) -> Histogram:
        """The histogram that gave these pairs."""
        return cls(dict(pairs))


def _upper(bucket: int) -> int:
    """The largest value of a bucket."""
    shift = max(0, bucket // STEPS - 1)
    return ((bucket - shift * STEPS + 1) << shift) - 1


class Numbers:
    """Which numbers 0, 1, 2 ... of one feed one subscriber has received."""

    def __init__(self) -> None:
        self.received = 0
        self.disorder = 0  # not larger than the one before: repeated, or out of order
        self.last = -1

    def add(self, number: int) -> None:
        """Count one message."""
        self.received += 1
        if number <= self.last:
            self.disorder += 1
        self.last = max(self.last, number)

    def lost(self, published: int) -> int:
        """How many of so many are missing; what came twice is not taken for another one."""
        return max(0, published - self.received + self.disorder)
