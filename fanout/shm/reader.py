"""The log's reader: finds committed messages, in any process; it never writes, waits or locks."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING

from fanout.shm import fence as fences
from fanout.shm import layout as at
from fanout.shm.layout import H_HEAD

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fanout.shm.segment import Segment


class LogReader:
    """Finds committed messages; the caller's tail must protect what it asks for.

    Every method takes sequences or positions at or above that tail and below a head that was read
    before. Views returned by `span` are valid only as long as the tail protects them: hand them to
    calls that are done with them when they return.
    """

    def __init__(self, segment: Segment) -> None:
        layout = segment.layout
        self._words = segment.words
        self._map = segment.map
        self._base = layout.data
        self.size = layout.data_bytes
        self.entries = layout.entries
        self._data = segment.view[layout.data : layout.data + layout.data_bytes]
        self._ends = segment.words[layout.ends // at.WORD :][: layout.entries]
        self._topics = segment.words[layout.topics // at.WORD :][: layout.entries]
        self._mask = layout.entries - 1
        self._fence = None if fences.STORES_STAY_IN_ORDER else fences.make_fence()

    @property
    def epoch(self) -> int:
        """Of the publisher: another number for each run of one."""
        return self._words[at.H_EPOCH]

    def head(self) -> int:
        """Sequence of the next message; everything below it may be read after this call."""
        head = self._words[H_HEAD]
        if self._fence is not None:
            self._fence()
        return head

    def length(self) -> tuple[int, int]:
        """The head, and how many bytes were committed below it; no tail is needed."""
        while True:
            head = self.head()
            position = self.start_of(head)
            if self.head() - head < self.entries:  # else that entry was used again
                return head, position

    def start_of(self, sequence: int) -> int:
        """Position of the first byte of message `sequence` (of the next one, for head)."""
        return self._ends[(sequence - 1) & self._mask]

    def sequence_at(self, position: int, low: int, high: int) -> int:
        """The message that contains `position`: `low` <= result <= `high`.

        `high`, usually a head, is the result for a position at or behind its start.
        """
        ends, begin, length = self._ends, low & self._mask, high - low
        room = self.entries - begin
        if length <= room:
            return low + bisect_right(ends, position, begin, begin + length) - begin
        if position < ends[self._mask]:  # where the index goes on with its first entry
            return low + bisect_right(ends, position, begin, self._mask) - begin
        return low + room + bisect_right(ends, position, 0, length - room)

    def boundaries(self, first: int, stop: int) -> list[int]:
        """Start positions of messages `first` to `stop`: `stop - first + 1` numbers."""
        return self._column(self._ends, first - 1, stop)

    def topic_ids(self, first: int, stop: int) -> list[int]:
        """Topic ids of messages `first` up to, not including, `stop`."""
        return self._column(self._topics, first, stop)

    def copy(self, start: int, stop: int) -> bytes:
        """The bytes of positions `start` to `stop` as a private copy."""
        low = start % self.size
        length = stop - start
        if low + length <= self.size:
            return self._map[self._base + low : self._base + low + length]
        room = self.size - low
        return (
            self._map[self._base + low : self._base + self.size]
            + self._map[self._base : self._base + length - room]
        )

    def piece(self, sequence: int) -> bytes:
        """The wire bytes of one message as a private copy."""
        return self.copy(self.start_of(sequence), self._ends[sequence & self._mask])

    def pieces(self, first: int, stop: int) -> list[bytes]:
        """The wire bytes of messages `first` up to, not including, `stop`, as private copies."""
        bounds = self.boundaries(first, stop)
        base = bounds[0]
        data = self.copy(base, bounds[-1])
        return [data[a - base : b - base] for a, b in pairwise(bounds)]

    def sizes(self, sequences: Iterable[int]) -> list[int]:
        """Bytes of each of some messages."""
        ends, mask = self._ends, self._mask
        return [ends[one & mask] - ends[(one - 1) & mask] for one in sequences]

    def joined(self, sequences: Sequence[int]) -> bytes:
        """The wire bytes of some messages, one or more in ascending order, as a private copy.

        Neighbours are copied together.
        """
        first, last = sequences[0], sequences[-1]
        if last - first == len(sequences) - 1:
            return self.copy(self.start_of(first), self.start_of(last + 1))
        starts = [first, *[b for a, b in pairwise(sequences) if b != a + 1]]
        stops = [*[a + 1 for a, b in pairwise(sequences) if b != a + 1], last + 1]
        ends, mask = self._ends, self._mask
        spans = [
            (ends[(first - 1) & mask], ends[(stop - 1) & mask])
            for first, stop in zip(starts, stops, strict=True)
        ]
        low, high = spans[0][0], spans[-1][1]
        if high - low > self.size - low % self.size:  # the ring ends in their midst
            copy = self.copy
            return b"".join([copy(start, stop) for start, stop in spans])
        whole, data = low - low % self.size - self._base, self._map
        return b"".join([data[start - whole : stop - whole] for start, stop in spans])

    def batch_end(self, first: int, stop: int, size: int) -> int:
        """How far a batch from `first` goes, `stop` at most: `size` bytes, or one message."""
        limit = self.start_of(first) + size
        if self.start_of(stop) <= limit:
            return stop
        return max(first + 1, self.sequence_at(limit, first, stop))

    def span(self, start: int, stop: int) -> memoryview:
        """The bytes from `start` towards `stop` that lie together: no copy, at least one byte."""
        low = start % self.size
        return self._data[low : min(low + stop - start, self.size)]

    def _column(self, area: memoryview, first: int, stop: int) -> list[int]:
        low = first & self._mask
        length = stop - first
        room = len(area) - low
        if length <= room:
            return area[low : low + length].tolist()
        return area[low:].tolist() + area[: length - room].tolist()
