"""Copies: descriptors of connections for the workers that go on with them. Shell.

While the system gives none, everybody who is to go on waits: it is tried again soon, told of and
counted, and after a while there is no hope any more.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fanout.basics.system_calls import explain
from fanout.coordinator.actions import Tell
from fanout.events import Event, EventKind
from fanout.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.coordinator.actions import Action
    from fanout.coordinator.state import State

AGAIN = 0.1  # seconds until it is tried again to duplicate a descriptor, if there is none


class Copies:
    """Duplicates of our duplicates; on the coordinator's thread.

    Its mutable state: since when there was none, when it is tried again, and what is to be told.

    Args:
        now: seconds.
        duplicate: as `fanout.basics.descriptors.duplicate`; `close`: as `os.close`.

    Attributes:
        again_at: seconds; before that it is not worth trying.
    """

    def __init__(
        self,
        state: State,
        now: Callable[[], float],
        duplicate: Callable[[int], int],
        close: Callable[[int], None],
    ) -> None:
        self.again_at = 0.0
        self._state = state
        self._now = now
        self._duplicate = duplicate
        self._close = close
        self._short_since = math.inf
        self._told: list[Action] = []

    def make(self, subscriber: int) -> int | None:
        """A new descriptor of its connection, which waits for one; None = there is none now."""
        descriptor = self._make(subscriber)
        if descriptor is None:
            now = self._now()
            self.again_at, self._short_since = now + AGAIN, min(self._short_since, now)
        else:
            self._short_since = math.inf
        return descriptor

    def can_be_made(self, subscriber: int) -> bool:
        """Whether there is one now, for one that need not go on.

        Nobody waits for it: so nobody else who does has to wait longer.
        """
        descriptor = self._make(subscriber)
        if descriptor is not None:
            self._close(descriptor)
        return descriptor is not None

    def _make(self, subscriber: int) -> int | None:
        try:
            return self._duplicate(self._state.duplicates[subscriber])
        except OSError as error:
            self.refused(f"{explain(error)}; again in {AGAIN} s")
            return None

    def refused(self, text: str, worker: int | None = None) -> None:
        """The system had nothing for one who was to go on, here or with that worker."""
        self._state.ledger.takeover_pauses += 1
        event = Event(EventKind.TAKEOVER_PAUSED, text, worker=worker, cause=Reason.NO_RESOURCES)
        self._told.append(Tell(event))

    def told(self) -> list[Action]:
        """What is to be told since this was asked last."""
        told, self._told = self._told, []
        return told

    def are_short_for(self, seconds: float) -> bool:
        """Whether there was none for so long for any that waits."""
        return self._now() - self._short_since >= seconds

    def forget(self) -> None:
        """Nobody waits for one any more."""
        self._short_since = math.inf
