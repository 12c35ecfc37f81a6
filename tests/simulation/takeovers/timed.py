"""When a connection was handed what, and how much was published by then."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.kernel import Connection


class Timed:
    """Remembers when a connection was handed what.

    Args:
        connection: of which this is the other side.
        now: monotonic ns.
        head: the message that is published next.

    Attributes:
        now: monotonic ns.
        count: bytes that it was handed.
    """

    def __init__(
        self, connection: Connection, now: Callable[[], int], head: Callable[[], int]
    ) -> None:
        self.now = now
        self._head = head
        self.count = 0
        self._heads: list[int] = []  # they do not fall, though what was begun may be taken back
        self._ends: list[int] = []
        self._times: list[int] = []
        self._send = connection.send
        noted: Any = connection
        noted.send = self.send

    def send(self, data: bytes | memoryview) -> int:
        count = self._send(data)
        self.count += count
        self._ends.append(self.count)
        self._times.append(self.now())
        self._heads.append(max(self._head(), self._heads[-1] if self._heads else 0))
        return count

    def time_of(self, end: int) -> int:
        """When it had been handed so many bytes."""
        return self._times[bisect_left(self._ends, end)]

    def head_at(self, end: int) -> int:
        """The message that was published next when it had been handed so many bytes."""
        return self._heads[bisect_left(self._ends, end)]

    def count_before(self, message: int) -> int:
        """Bytes that it had been handed before this message was there."""
        sends = bisect_right(self._heads, message)
        return self._ends[sends - 1] if sends else 0
