"""What became of messages and connections: totals of a publisher that outlive connections. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from fanout.reasons import Reason
from fanout.shm.header import SharedTotals, reason_counters
from fanout.shm.layout import PAGE
from fanout.statistics import Undelivered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.control.messages import Closed
    from fanout.coordinator.roster import Accepted

LOST_MAX = 16_384  # subscribers lost with workers and still named; by default all that may be
NOBODY = 0  # ids of subscribers begin with 1
_ACCOUNTS = (  # of a connection; the publisher's are their sums
    *("matched", "sent", "dropped", "conflated", "discarded"),
    *("matched_bytes", "sent_bytes", "dropped_bytes", "conflated_bytes", "discarded_bytes"),
    *("dropped_messages", "dropped_age", "dropped_log"),
    *("dropped_messages_bytes", "dropped_age_bytes", "dropped_log_bytes"),
)


class Ledger(SharedTotals):
    """Counters that only grow; one owner, the coordinator's thread.

    They are words of the shared memory, so that others can read them whatever the publisher does.

    Args:
        words: of the segment; None = a page that nobody else sees.
        lost_max: subscribers lost with workers that are named to who asks next: as many as there
            may be at once, so that the loss of all workers is told in full. Those before them,
            of earlier losses that nobody has asked for, are summed up.
    """

    def __init__(self, words: memoryview | None = None, lost_max: int = LOST_MAX) -> None:
        shared = memoryview(bytearray(PAGE)).cast("Q") if words is None else words
        super().__init__(shared)
        self._reasons = reason_counters(shared)
        self.closing = False  # set when the publisher's end has begun
        self.undelivered: list[Undelivered] = []  # since then; one for each connection at most
        # Before that: what was lost with workers, and nobody has been told yet who waits for it.
        self._lost: deque[Undelivered] = deque()
        self._lost_max = lost_max
        self._earlier = 0  # subscribers that are in the sum
        self._sum = Undelivered(NOBODY, "", 0, 0)

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
        for name in _ACCOUNTS:
            setattr(self, name, getattr(self, name) + getattr(closed, name))
        self.inexact += not closed.exact
        if exact and not closed.discarded and not closed.kernel_bytes:
            return
        undelivered = Undelivered(
            closed.subscriber, connection.peer, closed.discarded, closed.kernel_bytes, exact
        )
        if self.closing:
            self.undelivered.append(undelivered)
        elif closed.cause == Reason.WORKER_LOST.number:
            self._lose(undelivered)

    def _lose(self, undelivered: Undelivered) -> None:
        self._lost.append(undelivered)
        if len(self._lost) > self._lost_max:
            self._sum_up()

    def _sum_up(self) -> None:
        oldest, before = self._lost.popleft(), self._sum
        self._earlier += 1
        self._sum = Undelivered(
            NOBODY,
            f"{self._earlier:,} lost earlier",
            before.messages + oldest.messages,
            before.kernel_bytes + oldest.kernel_bytes,
            before.exact and oldest.exact,
        )

    @property
    def lost(self) -> list[Undelivered]:
        """What was lost with workers since it was taken last; first a sum, if there were many."""
        return [self._sum, *self._lost] if self._earlier else list(self._lost)

    def take_lost(self) -> list[Undelivered]:
        """The same; nobody is told of it again."""
        lost = self.lost
        self._lost.clear()
        self._earlier, self._sum = 0, Undelivered(NOBODY, "", 0, 0)
        return lost

    def put_back(self, lost: Sequence[Undelivered]) -> None:
        """Whoever has taken these was interrupted: the next one is told of them, before others."""
        self._lost.extendleft(reversed(lost))
        while len(self._lost) > self._lost_max:
            self._sum_up()
