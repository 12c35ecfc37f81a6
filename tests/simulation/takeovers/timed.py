"""When a connection was handed what."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.kernel import Connection


class Timed:
    """Remembers when a connection was handed what.

    Args:
        connection: of which this is the other side.
        now: monotonic ns.
    """

    def __init__(self, connection: Connection, now: Callable[[], int]) -> None:
        self._now = now
        self._handed = 0
        self._ends: list[int] = []
        self._times: list[int] = []
        self._send = connection.send
        noted: Any = connection
        noted.send = self.send

    def send(self, data: bytes | memoryview) -> int:
        count = self._send(data)
        self._handed += count
        self._ends.append(self._handed)
        self._times.append(self._now())
        return count

    def time_of(self, end: int) -> int:
        """When it had been handed so many bytes."""
        return self._times[bisect_left(self._ends, end)]
