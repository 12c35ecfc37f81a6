"""A log that compiled code appends to as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout import _speed
from fanout.shm import layout as at
from fanout.shm.layout import H_COMPILED, H_HEAD, H_POISON, H_SLEEPERS
from fanout.shm.log import LogWriter
from fanout.shm.numbered_log import NumberedLog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.shm.segment import Segment


class CompiledLog(_speed.Log, LogWriter):
    """As `LogWriter`; keeps no note of where the next message goes, but reads it each time."""

    def __init__(self, segment: Segment, tails: Sequence[int] = ()) -> None:
        words, layout = segment.words, segment.layout
        ends, topics, data = (at_ // at.WORD for at_ in (layout.ends, layout.topics, layout.data))
        self.share(
            *(words[word : word + 1] for word in (H_HEAD, H_POISON, H_SLEEPERS)),
            words[ends : ends + layout.entries],
            words[topics : topics + layout.entries],
            self._last_messages(segment),
            words[data : data + layout.data_bytes // at.WORD],
        )
        super(_speed.Log, self).__init__(segment, tails)
        segment.words[H_COMPILED] = 1

    def _last_messages(self, _segment: Segment) -> memoryview:
        """Where the last message of each place is noted; here nobody looks at it."""
        return memoryview(bytearray(at.WORD))

    @property
    def following(self) -> tuple[int, int, int] | None:
        """See `LogWriter`."""
        head = self._words[H_HEAD]
        if self._words[H_POISON] != head:
            return None
        position = self._ends[(head - 1) & self._mask]
        return head, position, self._base + position % self._size

    @following.setter
    def following(self, note: tuple[int, int, int] | None) -> None:
        pass


class CompiledNumberedLog(CompiledLog, NumberedLog):
    """As `NumberedLog`, in the same way: the epoch that it notes is seen by the compiled code."""
