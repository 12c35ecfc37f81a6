"""A log that notes of each topic which message was its last one, before that is committed.

After the commit would be too late: a worker may look between the two, and would take an older one
for the last. So a note may be of a message that was never committed, if a send was interrupted;
then it is taken back before the poison flag is lowered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.shm.layout import H_HEAD, H_POISON
from fanout.shm.log import NO_SPACE, LogWriter
from fanout.shm.numbered_log import NumberedLog
from fanout.shm.value_keeper import PASSES, PLACE_MASK, ValueKeeper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from fanout.shm.segment import Segment


class ValuedLog(LogWriter):
    """As `LogWriter`; a topic's id has its place among the last values in it.

    Attributes:
        values: the notes, and the values that have left the log.
    """

    def __init__(self, segment: Segment, tails: Sequence[int] = ()) -> None:
        self.values = ValueKeeper(segment)
        self._last = self.values.last
        super().__init__(segment, tails)

    def refresh(
        self, tails: Iterable[int], look_again: Callable[[], Iterable[int]] | None = None
    ) -> None:
        values = self.values
        values.step(self.head)
        self._refresh_part = PASSES * values.steps
        safe = values.safe
        again = None if look_again is None else lambda: (*look_again(), safe)
        super().refresh((*tails, safe), again)

    def append(self, wire: bytes, topic_id: int) -> int:
        sequence, start, offset = self.following  # type: ignore[misc]  # not None: see there
        size = len(wire)
        end = start + size
        if end > self._position_limit or sequence >= self._sequence_limit:
            return NO_SPACE
        words = self._words
        head = sequence + 1
        self.following = None
        words[H_POISON] = head
        stop = offset + size
        if stop < self._stop:
            self._map[offset:stop] = wire
        else:
            self._write(start, wire)
            stop = self._base + end % self._size
        slot = sequence & self._mask
        self._ends[slot] = end
        self._topics[slot] = topic_id
        self._last[topic_id & PLACE_MASK] = sequence
        if self._fence is None:
            words[H_HEAD] = head
        else:
            self._store_head(head)
        self.following = head, end, stop
        return sequence

    def _note(self, sequence: int, topic_ids: Sequence[int]) -> None:
        self.values.note(sequence, topic_ids)

    def lower_flag(self) -> None:
        head, mask = self.head, self._mask
        stop = min(self.flag, head + mask)
        if stop > head:
            slots = (sequence & mask for sequence in range(head, stop))
            self.values.take_back(head, (self._topics[slot] for slot in slots))
        super().lower_flag()


class NumberedValuedLog(NumberedLog, ValuedLog):
    """Keeps last values, and its messages are numbered."""
