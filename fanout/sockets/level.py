"""How full a queue is that several threads put to and take from. Pure.

Who takes says nothing: a step that follows the taking could be interrupted, and then be missing for
ever. So what is known is what was put since somebody looked, which is at least what waits; when
that reaches a limit, what waits is counted anew.

There is no lock, which a thread that is interrupted might keep for ever. The interpreter changes
threads at calls and at loops only, so the sums are right; what others put in the very instant of
counting may be missing, until it is counted the next time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.sockets.limits import MESSAGE_COST_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable


class Level:
    """An upper bound of what waits; for any thread.

    Args:
        messages_max, bytes_max: what may wait.
        recount: returns the sizes of the messages that wait, each once.
    """

    __slots__ = ("_bytes", "_bytes_max", "_count", "_messages_max", "_recount")

    def __init__(self, messages_max: int, bytes_max: int, recount: Callable[[], list[int]]) -> None:
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._recount = recount
        self._count = 0
        self._bytes = 0

    def reserve(self, size: int) -> bool:
        """Whether there is room for one more message, which is then counted as put.

        One that is larger than the limit has room if it is the only one. If it is not put after
        all, it counts until somebody looks again.
        """
        if not self._fits(size):
            self._look()
            if not self._fits(size):
                return False
        self.note(size)
        return True

    def note(self, size: int) -> None:
        """One more is put, whether there is room or not."""
        self._bytes += size + MESSAGE_COST_BYTES
        self._count += 1

    def is_full(self) -> bool:
        """Whether no more should be put."""
        if self._count < self._messages_max and self._bytes < self._bytes_max:
            return False
        self._look()
        return self._count >= self._messages_max or self._bytes >= self._bytes_max

    def is_half_empty(self) -> bool:
        """Whether who waits for room should go on: so room comes in runs."""
        self._look()
        return self._count <= self._messages_max // 2 and self._bytes <= self._bytes_max // 2

    def _fits(self, size: int) -> bool:
        total = self._bytes + size + MESSAGE_COST_BYTES
        is_alone = not self._count
        return is_alone or (self._count < self._messages_max and total <= self._bytes_max)

    def _look(self) -> None:
        sizes = self._recount()
        self._count = len(sizes)
        self._bytes = sum(sizes) + MESSAGE_COST_BYTES * len(sizes)
