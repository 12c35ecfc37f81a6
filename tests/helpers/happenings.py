"""The events of a publisher, collected, to be waited for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from fanout import Event, EventKind


class Happenings:
    """An `on_event` that keeps what it is called with."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def of(self, kind: EventKind) -> list[Event]:
        """The events of a kind so far."""
        with self._changed:
            return [event for event in self.events if event.kind is kind]

    def wait_for(self, kind: EventKind, count: int = 1) -> list[Event]:
        """Wait for so many events of a kind; returns them."""
        with self._changed:
            self._changed.wait_for(
                lambda: sum(event.kind is kind for event in self.events) >= count, DEADLINE_S
            )
        found = self.of(kind)
        assert len(found) >= count, f"{len(found)} of {count} {kind}: {self.events[-20:]}"
        return found
