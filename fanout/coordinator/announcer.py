"""Events to the user's callback and to the `fanout` logger; nothing it does can raise."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from fanout.events import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Callable

_LEVELS = {
    EventKind.SUBSCRIBER_SLOW: logging.WARNING,
    EventKind.SUBSCRIBER_EVICTED: logging.WARNING,
    EventKind.CONNECTION_REFUSED: logging.WARNING,
    EventKind.ACCEPT_PAUSED: logging.ERROR,
    EventKind.WORKER_LOST: logging.ERROR,
    EventKind.CALLBACK_FAILED: logging.ERROR,
}


class Reporter:
    """Reports each event once to both; called on the coordinator's thread only."""

    def __init__(self, on_event: Callable[[Event], None] | None, logger: logging.Logger) -> None:
        self._on_event = on_event
        self._logger = logger

    def report(self, event: Event) -> None:
        """Log the event, then call back; an exception of the callback is logged, not raised."""
        self._log(event)
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except BaseException as error:  # sys.exit() as well: it would end the coordinator
            self._log(Event(EventKind.CALLBACK_FAILED, f"on_event raised for {event}"), error)

    def _log(self, event: Event, error: BaseException | None = None) -> None:
        with suppress(Exception):  # a filter or handler of the user's that raises
            self._logger.log(_LEVELS.get(event.kind, logging.DEBUG), "%s", event, exc_info=error)
