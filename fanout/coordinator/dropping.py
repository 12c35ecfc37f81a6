"""Dropping: who has lost messages since it was last told of. Pure.

Workers count losses in shared memory, and nobody reports each of them. So they are looked for
there, now and then, while there are any: a subscriber is told of at its first loss, then each 10 s
while it goes on, and for the rest when it has recovered or its connection ends. What has been told
of a subscriber in all adds up to what it has lost.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Protocol

from fanout.coordinator.thinning import SUMMARY_EACH
from fanout.events import Event, EventKind
from fanout.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fanout.coordinator.roster import Accepted

LOOK_ON = 10.0  # seconds after the last loss of a worker: its subscribers' slots are later than it

_AT_ITS_END = {
    EventKind.SUBSCRIBER_RECOVERED,
    EventKind.SUBSCRIBER_DISCONNECTED,
    EventKind.SUBSCRIBER_EVICTED,
}


class Slots(Protocol):
    """A look at the slots of all subscribers."""

    def ids(self) -> Sequence[int]:
        """Who has them; 0 = nobody."""
        ...

    def dropped(self) -> Sequence[int]:
        """Messages that they have lost."""
        ...


class Dropping:
    """Compares what slots say with what was told.

    Its mutable state: what each subscriber was told to have lost, and when; who has lost more; what
    the slots said at the last look, and until when it is worth while to look at them.

    Args:
        total: messages that all workers have dropped: it grows with any loss.
        slots: who has them, and what each has lost.
        connections: by subscriber.
    """

    def __init__(
        self,
        total: Callable[[], int],
        slots: Slots,
        connections: Mapping[int, Accepted],
    ) -> None:
        self._total = total
        self._slots = slots
        self._connections = connections
        self._told: dict[int, _Told] = {}
        self._owed: dict[int, int] = {}  # subscriber -> what it has lost in all
        self._slow: set[int] = set()  # who was told of as slow, whatever became of it
        self._seen: Sequence[int] = ()
        self._last_total = 0
        self._until = 0.0

    def look(self, now: float) -> list[Event]:
        """Losses of whom it is time to tell.

        Args:
            now: seconds.
        """
        total = self._total()
        if total != self._last_total:
            self._last_total = total
            self._until = now + LOOK_ON
        if now < self._until:
            self._look_at_slots()
        told = []
        for subscriber, dropped in list(self._owed.items()):
            connection = self._connections.get(subscriber)
            if connection is None:
                del self._owed[subscriber]
            elif subscriber not in self._slow:
                self._slow.add(subscriber)  # the report of it may be on its way: next time
            elif self._is_due(subscriber, now):
                told.append(self._event(connection, dropped, now))
        return told

    def before(self, event: Event, now: float) -> list[Event]:
        """What is to be told of a subscriber before this: nothing is left to tell at its end."""
        subscriber = event.subscriber
        if subscriber is None or event.kind not in _AT_ITS_END:
            return []
        dropped = max(event.dropped, self._owed.get(subscriber, 0))
        lost = []
        if dropped > self._lost_of(subscriber):
            lost = [self._event(event, dropped, now)]
        if event.kind is not EventKind.SUBSCRIBER_RECOVERED:
            for known in (self._told, self._owed):
                known.pop(subscriber, None)
            self._slow.discard(subscriber)
        return lost

    def after(self, event: Event, now: float) -> list[Event]:
        """What is to be told of a subscriber after this: its first loss, which made it slow."""
        subscriber = event.subscriber
        if subscriber is None or event.kind is not EventKind.SUBSCRIBER_SLOW:
            return []
        self._slow.add(subscriber)
        dropped = max(event.dropped, self._owed.get(subscriber, 0))
        if dropped <= self._lost_of(subscriber) or not self._is_due(subscriber, now):
            return []
        return [self._event(event, dropped, now)]

    def _look_at_slots(self) -> None:
        ids, dropped = self._slots.ids(), self._slots.dropped()  # whose slot it is, first
        before, self._seen = self._seen or (), dropped  # more slots may be in use by now
        for slot, (old, new) in enumerate(zip_longest(before, dropped, fillvalue=0)):
            if old != new and new > self._lost_of(ids[slot]) and ids[slot]:
                self._owed[ids[slot]] = new

    def _lost_of(self, subscriber: int) -> int:
        told = self._told.get(subscriber)
        return 0 if told is None else told.dropped

    def _is_due(self, subscriber: int, now: float) -> bool:
        told = self._told.get(subscriber)
        return told is None or now - told.at >= SUMMARY_EACH

    def _event(self, who: Accepted | Event, dropped: int, now: float) -> Event:
        subscriber = who.subscriber
        assert subscriber is not None, "it is about one"
        since = dropped - self._lost_of(subscriber)
        self._told[subscriber] = _Told(dropped, now)
        self._owed.pop(subscriber, None)
        return Event(
            EventKind.SUBSCRIBER_DROPPED,
            f"has lost {since:,} messages since it was last told of",
            subscriber=subscriber,
            peer=who.peer,
            worker=who.worker,
            user=who.user,
            dropped=dropped,
            dropped_since=since,
            cause=Reason.LAG,
        )


class _Told:
    __slots__ = ("at", "dropped")

    def __init__(self, dropped: int, at: float) -> None:
        self.dropped = dropped
        self.at = at
