"""What became of messages and connections: totals of a publisher that outlive connections. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from fanout.reasons import Reason
from fanout.shm.header import Totals, reason_counters
from fanout.shm.layout import PAGE
from fanout.statistics import Undelivered

if TYPE_CHECKING:
    from fanout.control.messages import Closed
    from fanout.coordinator.roster import Accepted

LOST_MAX = 10_000  # subscribers lost with workers that nobody has asked for: months of bad luck


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
        # Before that: what was lost with workers, and nobody has been told yet who waits for it.
        self.lost: deque[Undelivered] = deque(maxlen=LOST_MAX)

    def refuse(self, cause: Reason) -> None:
        """Book a connection that was not taken."""
        self.refused += 1
        self._reasons[cause.number] += 1

    def close(self, connection: Accepted, closed: Closed, *, exact: bool = True) -> None:
        """Book the end of a connection; not `exact` = more may have been discarded."""
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
        if exact and not closed.discarded and not closed.kernel_bytes:
            return
        undelivered = Undelivered(
            closed.subscriber, connection.peer, closed.discarded, closed.kernel_bytes, exact
        )
        if self.closing:
            self.undelivered.append(undelivered)
        elif closed.cause == Reason.WORKER_LOST.number:
            self.lost.append(undelivered)

    def take_lost(self) -> list[Undelivered]:
        """What was lost with workers since this was asked last; the oldest beyond a bound go."""
        lost = list(self.lost)
        self.lost.clear()
        return lost
