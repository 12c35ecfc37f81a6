"""Who became slow and who recovered: reported at once, or summed up while nobody reads. Pure.

A subscriber may fall behind and catch up many times a second, for as long as the coordinator hangs.
The first and the last report of each are what it needs; so many, and no more, wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fanout.control.messages import Slow

WAITING_EACH = 2  # reports of one subscriber: that it became slow, and that it recovered


class Outlet(Protocol):
    """A channel to the coordinator; `pending` messages wait there to be read."""

    @property
    def pending(self) -> int: ...

    def send(self, message: Slow, /) -> None: ...


class SlowReports:
    """Passes reports on; those of one subscriber stay in order and alternate.

    Its mutable state: the reports that wait, by subscriber.
    """

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._waiting: dict[int, list[Slow]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def add(self, report: Slow) -> None:
        """Report it now if the coordinator reads, and later if not."""
        waiting = self._waiting.setdefault(report.subscriber, [])
        waiting.append(report)
        if len(waiting) > WAITING_EACH:
            del waiting[:2]  # reports alternate: drop the oldest pair, the third says it anew
        self.flush()

    def flush(self) -> None:
        """Report what waits, for as long as the coordinator reads."""
        while self._waiting and not self._outlet.pending:
            subscriber, waiting = next(iter(self._waiting.items()))
            report = waiting.pop(0)
            if not waiting:
                del self._waiting[subscriber]
            self._outlet.send(report)

    def finish(self, subscriber: int) -> None:
        """The last report of this subscriber comes next: report in any case what it now is.

        Two reports that wait cancel each other out, and its final figures follow.
        """
        waiting = self._waiting.pop(subscriber, [])
        if len(waiting) % 2:
            self._outlet.send(waiting[-1])
