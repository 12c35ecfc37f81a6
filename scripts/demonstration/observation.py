"""What the publisher said about the stalled subscriber, kept beyond its end."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.events import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.statistics import SubscriberStatistics


@dataclass(slots=True)
class StalledFacts:
    """Times are seconds since the feed began; None = it did not happen."""

    sent: int = 0
    queued: int = 0
    dropped: int = 0
    blocked_s: float = 0.0
    blocked_at: float | None = None
    slow_at: float | None = None
    slow_reason: str = ""
    evicted_at: float | None = None
    evicted_reason: str = ""

    @property
    def state(self) -> str:
        """One word, or two, for the table."""
        if self.evicted_at is not None:
            return f"evicted at {self.evicted_at:.1f} s"
        if self.blocked_s:
            return f"takes nothing for {self.blocked_s:.1f} s"
        return "connected"


class Observer:
    """Collects events, on whatever thread they come, and snapshots of the stalled subscriber.

    Attributes:
        stalled: what is known about it.
        troubles: events about others that ought not to have happened.
    """

    def __init__(self) -> None:
        self.stalled = StalledFacts()
        self.troubles: list[str] = []
        self._stalled_id: int | None = None  # None until it is seen
        self._events: list[tuple[float, Event]] = []
        self._lock = threading.Lock()

    def on_event(self, event: Event) -> None:
        """Keeps an event; the callback of the publisher."""
        with self._lock:
            self._events.append((time.monotonic(), event))

    def look(
        self, subscribers: Iterable[SubscriberStatistics], stalled_endpoint: str, began: float
    ) -> None:
        """Takes in the snapshots, then the events since the last look.

        Args:
            subscribers: as the publisher gave them.
            stalled_endpoint: what only the stalled subscriber is connected to.
            began: monotonic time at which the feed began.
        """
        now = time.monotonic()
        for one in subscribers:
            if one.endpoint == stalled_endpoint:
                self._stalled_id = one.id
                self._look_at_stalled(one, now - began)
        with self._lock:
            events, self._events = self._events, []
        for at, event in events:
            self._take(event, at - began)

    def _look_at_stalled(self, one: SubscriberStatistics, at: float) -> None:
        facts = self.stalled
        facts.sent = one.sent
        facts.queued = one.queued
        facts.dropped = max(facts.dropped, one.dropped)
        facts.blocked_s = one.blocked_s
        if one.blocked_s and facts.blocked_at is None:
            facts.blocked_at = max(at - one.blocked_s, 0.0)

    def _take(self, event: Event, at: float) -> None:
        is_stalled = event.subscriber is not None and event.subscriber == self._stalled_id
        facts = self.stalled
        if is_stalled:
            facts.dropped = max(facts.dropped, event.dropped)
        if event.kind is EventKind.SUBSCRIBER_SLOW and is_stalled and facts.slow_at is None:
            facts.slow_at = at
            facts.slow_reason = event.reason
        elif event.kind is EventKind.SUBSCRIBER_EVICTED and is_stalled:
            facts.evicted_at = at
            facts.evicted_reason = event.reason
        elif event.kind in (EventKind.SUBSCRIBER_EVICTED, EventKind.WORKER_LOST):
            self.troubles.append(str(event))
