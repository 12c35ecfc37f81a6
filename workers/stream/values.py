"""Values: messages that a member is still to be sent out of a stretch of the log. Pure data.

They take the place of a cohort in the segments of a member: it wants just these. Members with the
same wants that stand at the same place share them, and what is joined of them. One that stands
alone goes on in what was joined for it: it would else be joined again for each bit that its socket
takes. So that is not much.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from fanout.shm.census import Amount
from fanout.workers.stream.numbers import BLOCK, Numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fanout.shm.reader import LogReader
    from fanout.shm.spill_area import Stored
    from fanout.zmtp.encoding import Encoding

BYTES_AT_ONCE = 16 * 1024  # of one send, or one message: what a socket takes at least
LOADS_KEPT = 8  # of them joined, if there are others that come to the same places


class JoinedValues:
    """Some of them as they are sent.

    Attributes:
        first, stop: which, by their places among all.
        encoding: what they went through.
        bounds: where in `data` each of them begins, and the last one ends.
    """

    __slots__ = ("bounds", "data", "encoding", "first", "stop")

    def __init__(
        self, first: int, encoding: Encoding | None, bounds: list[int], data: bytes
    ) -> None:
        self.first = first
        self.stop = first + len(bounds) - 1
        self.encoding = encoding
        self.bounds = bounds
        self.data = data


class Values:
    """Some messages of the log, in their order; what `Cohort` has for a segment, they have too.

    Args:
        sequences: which; ascending.
        are_newest: whether they are those of all topics that some cohort wants.

    Attributes:
        sequences: which.
        stored: where they are kept for another worker, None = nowhere yet.
    """

    __slots__ = ("_loads", "_log", "_sums", "are_newest", "sequences", "stored")

    everything = False
    is_minimal = True
    key: frozenset[bytes] = frozenset()
    without = None

    def __init__(
        self, sequences: Sequence[int], log: LogReader, *, are_newest: bool = False
    ) -> None:
        self.sequences = numbers = Numbers(sequences)
        self.are_newest = are_newest
        self.stored: Stored | None = None
        self._log = log
        # Bytes before each block of them: those of one below the tail nobody could ask for later.
        sizes = [sum(log.sizes(sequences[low:high])) for low, high in pairwise(numbers.places)]
        self._sums = array("Q", accumulate(sizes, initial=0))
        self._loads: list[JoinedValues] = []

    @property
    def are_shared(self) -> bool:
        """Whether more than one member has them."""
        return self.sequences.are_shared

    def share(self) -> None:
        """More than one member has them."""
        self.sequences.are_shared = True

    def amount(self, first: int, stop: int) -> Amount:
        """What there is from message `first` up to, not including, `stop`."""
        low, high = self._places(first, stop)
        return Amount(high - low, self.bytes_between(low, high))

    def bytes_between(self, low: int, high: int) -> int:
        """Bytes of those from one place up to, not including, another one."""
        places = self.sequences.places
        first, last = bisect_left(places, low), bisect_right(places, high) - 1
        if first > last:  # in the midst of one block
            return self._size(low, high)
        blocks = self._sums[last] - self._sums[first]
        return self._size(low, places[first]) + blocks + self._size(places[last], high)

    def sizes(self, first: int) -> Iterator[tuple[int, int]]:
        """Each of them from message `first` on, and its bytes."""
        low = self.sequences.place_of(first)
        while low < len(self.sequences):
            some = self.sequences.some(low, min(low + BLOCK, len(self.sequences)))
            yield from zip(some, self._log.sizes(some), strict=True)
            low += BLOCK

    def between(self, first: int, stop: int) -> Sequence[int]:
        """Those of them from message `first` up to, not including, `stop`."""
        return self.sequences.some(*self._places(first, stop))

    def edges(self, first: int, stop: int) -> tuple[int, int]:
        """The first and the last of them in that stretch, in which there are some."""
        low, high = self._places(first, stop)
        return self.sequences[low], self.sequences[high - 1]

    def load(self, at: int, encoding: Encoding | None) -> JoinedValues:
        """What is sent at once, with the one at this place in it."""
        for load in self._loads:
            if load.first <= at < load.stop and load.encoding is encoding:
                return load
        load = self._join(at, encoding)
        if len(self._loads) >= (LOADS_KEPT if self.are_shared else 1):
            del self._loads[0]
        self._loads.append(load)
        return load

    def _places(self, first: int, stop: int) -> tuple[int, int]:
        low = self.sequences.place_of(first)
        return low, max(low, self.sequences.place_of(stop))

    def _size(self, low: int, high: int) -> int:
        return sum(self._log.sizes(self.sequences.some(low, high)))

    def _join(self, at: int, encoding: Encoding | None) -> JoinedValues:
        log = self._log
        count = min(BLOCK, BYTES_AT_ONCE * len(self.sequences) // (self._sums[-1] + 1) + 1)
        while True:
            chosen = self.sequences.some(at, min(at + count, len(self.sequences)))
            ends = _ends_of(chosen, log)
            if ends[-1] > BYTES_AT_ONCE or len(chosen) < count or count >= BLOCK:
                break
            count *= 4  # they are smaller than the others
        some = max(1, bisect_right(ends, BYTES_AT_ONCE) - 1)
        chosen = chosen[:some]
        if encoding is None:
            return JoinedValues(at, encoding, ends[: some + 1], log.joined(chosen))
        pieces = list(map(encoding.encode, map(log.piece, chosen), chosen))
        return JoinedValues(
            at, encoding, [*accumulate(map(len, pieces), initial=0)], b"".join(pieces)
        )

    def packed(self) -> bytes:
        """Which they are, for another worker."""
        return self.sequences.packed()

    def keep(self) -> Values:
        """They never change."""
        return self


def _ends_of(numbers: Sequence[int], log: LogReader) -> list[int]:
    """Where each of some messages ends if they are joined; first 0."""
    first = numbers[0]
    if numbers[-1] - first == len(numbers) - 1:  # neighbours
        bounds = log.boundaries(first, first + len(numbers))
        base = bounds[0]
        return [one - base for one in bounds]
    return [*accumulate(log.sizes(numbers), initial=0)]
