"""Shared words in slow motion: a writer's stores, replayed one by one between a reader's loads.

A writer runs on `Recorded` words, which note each store. A reader runs on `Watched` words, which
let something happen before each load; a copy of a record is as many loads as it has words.
"""

from __future__ import annotations

from array import array
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from fanout.shm.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fanout.shm.layout import Layout


class Recorded:
    """Words that note what is stored where, and store it."""

    def __init__(self, memory: memoryview, base: int, log: list[tuple[int, int] | None]) -> None:
        self._memory = memory
        self._base = base
        self._log = log

    def __len__(self) -> int:
        return len(self._memory)

    def __getitem__(self, key: int | slice) -> Any:
        if isinstance(key, slice):
            return Recorded(self._memory[key], self._base + key.indices(len(self))[0], self._log)
        return self._memory[key]

    def __setitem__(self, key: int | slice, value: int | Sequence[int]) -> None:
        if isinstance(key, slice):
            assert not isinstance(value, int)
            for index, each in zip(range(*key.indices(len(self))), value, strict=True):
                self[index] = each
            return
        assert isinstance(value, int)
        self._memory[key] = value
        self._log.append((self._base + key, value))

    def tolist(self) -> list[int]:
        values: list[int] = self._memory.tolist()
        return values


def _never(_loads: int) -> bool:
    return False


class Watched:
    """Words before each load of which something happens.

    Args:
        is_quiet: whether nothing happens before the next so many loads; if so, they are done.
    """

    def __init__(
        self,
        memory: memoryview,
        before_load: Callable[[], None],
        is_quiet: Callable[[int], bool] = _never,
    ) -> None:
        self._memory = memory
        self._before_load = before_load
        self._is_quiet = is_quiet

    def __len__(self) -> int:
        return len(self._memory)

    def __getitem__(self, key: int | slice) -> Any:
        if isinstance(key, slice):
            return Watched(self._memory[key], self._before_load, self._is_quiet)
        self._before_load()
        return self._memory[key]

    def tolist(self) -> list[int]:
        memory = self._memory
        if self._is_quiet(len(memory)):
            values: list[int] = memory.tolist()
            return values
        return [self[index] for index in range(len(memory))]

    def tobytes(self) -> bytes:
        return array("Q", self.tolist()).tobytes()


def recorded(layout: Layout) -> tuple[Any, list[tuple[int, int] | None]]:
    """What can be written to like a segment, and the growing list of its stores."""
    segment = Segment.create(layout)
    log: list[tuple[int, int] | None] = []
    return _like(segment, Recorded(segment.words, 0, log)), log


def watched(
    segment: Segment,
    before_load: Callable[[], None],
    is_quiet: Callable[[int], bool] = _never,
) -> Any:
    """What can be read like this segment; see `Watched`."""
    return _like(segment, Watched(segment.words, before_load, is_quiet))


def _like(segment: Segment, words: object) -> Any:
    return SimpleNamespace(
        words=words, layout=segment.layout, map=segment.map, view=segment.view, made_from=segment
    )
