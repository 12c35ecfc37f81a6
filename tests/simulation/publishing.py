"""The publisher of one seed, and who has a turn in the middle of what it does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from random import Random
from typing import TYPE_CHECKING, Any

from fanout.send.poison import PoisonGuard
from fanout.send.topics import NOT_INTERNED, TopicTable
from fanout.shm.bells import Bell
from fanout.shm.header import Header
from fanout.shm.layout import MESSAGE_PART, Layout
from fanout.shm.log import NO_SPACE
from fanout.shm.segment import Segment
from fanout.shm.worker_slot import Tails, WorkerSlot
from fanout.terms.slow_policy import SlowPolicy
from fanout.zmtp.frames import encode_message
from tests.simulation.chances import (
    HELD_FROM,
    LATE_FROM,
    MILLISECOND,
    SUBSCRIBERS_MAX,
    random_options,
    random_tuning,
)
from tests.simulation.choosing import PlayedCoordinator
from tests.simulation.hearing import Hearing
from tests.simulation.late import Kept
from tests.simulation.memory import SteppedWriter, attach, read_tails
from tests.simulation.policies import random_policy
from tests.simulation.published import History, Published
from tests.simulation.violated import require

if TYPE_CHECKING:
    from fanout.options import Options
    from tests.simulation.checker import Checker
    from tests.simulation.model import SubscriberModel
    from tests.simulation.sockets import FakeSocket
    from tests.simulation.workers import SimulatedWorker

# Where that is looked at: messages that are committed at once, and calls one after another, as in a
# loop that does nothing else.
HELD_CALL, HELD_CALLS = 2, 40
TOPICS = (b"", b"A", b"AB", b"ABC", b"B", b"BA", b"BAB", b"C", b"x" * 300, b"ABxx", b"ACxx")


class Silent:
    """A doorbell: workers have their turns by themselves."""

    def ring(self) -> None:
        """It is woken."""


class Interrupted(BaseException):
    """Stands for KeyboardInterrupt inside the send path."""


@dataclass
class Attempt:
    """What the publisher tries to commit."""

    messages: list[Published]
    ids: list[int]

    @cached_property
    def wires(self) -> list[bytes]:
        """Of each message."""
        return [message.wire for message in self.messages]

    @cached_property
    def wire(self) -> bytes:
        """Of all of them; it may be tried often until there is room."""
        return b"".join(self.wires)

    @cached_property
    def sizes(self) -> list[int]:
        """Bytes of each message on the wire; looked at as often."""
        return [len(wire) for wire in self.wires]


def _options_of(seed: int, rng: Random, log_bytes: int) -> Options:
    """Random ones, but for the policy where the publisher is to wait."""
    options = random_options(rng, log_bytes)
    if seed < HELD_FROM:
        return options
    policy = SlowPolicy("block", limit_messages=seed % 4 + 1)
    return replace(options, slow_policy=policy, slow_limit_bytes=0)


def _bells_of(segment: Segment, workers: int, writer: SteppedWriter) -> list[Bell]:
    """They ring nobody; each can have the publisher go no further."""
    silent: Any = Silent()
    bells = [Bell(segment, slot, silent) for slot in range(workers)]
    for bell in bells:
        bell.hold = writer.hold
    return bells


class Publishing:
    """A publisher, its workers, and the memory between them.

    Attributes:
        checker: is set by who makes it.
        hearing: what the coordinator has heard; late, where the publisher waits.
        is_strict: whether nobody has another policy than at first, and calls are small: then it is
            known how many messages may wait for each.
    """

    checker: Checker

    def __init__(self, seed: int) -> None:
        self.rng = rng = Random(seed)
        self.now = 10_000 * MILLISECOND
        log_bytes = rng.choice((64, 64, 68, 100, 256)) * 1024
        self.is_held = seed >= HELD_FROM
        self.is_strict = self.is_held and seed % 2 > 0
        self.options = _options_of(seed, rng, log_bytes)
        entries = 1 << rng.randint(4, 10)
        layout = Layout(log_bytes, entries, SUBSCRIBERS_MAX)
        self.segment = Segment.create(layout)
        self.readable = attach(self.segment, writable=False)
        self.history = History()
        self.models: dict[int, SubscriberModel] = {}
        self.sockets: dict[int, FakeSocket] = {}
        self.waits = 0  # of the publisher, for what workers allow
        self.coordinator = PlayedCoordinator(self.options)
        self._reserved = rng.choice((0.0, 0.1, 0.4))  # of what they say
        self._chosen = [random_policy(rng) for _ in range(rng.randrange(4))]
        self._entries = entries
        self.tuning = random_tuning(rng)
        self.haste = rng.choice((0.0, 0.05, 0.5, 1.0))  # chance that a part of a turn has to end
        self.table = TopicTable(rng.choice((2, 6, 1_000)))
        self.slots = [WorkerSlot(self.segment, i) for i in range(self.options.workers)]
        for slot in self.slots:
            slot.release()
        self.writer = SteppedWriter(self.segment, self._reader_step, rng)
        self._tails = Tails(self.segment, len(self.slots))
        self._bells = _bells_of(self.segment, len(self.slots), self.writer)
        self.hearing = Hearing(self.segment, self.slots, self._bells, self._reader_step)
        self.guard = PoisonGuard(self.writer)
        self.writing = False
        self.settling = False
        self.refused: Attempt | None = None
        self.workers: list[SimulatedWorker] = []
        self._interruptible = False
        self._most = rng.choice((1, 3, SUBSCRIBERS_MAX, SUBSCRIBERS_MAX))  # subscribers at once
        self._eager = rng.choice((0.0, 0.02, 0.1))
        self._free = list(range(SUBSCRIBERS_MAX))
        self._slot_of: dict[int, int] = {}
        self._next_id = 1
        self._largest = log_bytes // MESSAGE_PART
        self._sizes = rng.choice(((0, 9), (0, 9, 60), (60, 300), (0, 30, 300, 5_000, 70_000)))
        self._past = Random(f"past {seed}")  # as the next
        is_late = LATE_FROM <= seed < HELD_FROM
        self._late = self._past.choice((0.5, 1.0)) if is_late else 0.0
        if self.is_strict:
            self._chosen, self._reserved = [], 0.0
        self._kept = Kept(self.history, Header(self.segment))
        self._deaf = Random(~seed)  # of its own: what happens before the end stays as it is

    def _worker(self) -> SimulatedWorker:
        return self.rng.choice(self.workers)

    def _publish(self) -> None:
        for _ in range(self.rng.choice((1, 1, 3, HELD_CALLS if self.is_strict else 10))):
            if self.writing:
                return
            attempt = self.refused or self._make_attempt()
            self.refused = None if self._try(attempt) else attempt

    def _make_attempt(self) -> Attempt:
        attempt = Attempt([], [])
        entries = self.segment.layout.entries
        largest = HELD_CALL if self.is_strict else entries // MESSAGE_PART
        count = self.rng.choice((1, 1, 1, 1, 2, largest))
        room = self._largest
        for _ in range(count):
            frames = self._make_message(room)
            wire = encode_message(frames)
            if len(wire) > room:
                break
            room -= len(wire)
            known = self.rng.random() < 0.7
            attempt.messages.append(Published(frames, wire))
            attempt.ids.append(self.table.intern(frames[0]).id if known else NOT_INTERNED)
        return attempt if attempt.messages else self._make_attempt()

    def _make_message(self, room: int) -> tuple[bytes, ...]:
        rng = self.rng
        topic = rng.choice(TOPICS)
        size = min(rng.choice(self._sizes), max(room - len(topic) - 30, 0))
        number = len(self.history.messages) + rng.randrange(2)
        payload = number.to_bytes(8, "little") + rng.randbytes(min(size, 40))
        payload = (payload * (size // len(payload) + 1))[:size]
        shape = rng.randrange(4)
        if shape == 0:
            return (topic,)
        if shape == 1:
            return topic, b"", payload
        return topic, payload

    def _try(self, attempt: Attempt) -> bool:
        """Commit it, or nothing; True if it is settled, one way or the other."""
        writer, history = self.writer, self.history
        before = writer.head
        self.writing = True
        self._interruptible = self.rng.random() < 0.02
        history.add(attempt.messages, attempt.wire, attempt.sizes, self.now)
        try:
            result = self._append(attempt)
        except Interrupted:
            self.guard.settle()
            result = before
        finally:
            self.writing = self._interruptible = False
        committed = writer.head - before
        require(committed in (0, len(attempt.wires)), f"{committed} of a batch were committed")
        require(not self.guard.poisoned, "the poison flag stayed up")
        history.cut(writer.head)
        require(history.position == writer.position, "the log has another length")
        if result == NO_SPACE:
            require(not committed, "a refused message was committed")
            self._make_room(attempt)
            self.waits += writer.has_room(len(attempt.wire), len(attempt.wires))
        elif self.is_held:
            self.hearing.wake([message.topic for message in attempt.messages])
            self.checker.held()
        return result != NO_SPACE

    def _append(self, attempt: Attempt) -> int:
        if len(attempt.wires) > 1:
            return self.writer.append_batch(attempt.wires, attempt.ids)
        wire, topic_id = attempt.wires[0], attempt.ids[0]
        if self.rng.random() < 0.5:
            return self.writer.append(wire, topic_id)
        middle = len(wire) // 2
        return self.writer.append_parts((wire[:middle], wire[middle:]), topic_id)

    def _make_room(self, attempt: Attempt) -> None:
        self.writing = True  # under the send lock, like an append
        try:
            if self.is_held:
                self.writer.go_by(self._tails.credit, len(attempt.wire), len(attempt.wires))
            again = partial(read_tails, self.slots, self._reader_step) if self._late else None
            self.writer.refresh(read_tails(self.slots, self._reader_step), again)
        finally:
            self.writing = False

    def _reader_step(self) -> None:
        """The writer is between two stores: a worker may have its turn, or the user lose it."""
        if self._interruptible and self.rng.random() < 0.2:
            self._interruptible = False
            raise Interrupted
        if not self.settling and self.rng.random() < self._eager:
            if self.is_held and self.rng.random() < 0.3:  # the coordinator is another thread
                self._hear()
            else:
                self._worker().run_turn()

    def _hear(self) -> None:
        """The coordinator acts on some of what a worker has reported."""
        most = self.rng.choice((1, 3, 100))
        self.hearing.hear(self._worker().index, most, lambda: self.writer.head)

    def writer_step(self, worker: SimulatedWorker) -> None:
        """A worker is between two steps: the publisher may have its turn."""
        if (
            worker.busy
            and not self.writing
            and not self.settling
            and self.rng.random() < self._eager
        ):
            self._publish()
