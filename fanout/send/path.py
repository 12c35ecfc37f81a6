"""The send path: what runs in the calling thread between `publish()` and the workers.

Lock, check, append, unlock, wake. It never waits for a subscriber; waiting for room in the log is a
step of its own (`wait_for_room`), outside the lock, that the caller repeats the append after.

*Interruption.* Any line may be the last one that runs: KeyboardInterrupt, MemoryError, a thread's
async exception. So there is one handler around everything from taking the lock to releasing it,
and what it needs to know (is the lock mine, is the flag up) it asks the lock and shared memory, not
a variable that may not have been set yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from fanout.errors import NestedSendError, PoisonedError
from fanout.send.gate import OPEN, Gate
from fanout.send.lock import SendLock, holds_lock
from fanout.send.poison import PoisonGuard
from fanout.send.topics import UNKNOWN, Topic, TopicTable
from fanout.send.wire import COPY_ONCE_BYTES, PAYLOAD_HEADERS
from fanout.shm.bells import Bell, wake_all
from fanout.shm.layout import SLEEPERS_EACH
from fanout.shm.log import NO_SPACE, LogWriter
from fanout.shm.worker_slot import HOLDING, NO_TAIL, Tails, sleepers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from fanout.send.topics import Subject
    from fanout.send.wire import Collected
    from fanout.shm.doorbell import Doorbell
    from fanout.shm.log import Buffer
    from fanout.shm.segment import Segment

ROOM_POLL = 0.01  # seconds; the net under the room doorbell, should a ring be missed
ROOM_PART = 8  # who waits for room is woken when 1/8 of the log is free: not for each message
# Seconds; so long is waited in any case for workers to look who wanted what was published. It takes
# them a fraction of a millisecond, and some if they share a core with who waits.
LOOK = 0.01
NUDGE_PART = 4  # a sleeping worker further behind than 1/4 of the log is woken to skip forward

T = TypeVar("T")


class Demand(Protocol):
    """Which workers want a topic; `routes` changes whenever an answer may, and after it."""

    routes: int

    def workers_for(self, topic: bytes) -> Collection[int]:
        """Indexes of the workers that have a subscriber for this topic."""


class SendPath:
    """Appends from any thread; owns the gate, the send lock and the topics.

    The mutable state: the log (in shared memory), the topic table, the gate, the lock, and for each
    bell the sleep it was last rung for.

    Attributes:
        is_undecided: `make_room` has found room, but a worker is still to look whether who has a
            limit wants what was published before, or credit was taken back meanwhile.
    """

    make_log: Callable[[Segment], LogWriter] = LogWriter
    is_undecided = False
    _dry_at = -1  # the head where there was no credit, by the last look without waiting
    is_compiled = False  # it is no `CompiledPath`
    keeps_values = False  # it is no `KeptPath`, which is loaded only by who has one

    def __init__(
        self,
        segment: Segment,
        bells: Sequence[Bell],
        room: Doorbell,
        interest: Demand,
        max_topics: int,
    ) -> None:
        self.gate = Gate()
        self.log = self.make_log(segment)
        self.topics = TopicTable(max_topics)
        self._segment = segment
        self.bells = self._own(bells)
        self.room = room
        self._state = self.gate.word
        self._lock = self._make_lock()
        self._append_one = self.log.append
        self._size = segment.layout.data_bytes
        self._guard = PoisonGuard(self.log)
        self._interest = interest

    def _make_lock(self) -> SendLock:
        return SendLock(self.gate)

    def intern(self, name: bytes) -> Topic:
        """The topic of this name; any thread."""
        return self._locked(lambda: self.topics.intern(name))

    @holds_lock
    def append(self, body: bytes, subject: Subject) -> int:
        """Commit one message and wake whom it concerns.

        Encoding is part of it: a call for that alone would cost each message a tenth more.

        Returns:
            Its sequence, or NO_SPACE: nothing was changed. Either there is no room:
            `wait_for_room()` and try again. Or the topic is not known, or the body large (both
            only where the subject is no `Topic`): the `Encoder` makes a message of it.

        Raises:
            ClosedError, BrokenError, PoisonedError, NestedSendError: nothing was sent.
            Anything else that interrupts: the message was sent whole or not at all.
        """
        topic = self.topics.young.get(subject)
        size = len(body)
        if topic is not None and size < COPY_ONCE_BYTES:
            # An interned topic and so little make no message that is too large.
            body = topic.head + PAYLOAD_HEADERS[size] + body
        elif isinstance(subject, Topic):
            topic = subject
        else:
            return NO_SPACE
        lock = self._lock.current
        if lock._is_owned():
            self._lock.refuse_nested()
        try:
            if not lock.acquire(False):
                lock = self._lock.acquire_slowly()
            if self._state[0] != OPEN or self.log.following is None:
                self._refuse()
            sequence = self._append_one(body, topic.id)
            if sequence == NO_SPACE and self._finds_credit(len(body)):
                sequence = self._append_one(body, topic.id)
            lock.release()
        except BaseException:
            self._settle()
            raise
        if self._sleepers[0] or self._ask_each:
            self._wake((topic,))
        return sequence

    def collect(self) -> Collected:
        """Takes the messages of a batch: a list here, which is the fastest in Python."""
        return []

    def limit_batches(self, size: int, count: int) -> None:
        """What `collect` returns becomes a list when it has more bytes or messages."""

    def append_parts(self, parts: Sequence[bytes], topic: Topic) -> int:
        """As `append`, for a message in pieces that are joined nowhere but in the log."""
        return self._append_with(lambda: self.log.append_parts(parts, topic.id), (topic,))

    def append_batch(self, wires: Sequence[bytes], topics: Sequence[Topic]) -> int:
        """As `append`, for many messages in one commit; returns the sequence of the first."""
        ids = [topic.id for topic in topics]
        return self._append_with(lambda: self.log.append_batch(wires, ids), topics)

    def append_joined(self, data: Buffer, ends: Sequence[int], topics: Sequence[Topic]) -> int:
        """As `append_batch`, for messages that are back to back already; see `LogWriter`."""

        def append() -> int:  # ids under the lock: a topic may have another one by then
            return self.log.append_joined(data, ends, [topic.id for topic in topics])

        return self._append_with(append, topics)

    def _append_with(self, write: Callable[[], int], topics: Iterable[Topic]) -> int:
        def checked() -> int:
            if self._state[0] != OPEN or self.log.following is None:
                self._refuse()
            return write()

        sequence = self._locked(checked)
        if self._sleepers[0] or self._ask_each:
            self._wake(set(topics))
        return sequence

    def enlarge(self, bells: Sequence[Bell]) -> None:
        """There are these bells now: of more workers, which hold nothing back yet. Any thread."""

        def replace() -> None:
            if len(bells) <= len(self.bells):
                return
            self.bells = self._own(bells)

        self._locked(replace)

    def _own(self, bells: Sequence[Bell]) -> tuple[Bell, ...]:
        """These, which hold this log; and look at their workers."""
        for bell in bells:
            bell.hold = self.log.hold
        self._tails = Tails(self._segment, len(bells))
        self._sleepers = sleepers(self._segment, len(bells))
        # The first word has a byte for each of so many workers; with more of them, ask every bell.
        self._ask_each = len(bells) > SLEEPERS_EACH
        return tuple(bells)

    def make_room(self, needed_bytes: int, count: int = 1) -> bool:
        """Look at the tails again; True if so many bytes and messages may now fit.

        Workers that are far behind are woken, since they may merely have slept through messages
        that did not concern them.
        """
        return self._locked(lambda: self._look_for_room(needed_bytes, count))

    def wait_for_room(self, timeout: float) -> None:
        """Wait until a worker says that it has moved on, for at most ROOM_POLL seconds."""
        self.room.wait(min(timeout, ROOM_POLL))

    @property
    def poisoned(self) -> bool:
        """Whether sends refuse because one was interrupted and could not be rolled back."""
        try:
            return self._locked(lambda: self._guard.poisoned)
        except PoisonedError:
            return True  # its thread did not even release the lock
        except NestedSendError:
            return False  # a send of this thread is under way

    def recover(self) -> None:
        """Roll back to the last commit and lower the poison flag; does nothing if it is not up.

        Raises:
            PoisonedError: the log is damaged; the publisher stays poisoned.
            ClosedError, BrokenError: the publisher cannot be used any more.
        """
        self._locked(self._recover_now, mending=True)
        wake_all(self.bells)

    def _recover_now(self) -> None:
        self.gate.check()
        self._guard.recover()

    @holds_lock
    def _locked(self, work: Callable[[], T], mending: bool = False) -> T:
        """Run `work` under the send lock; interrupted anywhere, nothing stays locked.

        Args:
            mending: replace the lock if a thread has left it locked.
        """
        lock = self._lock.current
        if lock._is_owned():
            self._lock.refuse_nested()
        try:
            if not lock.acquire(False):
                lock = self._lock.acquire_slowly(mending)
            result = work()
            lock.release()
        except BaseException:
            self._settle()
            raise
        return result

    def _finds_credit(self, size: int) -> bool:
        """One message did not fit: whether for want of credit alone, and there is more by now.

        With a small limit that is so each few messages; all that is done to wait costs more.
        """
        log = self.log
        head = log.head
        if head == self._dry_at or not log.has_room(size, 1):
            return False
        log.go_by(self._tails.credit, size, 1)
        if not log.fits(size, 1):
            self._dry_at = head
            return False
        log.ask_for(0)
        return True

    def _look_for_room(self, needed_bytes: int, count: int) -> bool:
        fitted = self.log.fits(needed_bytes, count)
        self.log.go_by(self._tails.credit, needed_bytes, count)
        if not fitted and self.log.fits(needed_bytes, count):  # there was merely no credit
            self.log.ask_for(0)
            return True
        tails, hold = self._tails.look()
        self.log.refresh((*tails, hold), self._look_again)
        enough = self.log.fits(needed_bytes, count)
        lacks_credit = not enough and self.log.has_room(needed_bytes, count)
        self.is_undecided = lacks_credit and (self.log.is_stale or not self._tails.are_held())
        position = self.log.position
        wanted = 0 if enough else self.log.wanted_tail(needed_bytes, count, ROOM_PART)
        self.log.ask_for(wanted)
        for tail, bell in zip(tails, self.bells, strict=True):
            behind = 0 if tail == NO_TAIL else position - self.log.start_of(tail)
            if behind > self._size // NUDGE_PART or not enough:
                bell.ring()
        return enough

    def _look_again(self) -> tuple[int, ...]:
        tails, hold = self._tails.look()
        return (*tails, hold)

    def _wake(self, topics: Iterable[Topic]) -> None:
        """After a commit, wake the workers that sleep and have a subscriber for one of the topics.

        Who subscribes later than this looks it up is woken by the coordinator. But if the publisher
        goes further than one allows, for whatever, all are woken: so it hears of that at once.
        """
        if HOLDING in self._sleepers.tobytes():
            wake_all(self.bells)
        else:
            self._wake_for(topics)

    def _wake_for(self, topics: Iterable[Topic]) -> None:
        for topic in topics:
            routes, bells = topic.rings
            if routes != self._interest.routes:
                bells = self._find_bells(topic)
            wake_all(bells)

    def _find_bells(self, topic: Topic) -> tuple[Bell, ...]:
        if topic is UNKNOWN:
            return tuple(self.bells)
        routes = self._interest.routes
        bells = tuple(self.bells[i] for i in self._interest.workers_for(topic.name))
        topic.rings = routes, bells
        return bells

    def _refuse(self) -> None:
        """Raise why nothing can be sent; the lock is released first, the flag left as it is."""
        is_open = self._state[0] == OPEN  # or open again: then the log says whether it is poisoned
        is_poisoned = is_open and self.log.following is None
        error = self._guard.error() if is_poisoned else self.gate.error()
        self._lock.current.release()
        raise error

    def _settle(self) -> None:
        """After an interruption: roll back what this thread has begun, release what it holds."""
        lock = self._lock.current
        if lock._is_owned():
            if not self.gate.forked:  # the flag is the parent's, which may be sending
                self._guard.settle()
            lock.release()
