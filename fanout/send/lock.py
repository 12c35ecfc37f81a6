"""The send lock: who holds it is known, and one that is lost is noticed.

A send never waits while it holds the lock. So a thread that finds it locked for long has met one of
three: a send of its own that it interrupts (a signal handler, a finalizer), which it must not wait
for; a lock that a thread left locked, since two interruptions in a row hit its send; or a debugger.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from typing import TYPE_CHECKING, Protocol, TypeVar

from fanout.errors import NestedSendError, PoisonedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

    from fanout.send.gate import Gate

LOCK_TIMEOUT = 30.0  # seconds; no send waits with the lock held: a debugger, or a signal handler
LOCK_LOOK = 0.2  # seconds of waiting for the lock, then a look at who may hold it
LOCK_LOOKS = 3  # looks in a row that find nobody, until it is said to be lost

# Python says who owns an RLock only in its text, "owner=" and the number of the thread; 0 = nobody.
_OWNER = re.compile(r" owner=(\d+) ")

F = TypeVar("F", bound="Callable[..., object]")

_holding: set[CodeType] = set()  # of the functions that take the lock and release it


class OwnedLock(Protocol):
    """A reentrant lock that knows its owner: `threading.RLock`."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...
    def release(self) -> None: ...
    def _is_owned(self) -> bool: ...


def make_lock() -> OwnedLock:
    """A lock that nobody holds."""
    return threading.RLock()  # type: ignore[return-value]  # typeshed hides _is_owned


def holds_lock(function: F) -> F:
    """Decorates a function that holds the send lock for a while: found on a stack, it may."""
    _holding.add(function.__code__)
    return function


class SendLock:
    """The lock of one publisher, replaced if it was lost; any thread.

    Functions that take it are decorated with `holds_lock`, and take it in this way:

        lock = send_lock.current
        if lock._is_owned():
            send_lock.refuse_nested()
        try:
            if not lock.acquire(False):
                lock = send_lock.acquire_slowly()
            ...
            lock.release()
        except BaseException:
            ...  # release what is owned

    Args:
        make: makes a lock that nobody holds.

    Attributes:
        current: the lock itself.
    """

    __slots__ = ("_gate", "_make", "current")

    def __init__(self, gate: Gate, make: Callable[[], OwnedLock] = make_lock) -> None:
        self._gate = gate
        self._make = make
        self.current = make()

    def refuse_nested(self) -> None:
        """This thread holds the lock: inside a send, or it was interrupted twice in one.

        In the latter case the lock is released, and the send may go on.

        Raises:
            NestedSendError: it is inside a send.
            ForkedError: it was, when the process was forked.
        """
        if self._gate.forked:
            raise self._gate.error()
        # Who called the function that wants the lock. One that was interrupted in
        # `acquire_slowly()` has just got it, and goes on with it.
        if _is_sending(sys._getframe(2)):
            raise NestedSendError(
                "a send was called from inside a send of the same thread, by a signal "
                "handler or a finalizer: let it put the message in a queue instead"
            )
        self.current.release()

    @holds_lock
    def acquire_slowly(self, mending: bool = False) -> OwnedLock:
        """Wait for the lock; returns it, which is another one if it was replaced meanwhile.

        Args:
            mending: replace the lock if a thread has left it locked.

        Raises:
            PoisonedError: a thread was interrupted twice in a send and left it locked.
            ForkedError: in the child of a fork it may be locked for ever.
        """
        deadline = time.monotonic() + LOCK_TIMEOUT
        nobody = 0
        while not self._gate.forked:
            lock = self.current
            if lock.acquire(True, LOCK_LOOK):
                if lock is self.current:
                    return lock
                lock.release()  # it was replaced while we waited
                continue
            nobody = 0 if _may_be_held(lock) else nobody + 1
            is_lost = nobody >= LOCK_LOOKS
            if is_lost and mending:
                self._replace(lock)
            elif is_lost or time.monotonic() >= deadline:
                raise PoisonedError(
                    "the send lock was not released: a send in another thread was interrupted "
                    "twice, or is stopped by a debugger; recover() mends the former"
                )
        raise self._gate.error()

    def _replace(self, lost: OwnedLock) -> None:
        """Put a new lock in the place of a lost one, unless another thread has just done it."""
        fresh = self._make()
        # No other thread runs between the look and the store: there is no call and no loop.
        if self.current is lost:
            self.current = fresh


def _is_sending(frame: FrameType | None) -> bool:
    """Whether this stack, of the thread that owns the lock, is inside a send."""
    while frame is not None:
        if frame.f_code in _holding:
            return True
        frame = frame.f_back
    return False


def _may_be_held(lock: OwnedLock) -> bool:
    """Whether this lock, which could not be had for a while, is held by a send, or by nobody yet.

    Who has just got it may wait long for the interpreter, or for a processor. Before it owns the
    lock, nobody does; after that it may still be seen to wait for it.
    """
    owner = _OWNER.search(repr(lock))
    assert owner is not None, "a lock that does not tell its owner"
    return owner[1] == "0" or _is_sending(sys._current_frames().get(int(owner[1])))
