"""A publisher's state for who answers questions: out of its shared memory, without a lock.

Nothing here can hold a send up, or wait for one. A message is read, and then it is looked whether
it may have been overwritten meanwhile, as it is done in other processes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fanout.answers.view import Told, UnsettledError
from fanout.shm.clock import Clock
from fanout.shm.fence import keep_order
from fanout.shm.header import Header
from fanout.shm.kept_values import KeptValues
from fanout.shm.reader import LogReader
from fanout.terms.question_terms import ANSWER_BYTES_MAX
from fanout.zmtp.frames import LONG, LONG_HEADER_BYTES, SHORT_HEADER_BYTES, split_message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.send.kept_topics import KeptTopics
    from fanout.shm.segment import Segment

HEAD_BYTES = 1024  # of a message that is too large: its topic is looked for there
LOOKS = 5  # at a last value that is not committed yet
LOOK_AGAIN_S = 0.001  # a send under way has got its core back by then, mostly
SECOND_NS = 1_000_000_000


class SegmentView:
    """Reads one publisher; owned by one thread of its process.

    Args:
        topics: those with last values; None: there are none.
        numbered: whether each message in the log has a last frame with its number.
    """

    def __init__(self, segment: Segment, topics: KeptTopics | None, *, numbered: bool) -> None:
        self._header = Header(segment)
        self._log = LogReader(segment)
        self._clock = Clock(segment)
        self._topics = topics
        self._values = None if topics is None else KeptValues(segment)
        self._added_frames = int(numbered)

    @property
    def epoch(self) -> str:
        """See `View`, as all here."""
        return f"{self._log.epoch:016x}"

    @property
    def keeps_values(self) -> bool:
        return self._values is not None

    def head(self) -> int:
        return self._log.head()

    def oldest(self) -> int:
        keep_order()
        return min(self._header.floor, self._log.head())

    def message(self, sequence: int) -> Told | None:
        log = self._log
        if not self.oldest() <= sequence < log.head():
            return None
        start = log.start_of(sequence)
        size = log.start_of(sequence + 1) - start
        stop = start + min(size, HEAD_BYTES if size > ANSWER_BYTES_MAX else size)
        wire = log.copy(start, stop) if 0 < size <= log.size else b""
        if self.oldest() > sequence:
            return None
        return self._told(sequence, wire, size)

    def topic_ids(self, first: int, stop: int) -> Sequence[int]:
        return self._log.topic_ids(first, stop)

    def age(self, sequence: int) -> float:
        seen = self._clock.seen_at(sequence)
        return max(0, time.monotonic_ns() - seen) / SECOND_NS if seen else 0.0

    def window(self, seconds: float) -> tuple[int, float]:
        now = time.monotonic_ns()
        note = self._clock.last_before(now - int(seconds * SECOND_NS))
        return (0, 0.0) if note is None else (note.head, max(0, now - note.time) / SECOND_NS)

    @property
    def places(self) -> int:
        return 0 if self._values is None else self._values.known

    def topics_at(self, first: int, stop: int) -> Sequence[tuple[int, bytes]]:
        return [] if self._topics is None else self._topics.named(first, stop)

    def last(self, topic: bytes) -> Told | None:
        for look in range(LOOKS):
            if look:
                time.sleep(LOOK_AGAIN_S)
            place = self._place_of(topic)
            if place is None:
                return None
            try:
                told = self._value_at(place)
            except UnsettledError:
                continue
            # If the name is another one, the place was given to another topic meanwhile.
            return told if told is not None and told.topic == topic else None
        raise UnsettledError("a send was interrupted, and recover() was not called")

    def _place_of(self, topic: bytes) -> int | None:
        if self._topics is None:
            return None
        # It may move from one generation to another during the search, but not twice.
        found = self._topics.find(topic) or self._topics.find(topic)
        return None if found is None else found.place

    def _value_at(self, place: int) -> Told | None:
        values = self._values
        assert values is not None, "there are places"
        head = self._log.head()  # first: what is below it was written before it is read
        sequence = values.last[place]
        if values.expired <= sequence < head:
            told = self.message(sequence)  # which does not copy what is too large
            if told is not None:
                return told
        found = values.find(place)
        if found is None:
            return None
        if found.sequence >= head:
            raise UnsettledError
        return self._told(found.sequence, found.wire, len(found.wire))

    def _told(self, sequence: int, wire: bytes, size: int) -> Told:
        if len(wire) < size or size > ANSWER_BYTES_MAX:
            return Told(sequence, _beginning(wire), None, size)
        frames = split_message(wire)
        frames = frames[: len(frames) - self._added_frames]
        return Told(sequence, frames[0], tuple(frames), size)


def _beginning(wire: bytes) -> bytes:
    """The first frame of a message, as far as it is there: enough for a look at its prefix."""
    if wire[0] & LONG:
        size = int.from_bytes(wire[1:LONG_HEADER_BYTES], "big")
        return wire[LONG_HEADER_BYTES : min(LONG_HEADER_BYTES + size, HEAD_BYTES)]
    return wire[SHORT_HEADER_BYTES : SHORT_HEADER_BYTES + wire[1]]
