"""Deliveries: what one turn hands to sockets, new messages and old ones, within bounds. Shell.

New messages and members that are behind get as much time each, so that neither keeps the other
from its turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import select
    from collections.abc import Callable, Mapping

    from fanout.shm.reader import LogReader
    from fanout.workers.connections.peer import Peer
    from fanout.workers.figures import Figures
    from fanout.workers.stream.pump import Pump
    from fanout.workers.stream.turn_part import TurnPart
    from fanout.workers.tuning import Tuning

MESSAGES_PER_TURN = 16_384  # after which a turn takes no further batch


class Deliveries:
    """Drives the pump.

    Args:
        write_set: has an event when a socket has room again.
        by_descriptor: whose socket that is; changed by others.
    """

    def __init__(
        self,
        pump: Pump,
        log: LogReader,
        write_set: select.epoll,
        by_descriptor: Mapping[int, Peer],
        figures: Figures,
        part: TurnPart,
        tuning: Tuning,
    ) -> None:
        self._pump = pump
        self._log = log
        self._write_set = write_set
        self._by_descriptor = by_descriptor
        self._figures = figures
        self._part = part
        self._batches_per_turn = tuning.batches_per_turn
        self._catch_ups = tuning.catch_ups
        self._writable_per_turn = tuning.writable_per_turn

    @property
    def are_due(self) -> bool:
        """Whether there are messages that were not sent to anybody yet."""
        return self._pump.needs_log and self._pump.served < self._log.head()

    def advance(self, now: int, *, one: bool = False) -> bool:
        """Send new messages to those who are ready; True if there are more of them.

        Args:
            one: no more than what is left of a round, or one.
        """
        pump = self._pump
        head = self._log.head()
        if not pump.needs_log:
            pump.follow()
            self._figures.progress += 1
            return False
        if pump.front != head or pump.waiting:  # to ask for the time takes a system call
            self._part.begin()
        first = pump.front
        for _ in range(self._batches_per_turn):
            if not pump.advance(head, now):
                self._figures.progress += 1
                return self._log.head() != pump.front
            if one or self._part.is_over() or pump.front - first >= MESSAGES_PER_TURN:
                break
        self._figures.progress += 1
        return True

    def catch_up(self, now: Callable[[], int]) -> bool:
        """Send what is published by now to those who are ready, if it is no more than a few turns'.

        Args:
            now: monotonic ns.

        Returns:
            Whether there was anything.
        """
        pump, head = self._pump, self._log.head()
        if pump.front >= head:
            return False
        for _ in range(self._catch_ups):
            self.advance(now())
            if pump.front >= head:
                break
        return True

    def serve(self, now: int) -> None:
        """Continue with those who are behind and have room again."""
        pump, limit = self._pump, self._writable_per_turn
        find, ready = self._by_descriptor.get, self._write_set.poll(0, limit)
        members = [peer.member for one, _ in ready if (peer := find(one)) is not None]
        if members:  # else it was the doorbell, or nothing
            pump.have_room(members)
        pump.wake(now)
        if pump.runnable:
            self._part.begin()
            pump.serve_runnable(now, limit)
