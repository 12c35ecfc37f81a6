"""A queue of events for one reader: what it is too slow for is counted, where it is missing.

One thread puts, and waits for nobody, nor for a lock that a reader may hold: the reader's signal
handlers run anywhere. So what the two share are queues whose operations are whole, and two counts
of what was lost, of which each side writes one.
"""

from __future__ import annotations

import threading
import time

# Not from `queue`: a file of that name beside the user's script would be found in its place.
from _queue import Empty as Empty
from _queue import SimpleQueue
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from fanout.events import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Callable

# Events that wait: three for each subscriber of the default, when all of them leave and come back.
EVENTS_MAX = 49_152
EVENTS_RESUME = EVENTS_MAX // 2  # waiting; once full, more are taken from here: losses come in runs

# An event, a text for the log, how many were lost up to this place, or the end.
_Waiting: TypeAlias = "Event | str | int | None"


class EventQueue:
    """Bounded; put to by one thread, read by any.

    Its mutable state: what waits, who is to be woken, how many events were lost, and how many of
    those its reader knows of.
    """

    def __init__(self) -> None:
        self._waiting: SimpleQueue[_Waiting] = SimpleQueue()
        self._wakers: deque[Callable[[], object]] = deque()
        self._is_full = False
        self._lost = 0  # ever
        self._marked = 0  # `_lost` as the last mark in the queue tells of it
        self._reading = threading.RLock()  # of the readers among themselves
        self._told = 0  # `_lost` as the reader was told of it last
        self._is_over = False

    # Who puts.

    def put(self, one: Event | str) -> None:
        """Have it read, soon, or counted as lost; never waits."""
        waiting = self._waiting
        self._is_full = waiting.qsize() >= (EVENTS_RESUME if self._is_full else EVENTS_MAX)
        if self._is_full:
            self._lost += 1
            return
        if self._lost not in (self._marked, self._told):
            self._marked = self._lost
            waiting.put(self._marked)
        waiting.put(one)
        self._wake()

    def end(self) -> None:
        """No more comes; what waits is read first. Idempotent, any thread."""
        self._waiting.put(None)
        self._wake()

    def _wake(self) -> None:
        wakers = self._wakers
        with suppress(IndexError):
            while True:
                wakers.popleft()()

    # Who reads.

    def take(self, timeout: float | None = None) -> Event | str | None:
        """What is to be read next; None at the end.

        Args:
            timeout: seconds to wait for it; None = for ever.

        Raises:
            TimeoutError: nothing has come in time.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            with suppress(Empty):
                return self.take_now()
            bell = threading.Lock()
            bell.acquire()
            if self.is_ready(bell.release):
                continue
            try:
                has_rung = bell.acquire(timeout=_seconds_until(deadline))
            finally:
                self.forget(bell.release)
            if not has_rung and timeout is not None and _seconds_until(deadline) == 0:
                raise no_event(timeout)

    def take_now(self) -> Event | str | None:
        """As `take()`, but it does not wait.

        Raises:
            Empty: there is nothing to be read.
        """
        with self._reading:
            return self._next()

    def _next(self) -> Event | str | None:
        while not self._is_over:
            lost = self._lost  # first: if nothing waits then, what came before them was taken
            try:
                one = self._waiting.get_nowait()
            except Empty:
                if lost == self._told:
                    raise
                return self._tell_of(lost)
            if one is None:
                if self._lost == self._told:
                    self._is_over = True
                    break
                self._waiting.put(None)
                return self._tell_of(self._lost)
            if not isinstance(one, int):
                return one
            if one > self._told:
                return self._tell_of(one)
        return None

    def close(self) -> None:
        """Its reader is done: what waits is dropped, and who reads is at the end. Idempotent."""
        self._is_over = True
        with suppress(Empty):
            while True:
                self._waiting.get_nowait()
        self._wake()

    @property
    def is_closed(self) -> bool:
        """Whether nothing that is put will be read."""
        return self._is_over

    def is_ready(self, waker: Callable[[], object]) -> bool:
        """Whether there is something to take; if not, `waker` is called once when there may be.

        It is called by who puts, on its thread, and must not wait.
        """
        if self._has_something():
            return True
        self._wakers.append(waker)
        if not self._has_something():
            return False
        self.forget(waker)
        return True

    def forget(self, waker: Callable[[], object]) -> None:
        """It need not be called any more."""
        with suppress(ValueError):  # it was
            self._wakers.remove(waker)

    def _has_something(self) -> bool:
        return self._is_over or not self._waiting.empty() or self._lost != self._told

    def _tell_of(self, lost: int) -> Event:
        missing, self._told = lost - self._told, lost
        text = f"{missing} events are missing here: who reads them is too slow"
        return Event(EventKind.EVENTS_LOST, text, lost=missing)


def no_event(timeout: float) -> TimeoutError:
    """None has come in time."""
    return TimeoutError(f"no event has come within {timeout:g} s")


def _seconds_until(deadline: float | None) -> float:
    """From 0 on; -1 = for ever, as locks have it."""
    if deadline is None:
        return -1
    return max(0.0, deadline - time.monotonic())
