"""Subscribers that have ended their side of the connection, and read on: who may be closed for it.

Such a one is served like any other, whichever workers it is moved to and lost with. But it looks
like one that has left, so it is asked; whose host acknowledges nothing for a second is taken for
one that has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.kernel import SOCKET_BUFFER, Connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.takeovers.subscriber import Subscriber

# What is promised, written down once more.
ANSWER_NS = 1_000_000_000


class TimedConnection(Connection):
    """A connection of which it is known when the peer's host has taken something last.

    Args:
        now: virtual ns.

    Attributes:
        was_silent: once it had ended its side, its host took nothing for so long that it may have
            been taken for gone. What is said of that may come later, when it takes something again.
    """

    def __init__(self, now: Callable[[], int], *sizes: int) -> None:
        super().__init__(*sizes)
        self._now = now
        self._acknowledged_at = now()
        self.was_silent = False

    def acknowledge(self, size: int = SOCKET_BUFFER) -> int:
        count = super().acknowledge(size)
        if count:
            self.was_silent |= self.has_ended and self.silent_ns >= ANSWER_NS
            self._acknowledged_at = self._now()
        return count

    @property
    def silent_ns(self) -> int:
        """For how long the peer's host has taken nothing."""
        return self._now() - self._acknowledged_at


def may_have_left(subscriber: Subscriber) -> bool:
    """Whether it may be taken for one that has left, though it has not."""
    connection = subscriber.connection
    if not subscriber.is_half_closed or not isinstance(connection, TimedConnection):
        return False
    return connection.was_silent or connection.silent_ns >= ANSWER_NS
