"""What became of messages and connections: totals of a publisher that outlive connections. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.shm.header import Totals, reason_counters
from fanout.shm.layout import PAGE
from fanout.statistics import Undelivered

if TYPE_CHECKING:
    from fanout.control.messages import Closed
    from fanout.coordinator.roster import Accepted
    from fanout.reasons import Reason


class Ledger(Totals):
    """Counters that only grow; one owner, the coordinator's thread.

    They are words of the shared memory, so that others can read them whatever the publisher does.

    Args:
        words: of the segment; None = a page that nobody else sees.
    """

    def __init__(self, words: memoryview | None = None) -> None:
        shared = memoryview(bytearray(PAGE)).cast("Q") if words is None else words
        super().__init__(shared)
        self._reasons = reason_counters(shared)
        self.closing = False  # set when the publisher's end has begun
        self.undelivered: list[Undelivered] = []  # since then; one for each connection at most

    def refuse(self, cause: Reason) -> None:
        """Book a connection that was not taken."""
        self.refused += 1
        self._reasons[cause.number] += 1

    def close(self, connection: Accepted, closed: Closed) -> None:
        """Book the end of a connection."""
        if connection.version is None:
            self.failed_handshakes += 1
        elif closed.evicted:
            self.evicted += 1
        else:
            self.disconnected += 1
        self._reasons[closed.cause] += 1
        self.sent += closed.sent
        self.dropped += closed.dropped
        self.discarded += closed.discarded
        if self.closing and (closed.discarded or closed.kernel_bytes):
            self.undelivered.append(
                Undelivered(
                    closed.subscriber, connection.peer, closed.discarded, closed.kernel_bytes
                )
            )
