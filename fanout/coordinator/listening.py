"""Listening: which listeners are watched for who wants to connect. Shell.

Where the system has nothing for one connection more, none is watched for a while: who waits goes on
waiting in the kernel, and to look again at once would be a spin. It may also be that it has nothing
to watch them by (memory, `fs.epoll.max_user_watches`).
"""

from __future__ import annotations

import selectors
from contextlib import suppress
from typing import TYPE_CHECKING

from fanout.basics.system_calls import explain_unwatched, is_exhausted
from fanout.coordinator.actions import Tell
from fanout.events import Event, EventKind
from fanout.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from fanout.coordinator.actions import Action
    from fanout.coordinator.ledger import Ledger
    from fanout.transport.listener import Listener

    # Accepts from a listener, and returns what to do about who came.
    Accept: TypeAlias = Callable[[Listener], list[Action]]

PAUSE = 0.5  # seconds without accepting after the system ran out of something


class Listening:
    """On the coordinator's thread; its mutable state: until when accepting is paused.

    Args:
        listeners: by endpoint; changed by others.
        selector: a listener is watched there with a function that accepts.
        now: seconds, see `Supervision`.
    """

    def __init__(
        self,
        listeners: Mapping[str, Listener],
        selector: selectors.BaseSelector,
        ledger: Ledger,
        now: Callable[[], float],
    ) -> None:
        self._listeners = listeners
        self._selector = selector
        self._ledger = ledger
        self._now = now
        self._paused_until: float | None = None

    @property
    def is_paused(self) -> bool:
        """Whether nobody is accepted for a while."""
        return self._paused_until is not None

    def begin(self, listener: Listener, accept: Accept) -> None:
        """Watch one more, at the end of a pause at the latest."""
        if self._paused_until is not None:
            return
        try:
            self._watch(listener, accept)
        except OSError as error:
            if not is_exhausted(error):
                raise
            self._paused_until = self._now()  # the next look tries again, and tells of it

    def end(self, listener: Listener) -> None:
        """Watch this one no more."""
        with suppress(KeyError):  # accepting is paused: it is not watched
            self._selector.unregister(listener.socket)

    def pause(self, why: str) -> list[Action]:
        """Watch none for a while."""
        self._paused_until = self._now() + PAUSE
        self._ledger.accept_pauses += 1
        for listener in self._listeners.values():
            self.end(listener)
        text = f"{why}; again in {PAUSE} s"
        return [Tell(Event(EventKind.ACCEPT_PAUSED, text, cause=Reason.NO_RESOURCES))]

    def look(self, now: float, accept: Accept) -> list[Action]:
        """Watch all of them again if the pause is over."""
        if self._paused_until is None or now < self._paused_until:
            return []
        try:
            for listener in self._listeners.values():
                self.end(listener)
                self._watch(listener, accept)
        except OSError as error:
            if not is_exhausted(error):
                raise
            return self.pause(f"listeners cannot be watched: {explain_unwatched(error)}")
        self._paused_until = None
        return []

    def _watch(self, listener: Listener, accept: Accept) -> None:
        self._selector.register(listener.socket, selectors.EVENT_READ, lambda: accept(listener))
