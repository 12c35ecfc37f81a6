"""Thinning: what happens again and again is told at once, then summed up now and then. Pure.

Somebody who is refused comes back at once, and a thousand of them would fill the log. Counters are
not thinned: this is only about what is told.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fanout.events import EventKind
from fanout.reasons import Reason

if TYPE_CHECKING:
    from fanout.events import Event

    Key = tuple[EventKind, Reason | None]

SUMMARY_EACH = 10.0  # seconds between two events about the same cause; a person reads them
_OF_STRANGERS = {
    EventKind.CONNECTION_REFUSED,
    EventKind.HANDSHAKE_FAILED,
    EventKind.SUBSCRIBER_THROTTLED,
}


def is_thinned(event: Event) -> bool:
    """Whether strangers can make it happen as often as they connect."""
    return event.kind in _OF_STRANGERS or event.cause is Reason.LIMIT


class Thinning:
    """Which of those events are told.

    Its mutable state: for each kind and cause, when it was last told, and what was kept back since.
    """

    def __init__(self) -> None:
        self._told: dict[Key, float] = {}
        self._kept: dict[Key, Event] = {}  # the last one, with how many it stands for

    def tell(self, event: Event, now: float) -> list[Event]:
        """It has happened; returns what is to be told of it, now.

        Args:
            now: seconds of a clock that never goes back.
        """
        key = event.kind, event.cause
        due = self.due(now)
        if key in self._told:
            before = self._kept.get(key)
            self._kept[key] = replace(event, count=before.count + 1 if before else 1)
            return due
        self._told[key] = now
        return [*due, event]

    def due(self, now: float) -> list[Event]:
        """The summaries whose time has come, each for all that was kept back of its cause.

        Args:
            now: as above; infinity = all, for this is the end.
        """
        due = []
        for key, told in list(self._told.items()):
            if now - told < SUMMARY_EACH:
                continue
            event = self._kept.pop(key, None)
            if event is None:  # nothing for so long: the next one is told at once
                del self._told[key]
                continue
            self._told[key] = now
            due.append(event)
        return due
