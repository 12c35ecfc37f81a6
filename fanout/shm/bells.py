"""Bells: which workers to wake after a commit, and not to wake one twice for one sleep."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from fanout.errors import ClosedError
from fanout.shm import layout as at
from fanout.shm.doorbell import Doorbell
from fanout.shm.worker_slot import ASLEEP, HOLDING, HOLDS, sleeper_byte

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fanout.shm.segment import Segment


class Bell:
    """The publisher's side of a worker's doorbell. Any thread may ring.

    A worker that holds the publisher up is to be rung for as if it slept: who rings looks whether
    that is so, and then has the log take nothing more before it was looked for room.

    A worker that goes to sleep stores a number that is new for each sleep, checks the log once
    more, and waits. So a publisher that rang for that number need not ring again.

    It also takes the worker from the sleepers, since it may take long until the worker gets a core
    to do so itself, and every `publish()` until then would look here in vain.

    Attributes:
        doorbell: what it rings; belongs to who made it.
        hold: called if the worker holds the publisher up; set by who has the log.
    """

    __slots__ = ("_index", "_rung", "_sleeper", "_words", "doorbell", "hold")

    def __init__(self, segment: Segment, worker: int, doorbell: Doorbell) -> None:
        slot = segment.layout.worker_slots + worker * at.WORKER_SLOT_BYTES
        self._index = slot // at.WORD + at.W_SLEEPING
        self._words = segment.words
        self._sleeper = sleeper_byte(segment, worker)
        self.doorbell = doorbell
        self.hold: Callable[[], None] = _hold_nothing
        self._rung = 0

    def wake(self) -> None:
        """Ring if the worker sleeps; the caller has passed a full barrier since its commit."""
        sleep = self._words[self._index]
        if sleep and sleep != self._rung:
            # Clear before ringing: if it fell asleep again meanwhile, this hides that sleep, but
            # the ring ends it.
            self._sleeper[0] = 0
            if sleep & HOLDS:
                self.hold()
            try:
                self.doorbell.ring()
            except BaseException:
                # It may not have rung: let the next commit do it.
                self._sleeper[0] = HOLDING if sleep & HOLDS else ASLEEP
                raise
            self._rung = sleep

    def ring(self) -> None:
        """Ring in any case."""
        self.doorbell.ring()


class Bells:
    """The bells of all workers that there may be; owns their doorbells.

    Attributes:
        all: the bells, in the order of the workers. It is replaced as a whole.
    """

    def __init__(self, segment: Segment) -> None:
        self.all: tuple[Bell, ...] = ()
        self._segment = segment
        self._is_closed = False

    def enlarge(self, workers: int) -> None:
        """Have as many as that, or more; one thread at a time.

        Raises:
            OSError: the system gives no descriptors; nothing has changed.
            ClosedError: they are closed.
        """
        before = self.all
        with ExitStack() as undo:
            more = []
            for index in range(len(before), workers):
                doorbell = Doorbell()
                undo.callback(doorbell.close)
                more.append(Bell(self._segment, index, doorbell))
            if self.all is before:
                self.all = (*before, *more)
                if self._is_closed:
                    raise ClosedError("the publisher is closed")
                undo.pop_all()
                return
        self.enlarge(workers)  # a signal handler has done so on this thread meanwhile

    def close(self) -> None:
        """Close all of them."""
        self._is_closed = True
        for bell in self.all:
            bell.doorbell.close()


def ring_all(bells: Iterable[Bell]) -> None:
    """Ring each of them in any case."""
    for bell in bells:
        bell.ring()


def wake_all(bells: Iterable[Bell]) -> None:
    """Wake each of them that sleeps."""
    for bell in bells:
        bell.wake()


def _hold_nothing() -> None:
    pass
