"""Loads: last values that are sent at once. Pure data.

Which these are depends on the instant in which they were joined, so nothing else says it: the
record of who is sent them points to them before that.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.shm.spill_area import Stored

_WORD = 8


class Load:
    """Some messages, with their places in a list.

    Attributes:
        limit: all of them are before this message.
        stop: where in the list it goes on.
        at: where in it they are.
        sequences: which they are.
        marks: which they were when the list was made: another one, if that was never committed.
        bounds: where in the data each begins, and the last one ends.
        data: as their receiver reads them.
        later: where there was one that is being committed, and its place.
        evicted: where there was one that is not kept.
        stored: where `packed()` is kept for another worker; None = nowhere yet.
    """

    __slots__ = (
        *("at", "bounds", "data", "evicted", "later", "limit", "marks", "sequences", "stop"),
        "stored",
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
        at: Sequence[int] = (),
        later: Sequence[tuple[int, int]] = (),
        evicted: Sequence[int] = (),
    ) -> None:
        self.limit = limit
        self.stop = stop
        self.at = at
        self.sequences = sequences
        self.marks = marks
        self.bounds = bounds
        self.data = data
        self.later = later
        self.evicted = evicted
        self.stored: Stored | None = None

    def __len__(self) -> int:
        return len(self.sequences)

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
