"""Shared words in slow motion: a writer's stores, replayed one by one between a reader's loads.

A writer runs on `Recorded` words, which note each store. A reader runs on `Watched` words, which
let something happen before each load; a copy of a record is as many loads as it has words.
"""

from __future__ import annotations

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


class Watched:
    """Words before each load of which something happens."""

    def __init__(self, memory: memoryview, before_load: Callable[[], None]) -> None:
        self._memory = memory
        self._before_load = before_load

    def __len__(self) -> int:
        return len(self._memory)

    def __getitem__(self, key: int | slice) -> Any:
        if isinstance(key, slice):
            return Watched(self._memory[key], self._before_load)
        self._before_load()
        return self._memory[key]

    def tolist(self) -> list[int]:
        return [self[index] for index in range(len(self))]


def recorded(layout: Layout) -> tuple[Any, list[tuple[int, int] | None]]:
    """What can be written to like a segment, and the growing list of its stores."""
    segment = Segment.create(layout)
    log: list[tuple[int, int] | None] = []
    return _like(segment, Recorded(segment.words, 0, log)), log


def watched(segment: Segment, before_load: Callable[[], None]) -> Any:
    """What can be read like this segment."""
    return _like(segment, Watched(segment.words, before_load))


def _like(segment: Segment, words: object) -> Any:
    return SimpleNamespace(
        words=words, layout=segment.layout, map=segment.map, view=segment.view, made_from=segment
    )
