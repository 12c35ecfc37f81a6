"""Values: messages that a member is still to be sent out of a stretch of the log. Pure data.

They take the place of a cohort in the segments of a member: it wants just these. Members with the
same wants that stand at the same place share them, and what is joined of them. One that stands
alone goes on in what was joined for it: it would else be joined again for each bit that its socket
takes. So that is not much.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from fanout.shm.census import Amount
from fanout.workers.stream.numbers import BLOCK
from fanout.workers.stream.sized import sized

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
        are_shared: whether more than one member has them.
        stored: where they are kept for another worker, None = nowhere yet.
    """

    __slots__ = ("_loads", "_log", "are_newest", "are_shared", "sequences", "stored")

    everything = False
    is_minimal = True
    key: frozenset[bytes] = frozenset()
    without = None

    def __init__(
        self, sequences: Sequence[int], log: LogReader, *, are_newest: bool = False
    ) -> None:
        self.sequences = sized(sequences, log)
        self.are_shared = False
        self.are_newest = are_newest
        self.stored: Stored | None = None
        self._log = log
        self._loads: list[JoinedValues] = []

    def share(self) -> None:
        """More than one member has them."""
        self.are_shared = True
        self.sequences.share()

    def amount(self, first: int, stop: int) -> Amount:
        """What there is from message `first` up to, not including, `stop`."""
        low, high = self._places(first, stop)
        return Amount(high - low, self.bytes_between(low, high))

    def bytes_between(self, low: int, high: int) -> int:
        """Bytes of those from one place up to, not including, another one."""
        return self.sequences.bytes_between(low, high)

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

    def _join(self, at: int, encoding: Encoding | None) -> JoinedValues:
        log = self._log
        chosen, ends = self.sequences.begin(at, BYTES_AT_ONCE)
        if encoding is None:
            return JoinedValues(at, encoding, ends, log.joined(chosen))
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
