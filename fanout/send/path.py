"""The send path: what runs in the calling thread between `publish()` and the workers.

Lock, check, append, unlock, wake. It never waits for a subscriber; waiting for room in the log is a
step of its own (`wait_for_room`), outside the lock, that the caller repeats the append after.

*Interruption.* Any line may be the last one that runs: KeyboardInterrupt, MemoryError, a thread's
async exception. So there is one handler around everything from taking the lock to releasing it,
and what it needs to know (is the lock mine, is the flag up) it asks the lock and shared memory, not
a variable that may not have been set yet.
"""

from __future__ import annotations

import mmap
import sys
import threading
import time
from typing import TYPE_CHECKING, Protocol, TypeVar

from fanout.errors import (
    BrokenError,
    ClosedError,
    FanoutError,
    ForkedError,
    NestedSendError,
    PoisonedError,
)
from fanout.send.poison import PoisonGuard
from fanout.send.topics import Topic, TopicTable
from fanout.shm.bells import Bell, wake_all
from fanout.shm.layout import SLEEPERS_EACH
from fanout.shm.log import NO_SPACE, LogWriter
from fanout.shm.worker_slot import NO_TAIL, Tails, sleepers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from types import FrameType

    from fanout.shm.doorbell import Doorbell
    from fanout.shm.segment import Segment

FORKED, OPEN, CLOSED, BROKEN = range(4)  # states of the gate; a forked child reads 0
MADV_WIPEONFORK = 18  # Linux: the child of a fork finds this page zeroed

LOCK_TIMEOUT = 30.0  # seconds; no holder of the send lock waits: this is a debugger, or a signal
LOCK_LOOK = 0.2  # seconds of waiting for the lock, then a look at who may hold it
LOCK_LOOKS = 3  # looks in a row that find nobody, until it is said to be lost
ROOM_POLL = 0.01  # seconds; the net under the room doorbell, should a ring be missed
ROOM_SHARE = 8  # a waiting publisher is woken when 1/8 of the log is free: no ping-pong
NUDGE_SHARE = 4  # a sleeping worker further behind than 1/4 of the log is woken to skip forward

T = TypeVar("T")

_REASONS: dict[int, Callable[[], FanoutError]] = {
    FORKED: lambda: ForkedError(
        "this publisher belongs to the parent of this forked process: create a new one here"
    ),
    CLOSED: lambda: ClosedError("the publisher is closed"),
    BROKEN: lambda: BrokenError("every worker is lost and none could be started again"),
}


class _OwnedLock(Protocol):
    """A reentrant lock that knows its owner: `threading.RLock`."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...
    def release(self) -> None: ...
    def _is_owned(self) -> bool: ...


def _make_lock() -> _OwnedLock:
    return threading.RLock()  # type: ignore[return-value]  # typeshed hides _is_owned


class Interest(Protocol):
    """Which workers want a topic; `generation` changes whenever an answer may."""

    generation: int

    def workers_for(self, topic: bytes) -> Collection[int] | None:
        """Indexes of the workers that have a subscriber for this topic; None = ask again."""


class SendPath:
    """Appends from any thread; owns the send lock, the topics and the gate.

    The mutable state: the log (in shared memory), the topic table, the gate word, and for each
    bell the sleep it was last rung for.
    """

    def __init__(
        self,
        segment: Segment,
        bells: Sequence[Bell],
        room: Doorbell,
        interest: Interest,
        max_topics: int,
    ) -> None:
        self.log = LogWriter(segment)
        self.topics = TopicTable(max_topics)
        self.bells = bells
        self._append_one = self.log.append
        self._sleepers = sleepers(segment)
        self._tails = Tails(segment, len(bells))
        self._size = segment.layout.data_bytes
        self._ask_each = len(bells) > SLEEPERS_EACH  # the sleepers' bytes tell only of so many
        self._guard = PoisonGuard(self.log)
        self._lock = _make_lock()
        self.room = room
        self._interest = interest
        self._gate_page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._gate_page.madvise(MADV_WIPEONFORK)
        self._gate = memoryview(self._gate_page).cast("Q")
        self._gate[0] = OPEN

    @property
    def state(self) -> int:
        """OPEN, CLOSED, BROKEN, or FORKED in the child of a fork."""
        return self._gate[0]

    def shut(self, state: int) -> bool:
        """Refuse every later send; CLOSED or BROKEN. One that is under way is finished.

        Returns:
            Whether that is new; not if it was shut before, nor in a fork.
        """
        if self._gate[0] not in (OPEN, BROKEN) or self._gate[0] == state:
            return False
        self._gate[0] = state
        return True

    def check_gate(self) -> None:
        """Raise why nothing can be sent, unless it can; any thread.

        Raises:
            ClosedError, ForkedError, BrokenError.
        """
        state = self._gate[0]
        if state != OPEN:
            raise _REASONS[state]()

    def intern(self, name: bytes) -> Topic:
        """The topic of this name; any thread."""
        return self._locked(lambda: self.topics.intern(name))

    def append(self, wire: bytes, topic: Topic) -> int:
        """Commit one message and wake whom it concerns.

        Returns:
            Its sequence, or NO_SPACE: nothing was changed, `wait_for_room()` and try again.

        Raises:
            ClosedError, BrokenError, PoisonedError, NestedSendError: nothing was sent.
            Anything else that interrupts: the message was sent whole or not at all.
        """
        lock = self._lock
        if lock._is_owned():
            self._nested_or_leaked()
        try:
            if not lock.acquire(False):
                lock = self._acquire_slowly()
            if self._gate[0] != OPEN or self.log.following is None:
                self._refuse()
            sequence = self._append_one(wire, topic.id)
            lock.release()
        except BaseException:
            self._settle()
            raise
        if self._sleepers[0] or self._ask_each:
            self._wake((topic,))
        return sequence

    def append_with(
        self, write: Callable[[LogWriter], int], topics: Collection[Topic] | None
    ) -> int:
        """As `append`, for a message in parts or a batch: `write` appends it to the log.

        Args:
            topics: of its messages; None = not known, wake everybody.
        """

        def checked() -> int:
            if self._gate[0] != OPEN or self.log.following is None:
                self._refuse()
            return write(self.log)

        sequence = self._locked(checked)
        if self._sleepers[0] or self._ask_each:
            self._wake(None if topics is None else set(topics))
        return sequence

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
        self.check_gate()
        self._guard.recover()

    def _locked(self, work: Callable[[], T], mending: bool = False) -> T:
        """Run `work` under the send lock; interrupted anywhere, nothing stays locked.

        Args:
            mending: replace the lock if a thread has left it locked.
        """
        lock = self._lock
        if lock._is_owned():
            self._nested_or_leaked()
        try:
            if not lock.acquire(False):
                lock = self._acquire_slowly(mending)
            result = work()
            lock.release()
        except BaseException:
            self._settle()
            raise
        return result

    def _look_for_room(self, needed_bytes: int, count: int) -> bool:
        tails = self._tails.read()
        self.log.refresh(tails)
        enough = self.log.fits(needed_bytes, count)
        position = self.log.position
        wanted = 0 if enough else self.log.wanted_tail(needed_bytes, count, ROOM_SHARE)
        self.log.ask_for(wanted)
        for tail, bell in zip(tails, self.bells, strict=True):
            behind = 0 if tail == NO_TAIL else position - self.log.start_of(tail)
            if behind > self._size // NUDGE_SHARE or not enough:
                bell.ring()
        return enough

    def _wake(self, topics: Iterable[Topic] | None) -> None:
        """After a commit, wake the workers that sleep and have a subscriber for one of the topics.

        Who subscribes later than this looks it up is woken by the coordinator.

        Args:
            topics: None = not known, wake everybody.
        """
        if topics is None:
            wake_all(self.bells)
            return
        for topic in topics:
            generation, bells = topic.rings
            if generation != self._interest.generation:
                bells = self._find_bells(topic)
            wake_all(bells)

    def _find_bells(self, topic: Topic) -> tuple[Bell, ...]:
        generation = self._interest.generation
        workers = self._interest.workers_for(topic.name)
        if workers is None:  # it is being changed: wake everybody, ask again next time
            return tuple(self.bells)
        bells = tuple(self.bells[i] for i in workers)
        topic.rings = generation, bells
        return bells

    def _refuse(self) -> None:
        """Raise why nothing can be sent; the lock is released first, the flag left as it is."""
        state = self._gate[0]
        error = self._guard.error() if state == OPEN else _REASONS[state]()
        self._lock.release()
        raise error

    def _settle(self) -> None:
        """After an interruption: roll back what this thread has begun, release what it holds."""
        if self._lock._is_owned():
            if self._gate[0] != FORKED:  # the flag is the parent's, which may be sending
                self._guard.settle()
            self._lock.release()

    def _acquire_slowly(self, mending: bool = False) -> _OwnedLock:
        """Wait for the lock; returns it, which is another one if it was replaced meanwhile.

        Raises:
            PoisonedError: a thread was interrupted twice in a send and left it locked.
            ForkedError: in the child of a fork it may be locked for ever.
        """
        deadline = time.monotonic() + LOCK_TIMEOUT
        nobody = 0
        while self._gate[0] != FORKED:
            lock = self._lock
            if lock.acquire(True, LOCK_LOOK):
                if lock is self._lock:
                    return lock
                lock.release()  # it was replaced while we waited
                continue
            nobody = 0 if _somebody_sends() else nobody + 1
            is_lost = nobody >= LOCK_LOOKS
            if is_lost and mending:
                self._replace(lock)
            elif is_lost or time.monotonic() >= deadline:
                raise PoisonedError(
                    "the send lock was not released: a send in another thread was interrupted "
                    "twice, or is stopped by a debugger; recover() mends the former"
                )
        raise _REASONS[FORKED]()

    def _replace(self, lost: _OwnedLock) -> None:
        """Put a new lock in the place of a lost one, unless another thread has just done it."""
        fresh = _make_lock()
        # No other thread runs between the look and the store: there is no call and no loop.
        if self._lock is lost:
            self._lock = fresh

    def _nested_or_leaked(self) -> None:
        """This thread holds the lock: inside a send, or it was interrupted twice in one."""
        if self._gate[0] == FORKED:
            self.check_gate()
        if _is_sending(sys._getframe(2)):
            raise NestedSendError(
                "a send was called from inside a send of the same thread, by a signal "
                "handler or a finalizer: let it put the message in a queue instead"
            )
        self._lock.release()


def _is_sending(frame: FrameType | None) -> bool:
    """Whether this stack is inside a send, and not one that merely waits for the lock."""
    while frame is not None and frame.f_code is not SendPath._acquire_slowly.__code__:
        if frame.f_code in _SENDING:
            return True
        frame = frame.f_back
    return False


def _somebody_sends() -> bool:
    """Whether a thread may hold the send lock, of this publisher or of another one."""
    return any(_is_sending(frame) for frame in sys._current_frames().values())


_SENDING = frozenset({SendPath.append.__code__, SendPath._locked.__code__})

__all__ = ["BROKEN", "CLOSED", "FORKED", "NO_SPACE", "OPEN", "Interest", "SendPath"]
