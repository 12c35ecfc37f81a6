"""Loads: last values that are sent at once. Pure data.

Which these are depends on the instant in which they were joined, so nothing else says it: the
record of who is sent them points to them before that.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.shm.spill_area import Stored

NUMBERS_BYTES = 160  # for each message: four numbers in lists; as much for a load without any
_WORD = 8


class Load:
    """Some messages, with their places in a list.

    Attributes:
        limit: all of them are before this message.
        first, stop: where in the list it begins, and goes on.
        at: where in it they are.
        sequences: which they are.
        marks: which they were when the list was made: another one, if that was never committed.
        bounds: where in the data each begins, and the last one ends.
        data: as their receiver reads them.
        later: where there was one that is being committed, and its place.
        evicted: where there was one that is not kept.
        seen: what was too old, or forgotten, when they were joined.
        is_shared: whether it is kept for others.
        stored: where `packed()` is kept for another worker; None = nowhere yet.
    """

    __slots__ = (
        *("at", "bounds", "data", "evicted", "first", "later", "limit", "marks", "sequences"),
        *("is_shared", "seen", "stop", "stored"),
    )

    def __init__(
        self,
        limit: int,
        stop: int,
        sequences: Sequence[int],
        marks: Sequence[int],
        bounds: Sequence[int],
        data: bytes,
        *,
        first: int = 0,
        at: Sequence[int] = (),
        later: Sequence[tuple[int, int]] = (),
        evicted: Sequence[int] = (),
        seen: object = None,
    ) -> None:
        self.limit = limit
        self.first = first
        self.stop = stop
        self.at = at
        self.sequences = sequences
        self.marks = marks
        self.bounds = bounds
        self.data = data
        self.later = later
        self.evicted = evicted
        self.seen = seen
        self.is_shared = False
        self.stored: Stored | None = None

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def held_bytes(self) -> int:
        """Memory that it takes, about."""
        return len(self.data) + (len(self) + 1) * NUMBERS_BYTES

    def part(self, first: int, most: int, most_bytes: int) -> Load:
        """What there is of it from a place in its list on, so much at most, or one message."""
        low = bisect_left(self.at, first)
        begins = self.bounds[low]
        high = bisect_right(self.bounds, begins + most_bytes, low + 1) - 1
        high = min(max(high, low + 1), low + most, len(self))
        stop = self.at[high] if high < len(self) else self.stop
        return Load(
            *(self.limit, stop, self.sequences[low:high], self.marks[low:high]),
            [end - begins for end in self.bounds[low : high + 1]],
            self.data[begins : self.bounds[high]],
            first=first,
            at=self.at[low:high],
            later=[one for one in self.later if first <= one[0] < stop],
            evicted=[one for one in self.evicted if first <= one < stop],
        )

    def packed(self) -> bytes:
        """What another worker has to know to send them."""
        numbers = array("Q", self.sequences)
        numbers.extend(self.marks)
        numbers.extend(self.bounds)
        return numbers.tobytes() + self.data

    @classmethod
    def unpacked(cls, packed: bytes, count: int) -> Load:
        """So many that another worker was about to send."""
        size = (3 * count + 1) * _WORD
        numbers = array("Q", packed[:size])
        sequences, marks = numbers[:count], numbers[count : 2 * count]
        return cls(0, 0, sequences, marks, numbers[2 * count :], packed[size:])
