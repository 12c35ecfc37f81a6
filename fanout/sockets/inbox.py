"""What has come and waits for the program, of all peers in turn. Pure.

Fair queueing: each message has a *round*, and those of lower rounds go first. A peer's next message
is of the next round after its last, but of none that is over. So one who sends ten thousand at once
holds nobody up for longer than one message.

It is a heap, and messages are put and taken by one call of C each, in which no other thread, no
signal handler and no cancellation comes between. Whoever is interrupted then still has what was
taken in a list, and puts it back where it was.
"""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Generic, TypeVar

from fanout.sockets.errors import NotNowError
from fanout.sockets.level import Level

if TYPE_CHECKING:
    from collections.abc import Iterable, Sized

    from fanout.sockets.limits import Limits

T = TypeVar("T")


class Lane:
    """Where a peer stands among the others.

    Attributes:
        round: of its last message.
    """

    __slots__ = ("round",)

    def __init__(self) -> None:
        self.round = 0


class Inbox(Generic[T]):
    """A queue that one thread puts to, and any takes from.

    Attributes:
        received: messages put, ever.
        is_stalled: who puts waits until half is taken.
    """

    def __init__(self, limits: Limits) -> None:
        self.received = 0
        self.is_stalled = False
        self._waiting: list[tuple[int, int, int, T]] = []  # a heap: round, number, size, item
        self._numbers = count()
        self._last_round = 0  # the highest round that a message has
        self._resume = 0  # messages that wait when who puts looks again
        self._level = Level(limits.inbox_messages, limits.inbox_bytes, self._sizes)

    def __len__(self) -> int:
        return len(self._waiting)

    # Who puts.

    def put(self, lane: Lane, item: T, size: int) -> None:
        """Add a message of a peer, of so many bytes."""
        try:
            now = self._waiting[0][0]
        except IndexError:  # nobody waits: all begin together
            now = self._last_round + 1
        lane.round = max(now, lane.round + 1)
        self._last_round = max(self._last_round, lane.round)
        self._level.note(size)
        self.received += 1
        heappush(self._waiting, (lane.round, next(self._numbers), size, item))

    def is_full(self) -> bool:
        """Whether no more should be read, until half is taken."""
        waits = len(self._waiting)
        if not self.is_stalled:
            # Before `is_stalled`: another thread that sees that set reads `_resume` next.
            self._resume = waits // 2
            self.is_stalled = self._level.is_full()
        elif self._level.is_half_empty():
            self.is_stalled = False
        elif waits <= self._resume:  # half are taken, but not half of the bytes: look again later
            self._resume = waits // 2
        return self.is_stalled

    # Who takes.

    def may_resume(self) -> bool:
        """Whether who puts waits, and might go on once one more is taken."""
        return self.is_stalled and len(self._waiting) <= self._resume + 1

    def take(self) -> T:
        """The next message.

        Raises:
            NotNowError: there is none.
        """
        taken: list[tuple[int, int, int, T]] = []
        try:
            self.move(taken)
            return taken[0][3]
        except BaseException:
            self.put_back(taken)
            raise

    def move(self, into: list[tuple[int, int, int, T]]) -> None:
        """Move the next message to the end of a list: it is always in one of both.

        Raises:
            NotNowError: there is none.
        """
        try:
            into.extend(map(heappop, (self._waiting,)))  # one call of C
        except IndexError:
            raise NotNowError from None

    def put_back(self, taken: list[tuple[int, int, int, T]]) -> None:
        """Whoever took the last one of these was interrupted: it is the next again."""
        if taken:
            heappush(self._waiting, taken[-1])
            taken.pop()

    def clear(self) -> int:
        """Drop all; returns how many."""
        dropped, self._waiting = self._waiting, []
        return len(dropped)

    def _sizes(self) -> list[int]:
        return [entry[2] for entry in self._waiting.copy()]


def size_of(frames: Iterable[Sized]) -> int:
    """Bytes of a message."""
    return sum(map(len, frames))
