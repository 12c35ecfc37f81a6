"""The time that a part of a turn may take, and the sign of life that goes with it. Pure.

Who goes through many members, messages or connections asks after each few of them whether the time
is over, and goes on in the next turn if it is: so no part takes longer than its time and one piece.
Asking is the sign of life, too: a worker that has much to do is seen to get on, and one that hangs
asks no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.tuning import TUNING

if TYPE_CHECKING:
    from collections.abc import Callable

AT_MOST_NS = 2_000_000  # that passes between two looks at how long a thread has worked
BEAT_NS = 10_000_000  # between two signs of life, which are stores that others read


class WorkTime:
    """For how long a thread has worked, looked up seldom: the kernel takes a microsecond to say.

    It has worked no longer than time has passed. So between two looks, that is what it says: too
    much by as long as others had the processor meanwhile, which is no more than `AT_MOST_NS`.

    Its mutable state: the last look, and when that was.

    Args:
        now: ns of a clock that costs little.
        worked: ns that the calling thread has worked.
    """

    def __init__(self, now: Callable[[], int], worked: Callable[[], int]) -> None:
        self._now = now
        self._worked = worked
        self._looked_at = now()
        self._seen = worked()

    def __call__(self) -> int:
        """Ns that it has worked, at most."""
        now = self._now()
        passed = now - self._looked_at
        if passed < AT_MOST_NS:
            return self._seen + passed
        self._looked_at = now
        self._seen = self._worked()
        return self._seen


class TurnPart:
    """Bounds what is done at once; one for all parts of a turn, which follow each other.

    Its mutable state: when the time is over, and when the next sign of life is due.

    Args:
        now: ns of a clock: of the time that passes, or in which was worked.
        alive: is told its time: something was done.
        part_ns: what a part of a turn may take.
    """

    def __init__(
        self,
        now: Callable[[], int],
        alive: Callable[[int], None] = lambda _now: None,
        part_ns: int = TUNING.part_ns,
    ) -> None:
        self._now = now
        self._alive = alive
        self._part_ns = part_ns
        self._over_at = 0
        self._beat_at = 0

    def begin(self, part_ns: int = 0) -> None:
        """A part of a turn begins, which may take as long as any, or as is said."""
        self._over_at = self._now() + (part_ns or self._part_ns)

    def is_over(self) -> bool:
        """Whether the part that was begun last has had its time."""
        return self.is_past(self._over_at)

    def in_time(self, nanoseconds: int) -> int:
        """The time when so much has passed; see `is_past()`."""
        return self._now() + nanoseconds

    def is_past(self, time: int) -> bool:
        """Whether it is later than that."""
        now = self._now()
        if now >= self._beat_at:
            self._beat_at = now + BEAT_NS
            self._alive(now)
        return now >= time


def without_clock() -> TurnPart:
    """One whose time is never over."""
    return TurnPart(lambda: -1)
