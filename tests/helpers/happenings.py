"""The events of a publisher or a subscriber, collected, to be waited for."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

from fanout import Event, EventKind, ReceiverEvent, ReceiverEventKind
from tests.helpers.waiting import DEADLINE_S

One = TypeVar("One", Event, ReceiverEvent)
Kind = TypeVar("Kind")


class _Kept(Generic[One, Kind]):
    """An `on_event` that keeps what it is called with."""

    def __init__(self) -> None:
        self.events: list[One] = []
        self._changed = threading.Condition()

    def __call__(self, event: One) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def of(self, kind: Kind) -> list[One]:
        """The events of a kind so far."""
        with self._changed:
            return [event for event in self.events if event.kind is kind]

    def wait_for(self, kind: Kind, count: int = 1) -> list[One]:
        """Wait for so many events of a kind; returns them."""
        with self._changed:
            self._changed.wait_for(
                lambda: sum(event.kind is kind for event in self.events) >= count, DEADLINE_S
            )
        found = self.of(kind)
        assert len(found) >= count, f"{len(found)} of {count} {kind}: {self.events[-20:]}"
        return found


class Happenings(_Kept[Event, EventKind]):
    """What a publisher tells."""


class Told(_Kept[ReceiverEvent, ReceiverEventKind]):
    """What a subscriber tells."""
