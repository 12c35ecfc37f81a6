"""A worker goes back to what is still in the log: nobody waits, and nothing is overwritten for it.

Writer and worker meet at each pair of their steps, in a log that wraps after some messages; each
mistake that one of them could make is made once, and seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fanout.shm.layout import H_FLOOR, H_HEAD, H_POISON, PAGE, WORD, Layout
from fanout.shm.log import NO_SPACE, LogWriter
from fanout.shm.reader import LogReader
from fanout.shm.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

SIZES = (90, 11, 250, 34, 140, 17)
BACK = (31, 36, 44)  # messages before the head: some are there, some are not
STEPS = 20  # of the writer, in which the worker does its two


class Writer(LogWriter):
    """Tells of each of its steps that concern a worker."""

    step: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self, segment: Segment) -> None:
        super().__init__(segment)
        watched: Any = self
        watched._words = _Words(segment.words, self)

    def append(self, wire: bytes, topic_id: int) -> int:
        self.step()
        return super().append(wire, topic_id)


class LowersTooFar(Writer):
    """Believes a tail below its floor, which is of a worker that will not stay there."""

    def refresh(
        self, tails: Iterable[int], look_again: Callable[[], Iterable[int]] | None = None
    ) -> None:
        assert look_again is not None
        super().refresh(tails, look_again)
        late = min(look_again())
        if late < self._words[H_FLOOR]:
            self._position_limit, self._sequence_limit = self._limits(late)
            self._words[H_FLOOR] = late


class BelievesAnyTail(Writer):
    """Computes with a tail below its floor, of which nothing is known any more."""

    def refresh(
        self, tails: Iterable[int], look_again: Callable[[], Iterable[int]] | None = None
    ) -> None:
        super().refresh(tails, look_again)
        self._position_limit, self._sequence_limit = self._limits(min([self.head, *tails]))


class LooksTooEarly(Writer):
    """Reads the tails once more before its floor is there."""

    def refresh(
        self, tails: Iterable[int], look_again: Callable[[], Iterable[int]] | None = None
    ) -> None:
        assert look_again is not None
        early = list(look_again())
        self.step()
        super().refresh(tails, lambda: early)


class _Words:
    """The words of the writer: a step before and after each store of the floor."""

    def __init__(self, words: memoryview, writer: Writer) -> None:
        self._words = words
        self._writer = writer

    def __getitem__(self, key: int) -> int:
        return self._words[key]

    def __setitem__(self, key: int, value: int) -> None:
        if key == H_FLOOR:
            self._writer.step()
        self._words[key] = value
        if key == H_FLOOR:
            self._writer.step()


class Meeting:
    """A writer with a log full of messages, a worker that follows it, and one that goes back.

    Args:
        store, look: after how many steps of the writer the worker sets its tail, and looks.
    """

    def __init__(
        self, segment: Segment, make: type[Writer], back: int, store: int, look: int, *, looks: bool
    ) -> None:
        layout = segment.layout
        for word in (H_HEAD, H_POISON, H_FLOOR, layout.ends // WORD + layout.entries - 1):
            segment.words[word] = 0  # as in a new one
        self.writer = make(segment)
        self.reader = LogReader(segment)
        self._words = segment.words
        self._wires: list[bytes] = []
        self._other = 0  # the tail of the worker that follows
        self._tail = 1 << 63  # of the one that goes back
        self.kept: int | None = None  # from where on it reads
        self._steps = 0
        self._looks = looks
        while len(self._wires) < 70:
            self._publish()
        self._other = len(self._wires)
        self._first = len(self._wires) - back
        self._at = store, look
        self.writer.step = self._step
        self._step()

    def tails(self) -> list[int]:
        self.writer.step()
        found = [self._other, self._tail]
        self.writer.step()
        return found

    def _step(self) -> None:
        if self._steps == self._at[0]:
            self._tail = self._first
        if self._steps == self._at[1]:
            floor = self._words[H_FLOOR] if self._looks else 0
            self.kept = self._tail = max(self._first, floor)
        self._steps += 1

    def _publish(self) -> None:
        number = len(self._wires)
        wire = (b"%d." % number * 90)[: SIZES[number % len(SIZES)]]
        for _ in range(2):
            if self.writer.append(wire, 0) != NO_SPACE:
                self._wires.append(wire)
                return
            self._other = number
            self.writer.refresh(self.tails(), self.tails)

    def go_on(self) -> None:
        """Publish until there is no room; what the worker reads must be there all the time."""
        for _ in range(24):
            self._publish()
            if self.kept is not None:
                stop = len(self._wires)
                kept = self._wires[self.kept :]
                assert self.reader.pieces(self.kept, stop) == kept, (self.kept, stop, self._at)


@pytest.fixture(scope="module")
def segment() -> Iterator[Segment]:
    segment = Segment.create(Layout(PAGE, 64, 1, 0))
    yield segment
    segment.close()


def meet(segment: Segment, make: type[Writer] = Writer, *, looks: bool = True) -> int:
    """Let them meet in each way; returns how often the worker got all that it asked for."""
    got = 0
    for back in BACK:
        for store in range(STEPS):
            for look in range(store, STEPS):
                meeting = Meeting(segment, make, back, store, look, looks=looks)
                meeting.go_on()
                got += meeting.kept == 70 - back
    return got


@pytest.mark.unmeasured
def test_what_a_worker_goes_back_to_is_there(segment: Segment) -> None:
    assert meet(segment) > 100


@pytest.mark.parametrize("make", [LowersTooFar, BelievesAnyTail, LooksTooEarly])
def test_a_writer_that_does_it_wrong_is_seen(segment: Segment, make: type[Writer]) -> None:
    with pytest.raises(AssertionError, match=r"\(|assert"):
        meet(segment, make)


@pytest.mark.unmeasured
def test_a_worker_that_does_not_look_is_seen(segment: Segment) -> None:
    with pytest.raises(AssertionError, match=r"\(|assert"):
        meet(segment, looks=False)


def test_what_an_interrupted_send_has_written_is_nothing_to_ask_the_workers_for() -> None:
    """The ends of its messages are in the index where those of the oldest ones were."""
    segment = Segment.create(Layout(16 * PAGE, 512, 4))
    writer = LogWriter(segment)
    for _ in range(700):
        writer.refresh([max(0, writer.head - 333)])
        assert writer.append(bytes(150), 0) != NO_SPACE
    size, count = 16_000, 85
    writer.refresh([writer.head - 333])
    assert not writer.fits(size, count)
    head, mask = writer.head, writer._mask
    for number in range(head, writer._sequence_limit):  # a batch as large as one may be
        writer._ends[number & mask] = writer.position + number - head + 1

    writer.refresh([writer.wanted_tail(size, count, 8)])
    assert writer.fits(size, count)
    segment.close()
