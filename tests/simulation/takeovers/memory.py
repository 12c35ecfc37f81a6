"""Shared memory as one process sees it: each of its stores is a kill point, and may be torn.

A store of several words is done word by word: whoever dies in the middle leaves some of them.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from fanout.shm import layout as at
from fanout.shm.segment import Segment
from fanout.shm.spill_area import SpillArea

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from fanout.shm.layout import Layout

_SLOT = at.SUBSCRIBER_SLOT_BYTES // at.WORD
_FIGURES = "figures"
_COORDINATORS = ("H_HOLD", "H_HOLDS")
# Of a worker, each a kill point of its own; the others are figures.
_OWN = ("W_TAIL", "W_RESUME", "W_FLUSHED", "W_SLEEPING", "W_WANTED_SEEN", "W_SENDING", "W_RESUMING")


def new_memory(layout: Layout) -> Segment:
    """A segment that takes memory only where something is written, and is all zeros."""
    descriptor = os.memfd_create("simulated", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, layout.total_bytes)
    return Segment(descriptor, layout, writable=True)


@cache
def _names(layout: Layout, workers: int) -> list[str]:
    """What each word is called, of those that workers write, and the coordinator."""
    known = vars(at)
    names = [_FIGURES] * (layout.cards // at.WORD)
    for name in _COORDINATORS:
        names[known[name]] = name
    each = at.WORKER_SLOT_BYTES // at.WORD
    for worker in range(workers):
        first = layout.worker_slots // at.WORD + worker * each
        for name in _OWN:
            names[first + known[name]] = name
    for slot in range(layout.subscribers):
        first = layout.subscriber_slots // at.WORD + slot * _SLOT
        for word in range(_SLOT):
            in_bank = at.S_BANKS <= word < at.S_BANKS + 2 * at.BANK_WORDS
            names[first + word] = "a bank" if in_bank else "a checkpoint"
        for name in ("S_VERSION", "S_ID", "S_BANK", "S_HANDED", "S_TAKEN", "S_TAKING"):
            names[first + known[name]] = name
        names[first + at.S_ACTED] = "input acted upon"
    return names


class Words:
    """Words of shared memory; `point` is called with a name before each store.

    Args:
        first: index of the first of them in the memory.
    """

    __slots__ = ("_first", "_memory", "_names", "_point", "_rng")

    def __init__(
        self,
        memory: memoryview,
        point: Callable[[str], None],
        names: list[str],
        rng: Random,
        first: int = 0,
    ) -> None:
        self._memory = memory
        self._point = point
        self._names = names
        self._rng = rng
        self._first = first

    def __len__(self) -> int:
        return len(self._memory)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice) and key.step is None:
            start, stop, _ = key.indices(len(self._memory))
            part = self._memory[start:stop]
            return Words(part, self._point, self._names, self._rng, self._first + start)
        return self._memory[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, int):
            self._point(self._names[self._first + key])
            self._memory[key] = value
            return
        start, stop, _ = key.indices(len(self._memory))
        name = self._names[self._first + start]
        values = memoryview(bytes(value)).cast("Q")  # each process has a buffer of its own for that
        self._point(name)
        middle = self._rng.randint(1, max(1, stop - start - 1))
        self._memory[start : start + middle] = values[:middle]
        self._point(f"{name}, half of it")
        self._memory[start + middle : stop] = values[middle:]

    def tolist(self) -> list[int]:
        return self._memory.tolist()

    def tobytes(self) -> bytes:
        return self._memory.tobytes()


class Area(SpillArea):
    """A spill area; what is written there may be torn as well.

    Args:
        point: is called with a name before each system call that writes.
        is_alive: whether its process is.
        is_refused: whether the system has no memory for what is to be written now.
    """

    def __init__(
        self,
        segment: Any,
        number: int,
        point: Callable[[str], None],
        is_alive: Callable[[], bool],
        is_refused: Callable[[], bool],
    ) -> None:
        super().__init__(segment, number)
        self._point = point
        self._is_alive = is_alive
        self._is_refused = is_refused

    def free(self, offset: int, size: int) -> None:
        if self._is_alive():  # the objects of a process that was killed are not finalized
            super().free(offset, size)

    def _write(self, data: bytes | bytearray | memoryview, offset: int) -> bool:
        self._point("an area")
        half = len(data) // 2
        if self._is_refused():
            return False
        os.pwrite(self._segment.fd, data[:half], offset)
        self._point("an area, half of it")
        return super()._write(data, offset)


class Memory:
    """A segment in the hands of a process, which may die.

    Args:
        point: is called with a name before each store of a word.
    """

    def __init__(
        self, segment: Segment, point: Callable[[str], None], workers: int, rng: Random
    ) -> None:
        self._segment = segment
        self.layout = segment.layout
        self.fd = segment.fd
        self.map = segment.map
        self.view = segment.view
        self.words = Words(segment.words, point, _names(segment.layout, workers), rng)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._segment, name)
