"""Jams: what the publisher and a worker tell each other has to wait. Shell.

Nothing is lost by that, and whoever has too much to tell takes on no more until it is read. But a
side that does not read is stopped, hangs or is overloaded, and that is told of while it lasts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fanout.events import Event, EventKind
from fanout.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.coordinator.ledger import Ledger
    from fanout.coordinator.links import WorkerLink


class _Waits(NamedTuple):
    """How often messages had to wait so far, in both directions."""

    orders: int = 0
    orders_short: int = 0
    reports: int = 0
    reports_short: int = 0


class Jams:
    """Looks at what both ends of the control channels count; on the coordinator's thread.

    Its mutable state: what was told of each worker.

    Args:
        links: of the workers; others append to them.
        ledger: counts them.
    """

    def __init__(self, links: Sequence[WorkerLink], ledger: Ledger) -> None:
        self._links = links
        self._ledger = ledger
        self._told: dict[int, _Waits] = {}

    def look(self) -> list[Event]:
        """What has had to wait since the last look."""
        events: list[Event] = []
        for link in self._links:
            orders, reports = link.strain, link.slot
            now = _Waits(
                *(orders.channel_full, orders.channel_short),
                *(reports.channel_full, reports.channel_short),
            )
            before = self._told.get(link.index, _Waits())
            if now != before:
                self._told[link.index] = now
                events += self._events(link, before, now)
        return events

    def _events(self, link: WorkerLink, before: _Waits, now: _Waits) -> list[Event]:
        pending = link.channel.pending if link.channel is not None else 0
        waiting = f": {pending:,} messages wait" if pending else ""
        texts = _Texts(
            f"worker {link.index} does not read what it is told{waiting}",
            f"the system has no memory for what worker {link.index} is told{waiting}, "
            "or no place for the descriptors in it (ulimit -n of this process)",
            f"the publisher does not read what worker {link.index} reports",
            f"the system has no memory for what worker {link.index} reports",
        )
        events = []
        for text, cause, count in zip(texts, _CAUSES, _counts(before, now), strict=True):
            if count:
                self._ledger.channel_full += count
                kind = EventKind.CHANNEL_FULL
                events.append(Event(kind, text, worker=link.index, cause=cause, count=count))
        return events


class _Texts(NamedTuple):
    """In the order of `_Waits`."""

    orders: str
    orders_short: str
    reports: str
    reports_short: str


_CAUSES = (Reason.CHANNEL_FULL, Reason.NO_RESOURCES) * 2


def _counts(before: _Waits, now: _Waits) -> list[int]:
    return [new - old for old, new in zip(before, now, strict=True)]
