"""Who stalls, became slow, and recovered: reported at once, or summed up while nobody reads. Pure.

A subscriber may fall behind and catch up many times a second, for as long as the coordinator hangs.
What it last was, and how it came to that, is what is needed; so much, and no more, waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from fanout.control.messages import Slow
from fanout.workers.stream.effects import Recovered, Stalled

if TYPE_CHECKING:
    from fanout.workers.stream.effects import Slowed
    from fanout.workers.stream.member import Member

WAITING_EACH = 4  # reports of one subscriber: it recovered, stalls, became slow, and recovered


class SlowOutlet(Protocol):
    """A channel to the coordinator; `pending` messages wait there to be read."""

    @property
    def pending(self) -> int: ...

    def send(self, message: Slow, /) -> None: ...


class SlowReports:
    """Passes reports on; those of one subscriber stay in order.

    Between two reports that it recovered there is one that it stalls, or is slow, or one of each.

    Its mutable state: the reports that wait, by subscriber; and of whose trouble was heard.
    """

    def __init__(self, outlet: SlowOutlet) -> None:
        self._outlet = outlet
        self._waiting: dict[int, list[Slow]] = {}
        self._heard: set[int] = set()

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def add(self, report: Slow) -> None:
        """Report it now if the coordinator reads, and later if not."""
        waiting = self._waiting.setdefault(report.subscriber, [])
        if waiting and not report.recovered and waiting[-1].recovered:
            self._sum_up(waiting)  # slow once more: sum up the time before
        waiting.append(report)
        self.flush()

    def flush(self) -> None:
        """Report what waits, for as long as the coordinator reads."""
        while self._waiting and not self._outlet.pending:
            subscriber, waiting = next(iter(self._waiting.items()))
            report = waiting.pop(0)
            if not waiting:
                del self._waiting[subscriber]
            self._send(report)

    def go_on(self, subscriber: int) -> None:
        """This one comes from another worker, which has reported that it is in trouble."""
        self._heard.add(subscriber)

    def finish(self, subscriber: int) -> None:
        """The last report of this subscriber comes next: report in any case what it now is.

        Trouble that has come and gone unheard cancels itself out, and its final figures follow.
        """
        waiting = self._waiting.pop(subscriber, [])
        self._sum_up(waiting)
        for report in waiting:
            self._send(report)
        self._heard.discard(subscriber)

    def _send(self, report: Slow) -> None:
        if report.recovered:
            self._heard.discard(report.subscriber)
        else:
            self._heard.add(report.subscriber)
        self._outlet.send(report)

    def _sum_up(self, waiting: list[Slow]) -> None:
        """Drop all up to the last recovery; that one too, if nobody has heard of the trouble."""
        recoveries = [index for index, report in enumerate(waiting) if report.recovered]
        if recoveries:
            is_heard = waiting[0].subscriber in self._heard
            del waiting[: recoveries[-1] + (not is_heard)]


def slow_report(member: Member, effect: Slowed | Stalled | Recovered) -> Slow:
    """What is to be reported of a member whose standing has changed so."""
    recovered, stalled = isinstance(effect, Recovered), isinstance(effect, Stalled)
    text = "has caught up" if isinstance(effect, Recovered) else effect.text
    return Slow(member.id, recovered, member.dropped, text, stalled)
