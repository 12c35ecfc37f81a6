"""Spill areas: bytes that records point to, since they are not in the log, or fit into no slot.

Each worker process writes to one of its own. What another process needs to go on with a stream is
read from there after the writer's death, so an area is not given to the next process before all
have gone on whose records point to it; see `coordinator.areas`.

It is a hole in the memory file that is written and read by system calls: they return an error where
a store to memory that the system does not have would end the process.
"""

from __future__ import annotations

import os
from bisect import insort
from typing import TYPE_CHECKING

from fanout.shm.layout import LINE, PAGE

if TYPE_CHECKING:
    from fanout.shm.segment import Segment


class Stored:
    """Bytes in an area; they stay there for as long as somebody refers to this.

    Attributes:
        offset: in the memory file.
        size: bytes.
    """

    __slots__ = ("_area", "offset", "size")

    def __init__(self, area: SpillArea, offset: int, size: int) -> None:
        self._area = area
        self.offset = offset
        self.size = size

    def __del__(self) -> None:
        self._area.free(self.offset, self.size)


class SpillArea:
    """The area of one process, which is the only one that writes there; others read.

    Its mutable state: which stretches are free, in their order; all of it at the start.

    Args:
        number: of the area, from 1; 0 = it has none, and nothing can be stored.
    """

    def __init__(self, segment: Segment, number: int) -> None:
        layout = segment.layout
        self._segment = segment
        self._start = layout.area(number)
        self._size = layout.area_bytes if 0 < number <= layout.areas else 0
        self._free: list[tuple[int, int]] = [(0, self._size)] if self._size else []
        self._used_to = 0  # nothing was written behind that since all of it was given back

    def store(self, data: bytes | bytearray | memoryview) -> Stored | None:
        """Keep these bytes, one at least, at the first place where they fit; None = nowhere."""
        size = len(data)
        length = -(-size // LINE) * LINE
        found = [(at, *one) for at, one in enumerate(self._free) if one[1] - one[0] >= length]
        if not found:
            return None
        index, start, stop = found[0]
        if not self._write(data, self._start + start):
            return None
        if start + length < stop:
            self._free[index] = start + length, stop
        else:
            del self._free[index]
        self._used_to = max(self._used_to, start + length)
        return Stored(self, self._start + start, size)

    def free(self, offset: int, size: int) -> None:
        """These bytes are of no use any more; nobody but `Stored` says so."""
        start = offset - self._start
        stop = start + -(-size // LINE) * LINE
        insort(self._free, (start, stop))
        index = self._free.index((start, stop))
        if index + 1 < len(self._free) and self._free[index + 1][0] == stop:
            stop = self._free.pop(index + 1)[1]
        if index and self._free[index - 1][1] == start:
            index -= 1
            start = self._free.pop(index)[0]
        self._free[index] = start, stop
        if stop - start == self._size and self._used_to > PAGE:
            self._segment.give_back(self._start, self._used_to)
            self._used_to = 0

    def read(self, offset: int, size: int) -> bytes:
        """What somebody has stored there; shorter if there is not so much."""
        return os.pread(self._segment.fd, size, offset)

    def _write(self, data: bytes | bytearray | memoryview, offset: int) -> bool:
        try:
            return os.pwrite(self._segment.fd, data, offset) == len(data)
        except OSError:
            return False
