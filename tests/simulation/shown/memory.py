"""Last values under observation: the publisher's stores in steps, and garbage in what is free."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

from fanout.shm.kept_values import KeptValues
from fanout.shm.reader import LogReader
from fanout.shm.value_layout import H_VALUES_FORGOTTEN, H_VALUES_FROM, H_VALUES_TO
from fanout.shm.valued_log import ValuedLog
from tests.simulation.memory import SteppedWriter, Stores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

    from fanout.shm.segment import Segment


class SteppedValuedWriter(SteppedWriter, ValuedLog):
    """As `SteppedWriter`; between the stores of what keeps the values there is room as well."""

    def __init__(self, segment: Segment, step: Callable[[], None], rng: Random) -> None:
        super().__init__(segment, step, rng)
        layout, table = segment.layout, segment.layout.table
        self._data = segment.view[layout.data : layout.data + layout.data_bytes]
        # Ids that were there before; each has a place.
        ids = rng.choices(range(table.places), k=layout.entries)
        self._wrong_topics = memoryview(array("Q", ids))
        values: Any = self.values
        first = segment.layout.values + table.ring
        self._ring = segment.view[first : first + table.ring_bytes]
        self._ring_noise = memoryview(rng.randbytes(table.ring_bytes))
        for name in ("last", "ids", "kept"):
            column = getattr(values, name)
            setattr(values, name, Stores(column, step, 0, len(column)))
        values._words = Stores(segment.words, step, H_VALUES_FROM, H_VALUES_FORGOTTEN + 1)
        stop = first + table.ring_bytes
        values._map = Stores(segment.map, step, first, stop)
        watched: Any = self
        watched._last = values.last

    def refresh(
        self, tails: Iterable[int], look_again: Callable[[], Iterable[int]] | None = None
    ) -> None:
        super().refresh(tails, look_again)
        if hasattr(self, "_ring"):
            words: Any = self.values._words
            start, end = words[H_VALUES_FROM], words[H_VALUES_TO]
            self._spoil(self._ring, self._ring_noise, end, start + len(self._ring))


class SteppedLog(LogReader):
    """The log as who looks for values reads it: protected or not, and says afterwards."""

    step: Callable[[], None]

    def topic_ids(self, first: int, stop: int) -> list[int]:
        self.step()
        return super().topic_ids(first, stop)

    def copy(self, start: int, stop: int) -> bytes:
        self.step()
        found = super().copy(start, stop)
        self.step()
        return found

    def head(self) -> int:
        self.step()
        return super().head()


class SteppedValues(KeptValues):
    """A reader that lets the publisher work before and after everything it looks at."""

    def __init__(self, segment: Segment, step: Callable[[], None]) -> None:
        super().__init__(segment)
        self._step = step
        log = SteppedLog(segment)
        log.step = step
        self.log = log
        self.last: Any = SteppedColumn(self.last, step)

    def copy(self, position: int, size: int) -> bytes:
        self._step()
        found = super().copy(position, size)
        self._step()
        return found


class SteppedColumn:
    """A column that may be another one after each look."""

    def __init__(self, column: memoryview, step: Callable[[], None]) -> None:
        self._column = column
        self._step = step

    def __getitem__(self, at: Any) -> Any:
        found = self._column[at]
        if isinstance(at, int):
            self._step()
            return found
        return array("Q", found)

    def __len__(self) -> int:
        return len(self._column)
