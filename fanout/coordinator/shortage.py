"""Shortage: workers that had no memory for what they alone know of subscribers. Shell.

Such a subscriber is served on. But nobody could go on with it if its worker were lost: so that is
told of before it happens, while something can be done about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.coordinator.thinning import SUMMARY_EACH
from fanout.events import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.coordinator.links import WorkerLink


class Shortage:
    """Looks at what workers count in shared memory; on the coordinator's thread.

    Its mutable state: what was told of each worker, and until when no more is.

    Args:
        links: of the workers; others append to them.
    """

    def __init__(self, links: Sequence[WorkerLink]) -> None:
        self._links = links
        self._told: dict[int, tuple[int, float]] = {}

    def look(self, now: float) -> list[Event]:
        """What is to be told, of each worker once in a while; seconds."""
        events = []
        for link in self._links:
            count = link.slot.unrecorded
            told, until = self._told.get(link.index, (0, 0.0))
            if count == told or now < until:
                continue
            self._told[link.index] = count, now + SUMMARY_EACH
            text = (
                f"no memory for what it alone knows of {count - told:,} of its subscribers: "
                "they would be closed if it were lost now"
            )
            events.append(Event(EventKind.WORKER_SHORT_OF_MEMORY, text, worker=link.index))
        return events
