"""What is to be sent: messages that were handed over, on their way to a connection. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from fanout.sockets.errors import NotNowError
from fanout.sockets.level import Level

if TYPE_CHECKING:
    from fanout.sockets.limits import Limits
    from fanout.sockets.peer import Outgoing


COUNTED_AT_ONCE = 1024  # messages, in some 0.1 ms
FEWER_EACH = 32  # a longer queue is counted again when 1/32 of it is gone: 32 counts in all


class Outbox:
    """A queue that any thread puts to, and the actor takes from.

    Attributes:
        waiting: in order; what was taken and could not be sent comes back to the front.
        has_waiters: somebody waits for room; who sets it looks once more afterwards.
    """

    def __init__(self, limits: Limits) -> None:
        self.waiting: deque[Outgoing] = deque()
        self._level = Level(limits.outbox_messages, limits.outbox_bytes, self._sizes)
        self._look_below: int | None = None  # there was no room for who waits; None: not known

    def put(self, outgoing: Outgoing) -> None:
        """Hand a message over; it is done by the last step of this, or not at all.

        Raises:
            NotNowError: there is no room.
        """
        if not self._level.reserve(len(outgoing.wire)):
            raise NotNowError
        self.waiting.append(outgoing)

    def has_room_again(self) -> bool:
        """Whether who waits for room should try; by the actor alone.

        It asks in each turn, and a long queue is not counted that often.
        """
        count = len(self.waiting)
        if self._look_below is not None and count > self._look_below:
            return False
        has_room = self._level.is_half_empty()
        fewer = max(count - COUNTED_AT_ONCE, 0) // FEWER_EACH
        self._look_below = None if has_room else count - fewer
        return has_room

    def give_back(self, unsent: list[Outgoing]) -> None:
        """These were taken, and come first again, in their order."""
        self.waiting.extendleft(reversed(unsent))

    def clear(self) -> int:
        """Drop all; returns how many."""
        dropped, self.waiting = self.waiting, deque()
        return len(dropped)

    def _sizes(self) -> list[int]:
        return [len(outgoing.wire) for outgoing in self.waiting.copy()]
