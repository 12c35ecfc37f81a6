"""Sized: which messages of the log somebody is sent, and their bytes. Pure.

As long as they are not many, each has eight bytes of its own: so they are made, looked up and
joined fastest. More than that take less as `Numbers`, however many there are.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, TypeAlias

from fanout.workers.stream.numbers import BLOCK, HEAD, Numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fanout.shm.reader import LogReader

FEW = 12_288  # eight bytes each: no more than blocks may take for half of the default log
_WORD = (1 << 32) - 1  # how far from the first one, and how many bytes, fits into four bytes


class Few:
    """Ascending numbers, and the sizes of these messages; they do not change.

    Args:
        numbers: FEW at most, from which on the last one is no further away than _WORD.
        sums: bytes before each of them, and of all.
    """

    __slots__ = ("_base", "_numbers", "_sums")

    def __init__(self, numbers: Sequence[int], sums: Sequence[int]) -> None:
        self._base = base = numbers[0] if numbers else 0
        self._numbers = array("I", [one - base for one in numbers])
        self._sums = array("I", sums)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, at: int) -> int:
        """The number at this place."""
        return self._base + self._numbers[at]

    def __iter__(self) -> Iterator[int]:
        return iter(self.some(0, len(self)))

    def share(self) -> None:
        """More than one looks at them, which makes no difference here."""

    def some(self, low: int, high: int) -> Sequence[int]:
        """Those from one place up to, not including, another one."""
        base = self._base
        return [base + one for one in self._numbers[low:high]]

    def place_of(self, number: int) -> int:
        """How many are below this one."""
        return bisect_left(self._numbers, number - self._base)

    def bytes_between(self, low: int, high: int) -> int:
        """Bytes of those from one place up to, not including, another one."""
        return self._sums[high] - self._sums[low]

    def begin(self, at: int, most: int) -> tuple[Sequence[int], list[int]]:
        """As many from one place on as have so many bytes, one at least; and where each ends.

        First 0.
        """
        sums = self._sums
        base = sums[at]
        stop = max(at + 1, bisect_right(sums, base + most, at + 1) - 1)
        return self.some(at, stop), [end - base for end in sums[at : stop + 1]]

    def packed(self) -> bytes:
        """Which they are, for another worker."""
        return HEAD.pack(self._base, 0) + self._numbers.tobytes()


class Many:
    """As `Few`, however many there are.

    Args:
        log: is asked for sizes, of those whose bytes it still has.
    """

    __slots__ = ("_log", "_numbers", "_sums")

    def __init__(self, numbers: Sequence[int], log: LogReader) -> None:
        self._log = log
        self._numbers = own = Numbers(numbers)
        # Bytes before each block of them: those of one below the tail nobody could ask for later.
        sizes = [sum(log.sizes(numbers[low:high])) for low, high in pairwise(own.places)]
        self._sums = array("Q", accumulate(sizes, initial=0))

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, at: int) -> int:
        """The number at this place."""
        return self._numbers[at]

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def share(self) -> None:
        """More than one looks at them."""
        self._numbers.are_shared = True

    def some(self, low: int, high: int) -> Sequence[int]:
        """Those from one place up to, not including, another one."""
        return self._numbers.some(low, high)

    def place_of(self, number: int) -> int:
        """How many are below this one."""
        return self._numbers.place_of(number)

    def bytes_between(self, low: int, high: int) -> int:
        """Bytes of those from one place up to, not including, another one."""
        places = self._numbers.places
        first, last = bisect_left(places, low), bisect_right(places, high) - 1
        if first > last:  # in the midst of one block
            return self._size(low, high)
        blocks = self._sums[last] - self._sums[first]
        return self._size(low, places[first]) + blocks + self._size(places[last], high)

    def begin(self, at: int, most: int) -> tuple[Sequence[int], list[int]]:
        """As many from one place on as have so many bytes, one at least; and where each ends.

        First 0; of no more than a block.
        """
        count = min(BLOCK, most * len(self) // (self._sums[-1] + 1) + 1)
        while True:
            chosen = self.some(at, min(at + count, len(self)))
            ends = _ends_of(chosen, self._log)
            if ends[-1] > most or len(chosen) < count or count >= BLOCK:
                break
            count *= 4  # they are smaller than the others
        found = max(1, bisect_right(ends, most) - 1)
        return chosen[:found], ends[: found + 1]

    def packed(self) -> bytes:
        """Which they are, for another worker."""
        return self._numbers.packed()

    def _size(self, low: int, high: int) -> int:
        return sum(self._log.sizes(self._numbers.some(low, high)))


Sized: TypeAlias = Few | Many


def sized(numbers: Sequence[int], log: LogReader) -> Sized:
    """These messages of the log, which are there, and ascending."""
    if len(numbers) <= FEW and (not numbers or 0 <= numbers[-1] - numbers[0] <= _WORD):
        sums = list(accumulate(log.sizes(numbers), initial=0))
        if sums[-1] <= _WORD:
            return Few(numbers, sums)
    return Many(numbers, log)


def _ends_of(numbers: Sequence[int], log: LogReader) -> list[int]:
    """Where each of some messages ends if they are joined; first 0."""
    first = numbers[0]
    if numbers[-1] - first == len(numbers) - 1:  # neighbours
        bounds = log.boundaries(first, first + len(numbers))
        base = bounds[0]
        return [one - base for one in bounds]
    return [*accumulate(log.sizes(numbers), initial=0)]
