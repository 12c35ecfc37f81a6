"""Thinning: what happens again and again is told at once, then summed up now and then. Pure.

Somebody who is refused comes back at once, and a thousand of them would fill the log. So would a
thousand subscribers that lose messages. Counters are not thinned: this is only about what is told.

It is done twice, by the same rules with other figures: for all who listen, with what strangers can
bring about as often as they connect; then once more for the log alone, which people read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fanout.events import EventKind
from fanout.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.events import Event

    Key = tuple[EventKind, Reason | None, str]

SUMMARY_EACH = 10.0  # seconds between two summaries about the same cause; a person reads them
TEXTS_MAX = 32  # things that subscribers cannot have, each told for itself; honest ones say few
LOGGED_AT_ONCE = 8  # lines of one kind and cause in that time, each about another subscriber
KNOWN_MAX = 32_768  # subscribers of whom it is known that they were told of: two kinds for each

_OF_STRANGERS = {
    EventKind.ACCEPT_PAUSED,
    EventKind.ACCEPT_QUEUE_FULL,
    EventKind.CALLBACK_FAILED,  # once for each try of whom a check fails for
    EventKind.CHOICE_DECLINED,
    *(EventKind.CLOCK_SET, EventKind.MACHINE_SLEPT, EventKind.STOOD_STILL),  # of the machine
    *(EventKind.TAKEOVER_PAUSED, EventKind.CHANNEL_FULL),  # the same
    EventKind.CONNECTION_REFUSED,
    EventKind.HANDSHAKE_FAILED,
    EventKind.PRODUCER_EVICTED,  # for what it says; it is back at once
    EventKind.ASKER_EVICTED,
    EventKind.SUBSCRIBER_HALF_CLOSED,
    EventKind.SUBSCRIBER_THROTTLED,
    EventKind.SUBSCRIPTION_REFUSED,
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

# Summaries of these add up `dropped` over all; those of other kinds have that of the last one.
_ENDS = {
    EventKind.HANDSHAKE_FAILED,
    EventKind.SUBSCRIBER_DISCONNECTED,
    EventKind.SUBSCRIBER_EVICTED,
}


def is_thinned(event: Event) -> bool:
    """Whether strangers can make it happen as often as they connect."""
    if event.kind is EventKind.SUBSCRIBER_EVICTED:
        return event.cause in _BY_WORD
    return event.kind in _OF_STRANGERS


def one_at_once(_event: Event) -> int:
    """For what strangers bring about."""
    return 1


class Thinning:
    """Which of the events that it is given are told.

    Who is told that something cannot be had looks for a mistake: so each such text counts as a
    cause of its own, up to TEXTS_MAX of them; strangers can make up as many as they like.

    Its mutable state: for each kind and cause, since when it is summed up, how many more are told
    at once, of whom it was told, and what was kept back.

    Args:
        at_once: how many events of this kind and cause are told as they come, in the first period
            and, if `again`, in each one: those about a subscriber of whom none was told before.
    """

    def __init__(
        self, at_once: Callable[[Event], int] = one_at_once, *, again: bool = False
    ) -> None:
        self._at_once = at_once
        self._again = again
        self._periods: dict[Key, _Period] = {}
        self._known = 0  # over all periods
        self._texts = 0  # periods that are for one text

    def tell(self, event: Event, now: float) -> list[Event]:
        """It has happened; returns what is to be told of it, now.

        Args:
            now: seconds of a clock that never goes back.
        """
        due = self.due(now)
        key = self._key_of(event)
        period = self._periods.get(key)
        if period is None:
            period = self._periods[key] = _Period(now, self._at_once(event))
            self._texts += key[2] != ""
        if period.left <= 0 or event.subscriber in period.known:
            period.keep(event)
        else:
            period.left -= 1
            due.append(event)
        if self._again:
            self._known += period.know(event.subscriber, self._known)
        return due

    def due(self, now: float) -> list[Event]:
        """The summaries whose time has come, each for all that was kept back of its cause.

        Args:
            now: as above; infinity = all, for this is the end.
        """
        due = []
        for key, period in list(self._periods.items()):
            if now - period.began < SUMMARY_EACH:
                continue
            event = period.kept
            if event is None:  # nothing for so long: the next one is told at once
                self._known -= len(period.known)
                self._texts -= key[2] != ""
                del self._periods[key]
                continue
            period.kept = None
            period.began = now
            if self._again:
                period.left = self._at_once(event)
            due.append(event)
        return due

    def wait(self, now: float) -> float | None:
        """Seconds until a summary is due; None = nothing is kept back."""
        times = [one.began for one in self._periods.values() if one.kept is not None]
        return max(0.0, min(times) + SUMMARY_EACH - now) if times else None

    def _key_of(self, event: Event) -> Key:
        # Of callbacks, checks fail for somebody who has connected: of each in its own way.
        of_check = event.kind is EventKind.CALLBACK_FAILED and event.peer
        if event.kind is EventKind.CHOICE_DECLINED or of_check:
            key = event.kind, event.cause, event.reason
            if key in self._periods or self._texts < TEXTS_MAX:
                return key
        return event.kind, event.cause, ""


class _Period:
    """The events of one kind and cause, from one summary to the next."""

    __slots__ = ("began", "kept", "known", "left")

    def __init__(self, began: float, left: int) -> None:
        self.began = began
        self.left = left
        self.kept: Event | None = None  # the last one, with the figures of all it stands for
        self.known: set[int] = set()

    def keep(self, event: Event) -> None:
        self.kept = event if self.kept is None else add(self.kept, event)

    def know(self, subscriber: int | None, known: int) -> int:
        """It was told of, by itself or in a summary; returns how many more are known."""
        if subscriber is None or subscriber in self.known:
            return 0
        if known >= KNOWN_MAX:
            self.left = 0  # too many to remember: from here on only the summary tells of them
            return 0
        self.known.add(subscriber)
        return 1


def add(kept: Event, event: Event) -> Event:
    """The last one, with what all have lost: sums over events stay those of the statistics."""
    return replace(
        event,
        count=kept.count + event.count,
        dropped=event.dropped + (kept.dropped if event.kind in _ENDS else 0),
        dropped_since=kept.dropped_since + event.dropped_since,
        discarded=kept.discarded + event.discarded,
        added=kept.added + event.added,
        cancelled=kept.cancelled + event.cancelled,
        lost=kept.lost + event.lost,
        exact=kept.exact and event.exact,
    )
