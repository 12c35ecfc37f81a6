"""Spill areas: bytes that records point to, since they are not in the log, or fit into no slot.

Each worker process writes to one of its own. What another process needs to go on with a stream is
read from there after the writer's death, so an area is not given to the next process before all
have gone on whose records point to it; see `coordinator.areas`.

It is a hole in the memory file that is written and read by system calls: they return an error where
a store to memory that the system does not have would end the process.

A place that is free again is kept for what takes about as many bytes, so that nobody looks through
all of them. Only when nothing else is left are neighbours joined to larger ones.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fanout.shm.layout import LINE

if TYPE_CHECKING:
    from fanout.shm.segment import Segment

ROUNDED_PART = 64  # of the area: what is larger gets a place of its own size, and wastes nothing
KEPT_BYTES = 256 * 1024  # of an area that is empty; more is given back, which takes some 20 us


class Stored:
    """Bytes in an area; they stay there for as long as somebody refers to this.

    Attributes:
        offset: in the memory file.
        size: bytes.
    """

    __slots__ = ("_area", "_length", "offset", "size")

    def __init__(self, area: SpillArea, offset: int, size: int, length: int) -> None:
        self.offset = offset
        self.size = size
        self._length = length
        self._area = area

    def __del__(self) -> None:
        if hasattr(self, "_area"):  # the last that is set
            self._area.free(self.offset, self._length)


class SpillArea:
    """The area of one process, which is the only one that writes there; others read.

    Its mutable state: which places are free, by their bytes; how much of it was ever used since it
    was empty, and how much is.

    Args:
        number: of the area, from 1; 0 = it has none, and nothing can be stored.
    """

    def __init__(self, segment: Segment, number: int) -> None:
        layout = segment.layout
        self._segment = segment
        self._start = layout.area(number)
        self._size = layout.area_bytes if 0 < number <= layout.areas else 0
        self._free: dict[int, list[int]] = {}  # where there are so many bytes
        self._top = 0  # nothing is used from there on
        self._used = 0  # bytes, of all places that somebody has
        self._written_to = 0  # nothing was written behind that since all of it was given back
        self._freed = 0  # bytes, since neighbours were joined

    def store(self, data: bytes | bytearray | memoryview) -> Stored | None:
        """Keep these bytes, one at least; None = there is no place, or no memory."""
        size = len(data)
        exact = -(-size // LINE) * LINE
        length = _rounded(exact) if size <= self._size // ROUNDED_PART else exact
        start = self._take(length)
        if start is None and length > exact:
            length = exact
            start = self._take(length)
        if start is None:
            return None
        self._written_to = max(self._written_to, start + length)  # some of it, whatever comes of it
        if not self._write(data, self._start + start):
            self._let_go(start, length)
            return None
        self._used += length
        return Stored(self, self._start + start, size, length)

    def free(self, offset: int, length: int) -> None:
        """These bytes are of no use any more; nobody but `Stored` says so."""
        self._used -= length
        self._let_go(offset - self._start, length)

    def _let_go(self, start: int, length: int) -> None:
        self._freed += length
        if self._used:
            self._free.setdefault(length, []).append(start)
            return
        self._free.clear()
        self._top = self._freed = 0
        if self._written_to > KEPT_BYTES:
            self._segment.give_back(self._start, self._written_to)
            self._written_to = 0

    def read(self, offset: int, size: int) -> bytes:
        """What somebody has stored there; shorter if there is not so much."""
        return os.pread(self._segment.fd, size, offset)

    def _take(self, length: int) -> int | None:
        """A place of so many bytes; None = there is none."""
        places = self._free.get(length)
        if places:
            return places.pop()
        if self._top + length > self._size and self._freed >= length:  # since they were joined
            self._join()
        if self._top + length > self._size:
            return self._cut(length)
        self._top += length
        return self._top - length

    def _cut(self, length: int) -> int | None:
        """Take it from a larger place: of the smallest of these."""
        larger = [one for one, places in self._free.items() if one >= length and places]
        if not larger:
            return None
        found = min(larger)
        start = self._free[found].pop()
        if found > length:
            self._free.setdefault(found - length, []).append(start + length)
        return start

    def _join(self) -> None:
        """Make one place of each that are side by side, and none of those at the end."""
        self._freed = 0
        places = sorted((start, one) for one, starts in self._free.items() for start in starts)
        self._free.clear()
        joined: list[list[int]] = []
        for start, length in places:
            if joined and sum(joined[-1]) == start:
                joined[-1][1] += length
            else:
                joined.append([start, length])
        if joined and sum(joined[-1]) == self._top:
            self._top = joined.pop()[0]
        for start, length in joined:
            self._free.setdefault(length, []).append(start)

    def _write(self, data: bytes | bytearray | memoryview, offset: int) -> bool:
        try:
            return os.pwrite(self._segment.fd, data, offset) == len(data)
        except OSError:
            return False


def _rounded(length: int) -> int:
    """A place of whole lines: above 16 of these an eighth more at most.

    So there are few different ones, and what is free fits what is about as large.
    """
    lines = length // LINE
    step = 1 << max(0, lines.bit_length() - 4)
    return -(-lines // step) * step * LINE
