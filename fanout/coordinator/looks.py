"""Looks: in each tick, at what nobody tells of by itself. Shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.coordinator.clocks import Clocks
from fanout.coordinator.jams import Jams
from fanout.coordinator.shortage import Shortage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fanout.coordinator.clocks import Times
    from fanout.coordinator.ledger import Ledger
    from fanout.coordinator.links import WorkerLink
    from fanout.coordinator.telling import Telling
    from fanout.events import Event


class Looks:
    """Looks at clocks, channels, and what workers have no memory for; on the coordinator's thread.

    Args:
        telling: says what is told of it, and when.
        links: of the workers; others append to them.
        ledger: counts it.
        read_times: the clocks.
    """

    def __init__(
        self,
        telling: Telling,
        links: Sequence[WorkerLink],
        ledger: Ledger,
        read_times: Callable[[], Times],
    ) -> None:
        self._telling = telling
        self._shortage = Shortage(links)
        self._jams = Jams(links, ledger)
        self._clocks = Clocks(ledger)
        self._read_times = read_times

    def look(self, now: float) -> list[Event]:
        """What is to be told, with what was kept back before; seconds, see `Supervision`."""
        events = self._telling.due(now)
        seen = *self._clocks.look(self._read_times()), *self._shortage.look(now), *self._jams.look()
        for event in seen:
            events += self._telling.tell(event, now)
        return events
