"""The shared memory under observation: who writes where, in which steps, and what may be read.

Every store of the writer is a step of its own, with room for readers before and after it, and large
ones are torn in two. What the writer may reuse is filled with garbage as soon as it may, so that
whoever reads what is not protected reads garbage. Readers get memory that they cannot write.
"""

from __future__ import annotations

import os
from array import array
from typing import TYPE_CHECKING, Any

from fanout.shm import layout as at
from fanout.shm.log import LogWriter
from fanout.shm.reader import LogReader
from fanout.shm.segment import Segment
from tests.simulation.violated import Violated, require

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence
    from random import Random

    from fanout.shm.worker_slot import WorkerSlot
    from tests.simulation.published import History


class Stores:
    """A piece of memory as the writer sees it: `step` is called around every store.

    Args:
        low, high: what it may write, in elements.
        also: more that it may.
    """

    def __init__(
        self,
        memory: Any,
        step: Callable[[], None],
        low: int,
        high: int,
        also: Container[int] = (),
    ) -> None:
        self._memory = memory
        self._step = step
        self._low = low
        self._high = high
        self._also = also

    def __len__(self) -> int:
        return len(self._memory)

    def __getitem__(self, key: Any) -> Any:
        return self._memory[key]

    def __setitem__(self, key: int | slice, value: Any) -> None:
        first, stop = (key, key + 1) if isinstance(key, int) else key.indices(len(self))[:2]
        mine = self._low <= first <= stop <= self._high or key in self._also
        require(mine, "the writer wrote what is not its own")
        self._step()
        if isinstance(key, slice) and stop - first > 1:
            middle = (first + stop) // 2
            view = memoryview(value)
            require(len(view) == stop - first, "the writer wrote more or less than it said")
            self._memory[first:middle] = view[: middle - first]
            self._step()
            self._memory[middle:stop] = view[middle - first :]
        else:
            self._memory[key] = value
        self._step()


class SteppedWriter(LogWriter):
    """The writer, with steps between its stores and garbage in what it may reuse."""

    def __init__(self, segment: Segment, step: Callable[[], None], rng: Random) -> None:
        super().__init__(segment)
        layout = segment.layout
        self._data = segment.view[layout.data :]
        self._noise = memoryview(rng.randbytes(layout.data_bytes))
        wrong = rng.choices((0, 1 << 20, 1 << 60), k=layout.entries)
        self._wrong_ends = memoryview(array("Q", wrong))
        self._wrong_topics = memoryview(array("Q", rng.choices(range(9), k=layout.entries)))
        self._real_ends, self._real_topics = self._ends, self._topics
        watched: Any = self  # the proxies stand in for memory, whatever the annotations say
        own = at.H_HEAD, at.H_POISON + 1, range(at.H_FLOOR, at.H_KNOWN_CREDIT + 3)
        watched._words = Stores(segment.words, step, *own)
        watched._map = Stores(segment.map, step, layout.data, layout.total_bytes)
        watched._ends = Stores(self._ends, step, 0, layout.entries)
        watched._topics = Stores(self._topics, step, 0, layout.entries)

    def refresh(
        self, tails: Iterable[int], look_again: Callable[[], Iterable[int]] | None = None
    ) -> None:
        """As ever, and fill what may be written from now on."""
        super().refresh(tails, look_again)
        if not hasattr(self, "_data"):
            return  # it is being made
        self._spoil(self._data, self._noise, self.position, self._position_limit)
        self._spoil(self._real_ends, self._wrong_ends, self.head, self._sequence_limit)
        self._spoil(self._real_topics, self._wrong_topics, self.head, self._sequence_limit)

    def _spoil(self, area: memoryview, garbage: Any, first: int, stop: int) -> None:
        """Overwrite elements `first` to `stop` of a ring with what stands there in `garbage`."""
        low, length = first % len(area), max(stop - first, 0)
        room = min(length, len(area) - low)
        area[low : low + room] = garbage[low : low + room]
        area[: length - room] = garbage[: length - room]


class ForeignWords:
    """The words of somebody else."""

    def __init__(self, words: memoryview) -> None:
        self._words = words

    def __getitem__(self, index: int) -> int:
        value: int = self._words[index]
        return value

    def __setitem__(self, _index: int, _value: int) -> None:
        raise Violated("a reader wrote a word that is not its own")


class SteppedReader(LogReader):
    """A reader that lets the writer work before everything it looks at.

    Everything it finds must be what was published. What it is not sure of to be there, since no
    tail protects it or nobody has committed it, is garbage: see above.
    """

    def __init__(self, segment: Segment, history: History, step: Callable[[], None]) -> None:
        super().__init__(segment)
        self._history = history
        self._step = step
        watched: Any = self
        watched._words = ForeignWords(self._words)

    def head(self) -> int:
        self._step()
        return super().head()

    def start_of(self, sequence: int) -> int:
        found = super().start_of(sequence)
        if found != self._history.start_of(sequence):
            raise Violated(f"garbage: message {sequence} begins at {found}")
        return found

    def boundaries(self, first: int, stop: int) -> list[int]:
        self._step()
        found = super().boundaries(first, stop)
        if found != self._history.starts[first : stop + 1]:
            raise Violated(f"garbage: messages {first} to {stop} lie at {found[:9]}")
        return found

    def topic_ids(self, first: int, stop: int) -> list[int]:
        self._step()
        return super().topic_ids(first, stop)

    def copy(self, start: int, stop: int) -> bytes:
        self._step()
        found = super().copy(start, stop)
        # Not by slices of what was published, which would be copies.
        right = len(found) == stop - start and self._history.wire.startswith(found, start)
        if not right:
            raise Violated(f"garbage: {found[:40]!r} at {start}, up to {stop}")
        return found

    def span(self, start: int, stop: int) -> memoryview:
        found = super().span(start, stop)
        if not self._history.wire.startswith(found, start):
            raise Violated(f"garbage: {bytes(found[:40])!r} at {start}, up to {stop}")
        return found

    def sequence_at(self, position: int, low: int, high: int) -> int:
        self._step()
        found = super().sequence_at(position, low, high)
        if found != self._history.sequence_at(position, low, high):
            raise Violated(f"garbage: position {position} is in message {found}")
        return found


def attach(segment: Segment, *, writable: bool) -> Segment:
    """A second mapping of the same memory, as another process has."""
    return Segment.attach(os.dup(segment.fd), writable=writable)


def read_tails(slots: Sequence[WorkerSlot], step: Callable[[], None]) -> list[int]:
    """What they hold back one after the other, with room for the workers in between."""
    tails = []
    for slot in slots:
        step()
        tail = slot.tail
        step()
        tails.append(min(tail, slot.resume))
    return tails
