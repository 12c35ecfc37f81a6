"""The publisher: the real log, which overwrites with garbage what nobody holds any more."""

from __future__ import annotations

from array import array
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from fanout.send.path import ROOM_PART
from fanout.send.poison import PoisonGuard
from fanout.send.topics import NOT_INTERNED, TopicTable
from fanout.shm import layout as at
from fanout.shm.bells import Bell, wake_all
from fanout.shm.layout import MESSAGE_PART
from fanout.shm.log import NO_SPACE, LogWriter
from fanout.shm.worker_slot import Tails
from fanout.zmtp.frames import encode_message
from tests.simulation.memory import Stores
from tests.simulation.published import Published
from tests.simulation.publishing import Silent
from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from fanout.shm.segment import Segment

GARBAGE = 0xDD
TOPICS = (b"", b"A", b"AB", b"ABC", b"B", b"BA", b"C", b"x" * 300)
NUMBER_BYTES = 8  # at the beginning of each payload
_FILLER = bytes(range(1, 252)) * 80
_WRONG_END = 1 << 50


class Interrupted(BaseException):
    """Stands for what interrupts a thread anywhere."""


class Looking:
    """The words of the memory, between whose loads others have their turn."""

    def __init__(self, words: memoryview, step: Callable[[], None]) -> None:
        self._words = words
        self._step = step

    def __getitem__(self, index: int) -> int:
        self._step()
        return self._words[index]


class Publisher:
    """Publishes messages that say their number; those that find no room are tried again.

    Its mutable state: all messages ever published, and those that wait for room.

    Args:
        workers: how many there are.
        sizes: of payloads, beside their numbers.
        step: others have their turn.
        cut: is called when no message from this one on was published after all.
        interruptible: chance that an interruption comes between two of its stores.

    Attributes:
        messages: by sequence.
        times: when each was published, monotonic ns.
        waiting: those that find no room.
        interruptions: how often it was interrupted.
        looks_again: whether it looks for workers that go back.
        is_held: whether it goes no further than workers allow.
        waits: how often it had to wait for that.
    """

    def __init__(
        self,
        segment: Segment,
        workers: int,
        rng: Random,
        sizes: Sequence[int],
        step: Callable[[], None],
        now: Callable[[], int],
        cut: Callable[[int], None],
        interruptible: float,
    ) -> None:
        self.interruptions = 0
        self._is_writing = False
        self._is_looking = False  # at the tails: under the send lock, so nobody publishes
        self._interrupted: list[Published] = []
        self._cut = cut
        self.messages: list[Published] = []
        self.times: list[int] = []
        self._starts = [0]
        self._now = now
        self.waiting: list[Published] = []
        self._rng = rng
        self._step = step
        self._sizes = sizes
        limit = rng.choice((2, 1_000))
        self._tails = Tails(segment, workers)
        self.looks_again = self.is_held = False
        self.waits = 0
        self._words = segment.words
        looking: Any = Looking(segment.words, step)
        self._tails._words = looking
        layout = segment.layout
        self._largest = layout.data_bytes // MESSAGE_PART
        self._most = layout.entries // MESSAGE_PART
        self._data = segment.view[layout.data : layout.data + layout.data_bytes]
        self._ends = segment.words[layout.ends // at.WORD :][: layout.entries]
        self._garbage = memoryview(bytes((GARBAGE,)) * layout.data_bytes)
        self._wrong_ends = memoryview(array("Q", [_WRONG_END] * layout.entries))
        self._writer = self._log(segment)
        silent: Any = Silent()
        self._bells = [Bell(segment, worker, silent) for worker in range(workers)]
        for bell in self._bells:
            bell.hold = self.hold
        self._is_to_look = False  # before it publishes more
        self._table = self._topics(limit)
        self._guard = PoisonGuard(self._writer)
        if interruptible:
            self._make_interruptible(segment, interruptible)

    def _log(self, segment: Segment) -> LogWriter:
        return LogWriter(segment)

    def _topics(self, limit: int) -> TopicTable:
        return TopicTable(limit)

    def _hurry(self) -> bool:
        """Have nothing of our own in the way; whether something was."""
        return False

    def _make_interruptible(self, segment: Segment, chance: float) -> None:
        """Between two stores others have their turn, or the writer loses it for good."""

        def step() -> None:
            if self._is_writing and self._rng.random() < chance:
                self._is_writing = False
                raise Interrupted
            if not self._is_looking:
                self._step()

        self._watch_stores(segment, lambda _name: step)

    def name_stores(self, segment: Segment, point: Callable[[str], None]) -> None:
        """Between two stores of a message its process may die, and others have their turn."""

        def named(name: str) -> Callable[[], None]:
            def step() -> None:
                if self._is_writing:
                    point(name)
                if not self._is_looking:
                    self._step()

            return step

        self._watch_stores(segment, named)

    def _watch_stores(self, segment: Segment, named: Callable[[str], Callable[[], None]]) -> None:
        """Have what is made of a name called around each store."""
        layout, watched = segment.layout, self._writer
        own = at.H_HEAD, at.H_WANTED + 1, range(at.H_FLOOR, at.H_KNOWN_CREDIT + 3)
        stores: Any = Stores(segment.words, named("the flag, or HEAD"), *own)
        watched._words = stores
        stores = Stores(segment.map, named("bytes of a message"), layout.data, layout.total_bytes)
        watched._map = stores
        for attribute, name in (("_ends", "where it ends"), ("_topics", "its topic")):
            kept = Stores(getattr(watched, attribute), named(name), 0, layout.entries)
            setattr(watched, attribute, kept)

    def hold(self) -> None:
        """Look at what is allowed before more is published; no call under way is stopped."""
        self._is_to_look = self.is_held

    def cut_off(self) -> None:
        """Its process is dead: what was not committed by then was never published."""
        head = self._words[at.H_HEAD]
        self._interrupted, self.waiting = [], []
        if head < self.head:
            del self.messages[head:], self.times[head:]
            self._starts[head + 1 :] = []
            self._cut(head)

    @property
    def head(self) -> int:
        """Sequence of the next message."""
        return len(self.messages)

    @property
    def floor(self) -> int:
        """The first message of which nothing may be overwritten, as it says."""
        return self._words[at.H_FLOOR]

    def publish(self) -> None:
        """Publish some messages, or try those again that wait."""
        if self._interrupted:
            self._mend()
        if not self.waiting:
            count = min(self._rng.choice((1, 1, 1, 2, 5)), self._most)
            room = self._largest
            for number in range(self.head, self.head + count):
                message = self._make(number)
                room -= len(message.wire)
                if self.waiting and room < 0:
                    break
                self.waiting.append(message)
        self.try_again()

    def try_again(self) -> None:
        """Try those that wait."""
        if self._interrupted:
            self._mend()
        messages, writer = self.waiting, self._writer
        if not messages:
            return
        wires = [message.wire for message in messages]
        ids = [self._id_of(message.topic) for message in messages]
        size, count = sum(map(len, wires)), len(wires)
        if self._is_to_look:
            self._is_to_look = False
            writer.hold()
        if not writer.fits(size, count):
            fits = self._look_for_room(size, count)
            if not fits and self._hurry():
                fits = self._look_for_room(size, count)
            writer.ask_for(0 if fits else writer.wanted_tail(size, count, ROOM_PART))
            if not fits:
                return
        self._add(messages)  # others may see them before it is heard that they are committed
        self._is_writing = True
        try:
            is_one = count == 1
            done = writer.append(wires[0], ids[0]) if is_one else writer.append_batch(wires, ids)
        except Interrupted:
            self._interrupted = messages
            return
        self._is_writing = False
        require(done != NO_SPACE, "there was room, and now there is none")
        if self.is_held:
            wake_all(self._bells)

    def _look_for_room(self, size: int, count: int) -> bool:
        if self.is_held:
            self._is_looking = True
            self._writer.go_by(self._tails.credit, size, count)
            self._is_looking = False
        tails, hold = self._tails.look()
        self._is_looking = True
        self._writer.refresh((*tails, hold), self._look_again if self.looks_again else None)
        self._is_looking = False
        self._spoil()
        fits = self._writer.fits(size, count)
        self.waits += not fits and self._writer.has_room(size, count)
        return fits

    def _look_again(self) -> tuple[int, ...]:
        tails, hold = self._tails.look()
        return (*tails, hold)

    def _add(self, messages: list[Published]) -> None:
        self.messages += messages
        self.times += [self._now()] * len(messages)
        sizes = (len(message.wire) for message in messages)
        self._starts += accumulate(sizes, initial=self._starts.pop())
        self.waiting = []

    def _mend(self) -> None:
        """The flag is lowered: what was interrupted was published as a whole, or is not there."""
        messages, self._interrupted = self._interrupted, []
        before = self.head - len(messages)
        self._guard.settle()
        require(not self._guard.poisoned, "the flag stays up")
        committed = self._writer.head - before
        require(committed in (0, len(messages)), f"{committed} of {len(messages)} were published")
        self.interruptions += 1
        if not committed:
            del self.messages[before:], self.times[before:], self._starts[before + 1 :]
            self._spoil()
            self._cut(before)

    def start_of(self, sequence: int) -> int:
        """Where a message begins in all that was published."""
        return self._starts[min(sequence, len(self.messages))]

    def _id_of(self, topic: bytes) -> int:
        return self._table.intern(topic).id if self._rng.random() < 0.7 else NOT_INTERNED

    def _make(self, number: int) -> Published:
        topic, size = self._rng.choice(TOPICS), self._rng.choice(self._sizes)
        begin = number * 7 % 251
        payload = number.to_bytes(NUMBER_BYTES, "big") + _FILLER[begin : begin + size]
        frames = topic, payload
        return Published(frames, encode_message(frames))

    def _spoil(self) -> None:
        """What may be written from now on is garbage already."""
        writer = self._writer
        _fill(self._data, self._garbage, writer.position, writer._position_limit)
        _fill(self._ends, self._wrong_ends, writer.head, writer._sequence_limit)


def _fill(area: memoryview, garbage: memoryview, first: int, stop: int) -> None:
    """Elements `first` to `stop` of a ring."""
    low, length = first % len(area), max(stop - first, 0)
    room = min(length, len(area) - low)
    area[low : low + room] = garbage[:room]
    area[: length - room] = garbage[: length - room]
