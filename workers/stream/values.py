"""Values: messages that a member is still to be sent out of a stretch of the log. Pure data.

They take the place of a cohort in the segments of a member: it wants just these. Members with the
same wants that stand at the same place share them, and what is joined of them.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

from fanout.shm.census import Amount

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fanout.shm.reader import LogReader
    from fanout.zmtp.encoding import Encoding

VALUES_AT_ONCE = 400  # of one send
BYTES_AT_ONCE = 64 * 1024  # of one send, or one message
LOADS_KEPT = 2  # of them joined, for others that come to the same place


class Values:
    """Some messages of the log, in their order; what `Cohort` has for a segment, they have too.

    Args:
        sequences: which; ascending.
        are_newest: whether they are those of all topics that some cohort wants.
    """

    __slots__ = ("_loads", "_sums", "are_newest", "sequences")

    everything = False
    is_minimal = True
    key: frozenset[bytes] = frozenset()

    def __init__(
        self, sequences: Sequence[int], log: LogReader, *, are_newest: bool = False
    ) -> None:
        self.sequences = sequences
        self.are_newest = are_newest
        start_of = log.start_of
        sizes = [start_of(sequence + 1) - start_of(sequence) for sequence in sequences]
        self._sums = [0, *accumulate(sizes)]
        self._loads: dict[tuple[int, Encoding | None], tuple[list[int], bytes]] = {}

    def amount(self, first: int, stop: int) -> Amount:
        """What there is from message `first` up to, not including, `stop`."""
        low = bisect_left(self.sequences, first)
        high = bisect_left(self.sequences, stop, low)
        return Amount(high - low, self._sums[high] - self._sums[low])

    def bytes_between(self, low: int, high: int) -> int:
        """Bytes of those from one place up to, not including, another one."""
        return self._sums[max(low, high)] - self._sums[low]

    def sizes(self, first: int) -> Iterator[tuple[int, int]]:
        """Each of them from message `first` on, and its bytes."""
        for at in range(bisect_left(self.sequences, first), len(self.sequences)):
            yield self.sequences[at], self._sums[at + 1] - self._sums[at]

    def edges(self, first: int, stop: int) -> tuple[int, int]:
        """The first and the last of them in that stretch, in which there are some."""
        low = bisect_left(self.sequences, first)
        return self.sequences[low], self.sequences[bisect_left(self.sequences, stop, low) - 1]

    def load(self, at: int, encoding: Encoding | None, log: LogReader) -> tuple[list[int], bytes]:
        """What is sent at once from the one at this place on: where each ends, and all of it."""
        load = self._loads.get((at, encoding))
        if load is None:
            most = bisect_left(self._sums, self._sums[at] + BYTES_AT_ONCE, at + 1)
            chosen = self.sequences[at : max(at + 1, min(most, at + VALUES_AT_ONCE))]
            pieces = list(map(log.piece, chosen))
            if encoding is not None:
                pieces = list(map(encoding.encode, pieces, chosen))
            load = list(accumulate(map(len, pieces))), b"".join(pieces)
            if len(self._loads) >= LOADS_KEPT:
                del self._loads[next(iter(self._loads))]
            self._loads[at, encoding] = load
        return load

    def keep(self) -> Values:
        """They never change."""
        return self
