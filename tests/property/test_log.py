"""Log writer and reader agree with a list of bytes, however it wraps."""

from __future__ import annotations

from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fanout.shm import fence as fences
from fanout.shm.layout import MESSAGE_PART, PAGE, Layout
from fanout.shm.log import NO_SPACE, LogWriter
from fanout.shm.reader import LogReader
from fanout.shm.segment import Segment

DATA_BYTES = PAGE
ENTRIES = 16
LARGEST = DATA_BYTES // MESSAGE_PART

sizes = st.one_of(st.integers(2, 40), st.integers(2, LARGEST), st.just(LARGEST))


class LogMachine(RuleBasedStateMachine):
    """One writer, one reader, one tail; the model is a list of messages."""

    def __init__(self) -> None:
        super().__init__()
        self.segment = Segment.create(Layout(DATA_BYTES, ENTRIES, 1))
        self.writer = LogWriter(self.segment)
        self.reader = LogReader(self.segment)
        self.messages: list[tuple[bytes, int]] = []
        self.tail = 0

    def body(self, size: int) -> bytes:
        number = len(self.messages)
        return (number.to_bytes(2, "big") * size)[:size]

    def starts(self) -> list[int]:
        starts = [0]
        for wire, _ in self.messages:
            starts.append(starts[-1] + len(wire))
        return starts

    def room(self) -> tuple[int, int]:
        """Bytes and messages that fit, by counting."""
        kept = self.messages[self.tail :]
        return DATA_BYTES - sum(len(wire) for wire, _ in kept), ENTRIES - 1 - len(kept)

    @rule(size=sizes, topic_id=st.integers(0, 1 << 63), parts=st.booleans())
    def append(self, size: int, topic_id: int, parts: bool) -> None:
        wire = self.body(size)
        self.writer.refresh([self.tail])
        bytes_left, entries_left = self.room()
        head = self.writer.head
        if parts:
            result = self.writer.append_parts((wire[:1], wire[1:]), topic_id)
        else:
            result = self.writer.append(wire, topic_id)
        if size <= bytes_left and entries_left >= 1:
            assert result == head
            self.messages.append((wire, topic_id))
        else:
            assert result == NO_SPACE
            assert self.writer.head == head

    @rule(count=st.integers(1, ENTRIES // MESSAGE_PART), size=st.integers(2, LARGEST // 4))
    def append_batch(self, count: int, size: int) -> None:
        wires = [self.body(size)] * count
        ids = list(range(count))
        self.writer.refresh([self.tail])
        bytes_left, entries_left = self.room()
        result = self.writer.append_batch(wires, ids)
        if size * count <= bytes_left and count <= entries_left:
            assert result == len(self.messages)
            self.messages += zip(wires, ids, strict=True)
        else:
            assert result == NO_SPACE

    @rule(size=sizes)
    def append_without_looking_at_tails(self, size: int) -> None:
        """The limits may lag behind the tails, and are then too careful, never too generous."""
        bytes_left, entries_left = self.room()
        result = self.writer.append(self.body(size), 0)
        if result != NO_SPACE:
            assert size <= bytes_left
            assert entries_left >= 1
            self.messages.append((self.body(size), 0))

    @rule(data=st.data())
    def move_tail(self, data: st.DataObject) -> None:
        self.tail = data.draw(st.integers(self.tail, len(self.messages)))

    @rule(data=st.data())
    def find(self, data: st.DataObject) -> None:
        starts = self.starts()
        position = data.draw(st.integers(starts[self.tail], starts[-1]))
        found = self.reader.sequence_at(position, self.tail, len(self.messages))
        naive = sum(1 for start in starts[1:] if start <= position)
        assert found == naive

    @rule(data=st.data())
    def copy(self, data: st.DataObject) -> None:
        starts = self.starts()
        base, end = starts[self.tail], starts[-1]
        low = data.draw(st.integers(base, end))
        high = data.draw(st.integers(low, end))
        stream = b"".join(wire for wire, _ in self.messages[self.tail :])
        wanted = stream[low - base : high - base]
        assert self.reader.copy(low, high) == wanted
        if low < high:
            span = bytes(self.reader.span(low, high))
            assert span
            assert wanted.startswith(span)
            assert span + bytes(self.reader.span(low + len(span), high)) == wanted

    @invariant()
    def reader_sees_the_list(self) -> None:
        count = len(self.messages)
        starts = self.starts()
        assert self.reader.head() == self.writer.head == count
        assert self.writer.position == starts[-1]
        assert self.reader.boundaries(self.tail, count) == starts[self.tail :]
        assert self.reader.topic_ids(self.tail, count) == [i for _, i in self.messages[self.tail :]]

    def teardown(self) -> None:
        self.segment.close()


class FencedLogMachine(LogMachine):
    """The same where stores are reordered: other lines of writer and reader do the commit."""

    def __init__(self) -> None:
        with mock.patch.object(fences, "STORES_STAY_IN_ORDER", False):
            super().__init__()


TestLog = LogMachine.TestCase
TestLog.settings = settings(max_examples=60, stateful_step_count=40)
TestFencedLog = FencedLogMachine.TestCase
TestFencedLog.settings = settings(max_examples=30, stateful_step_count=40)
