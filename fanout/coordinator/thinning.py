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
    EventKind.ACCEPT_PAUSED,
    EventKind.CHOICE_DECLINED,
    EventKind.CONNECTION_REFUSED,
    EventKind.HANDSHAKE_FAILED,
    EventKind.SUBSCRIBER_THROTTLED,
}

# Ends of subscribers that a peer brings about by what it says, as soon as it has connected. All
# other evictions take a time of ours (5 s at least by default) in which an honest one may be slow:
# each of them is told by name.
_BY_WORD = {
    Reason.LIMIT,
    Reason.VIOLATION,
    Reason.TTL,  # it chooses the time, a tenth of a second for one
    Reason.UNREAD_ANSWERS,
    Reason.RESTLESS,
}


def is_thinned(event: Event) -> bool:
    """Whether strangers can make it happen as often as they connect."""
    if event.kind is EventKind.SUBSCRIBER_EVICTED:
        return event.cause in _BY_WORD
    return event.kind in _OF_STRANGERS


class Thinning:
    """Which of those events are told.

    Its mutable state: for each kind and cause, when it was last told, and what was kept back since.
    """

    def __init__(self) -> None:
        self._told: dict[Key, float] = {}
        self._kept: dict[Key, Event] = {}  # the last one, with the figures of all it stands for

    def tell(self, event: Event, now: float) -> list[Event]:
        """It has happened; returns what is to be told of it, now.

        Args:
            now: seconds of a clock that never goes back.
        """
        key = event.kind, event.cause
        due = self.due(now)
        if key in self._told:
            before = self._kept.get(key)
            self._kept[key] = event if before is None else _add(before, event)
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


def _add(kept: Event, event: Event) -> Event:
    """The last one, with what all have lost: sums over events stay those of the statistics."""
    return replace(
        event,
        count=kept.count + 1,
        dropped=kept.dropped + event.dropped,
        discarded=kept.discarded + event.discarded,
        exact=kept.exact and event.exact,
    )
