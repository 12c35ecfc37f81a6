"""What is told of a subscriber's connections: to the log, to the program, and at a timeout."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fanout.subscriber.events import ReceiverEvent, ReceiverEventKind
from fanout.terms.arguments import check_callback

if TYPE_CHECKING:
    from collections.abc import Callable

LATE_TEXT = "no message has come in time"
NOT_YET_TEXT = "no connection is up yet"

_logger = logging.getLogger("fanout")
_LEVELS = {
    ReceiverEventKind.CONNECTED: logging.INFO,
    ReceiverEventKind.FAILED: logging.INFO,
    ReceiverEventKind.REFUSED: logging.WARNING,
    ReceiverEventKind.LOST: logging.WARNING,
    ReceiverEventKind.QUEUE_FULL: logging.WARNING,
    ReceiverEventKind.TOO_LARGE: logging.WARNING,
    ReceiverEventKind.UNNUMBERED: logging.WARNING,
}
_DOWN = {ReceiverEventKind.FAILED, ReceiverEventKind.REFUSED, ReceiverEventKind.LOST}


class Telling:
    """Is called with each event: logs it, once until another comes, and calls the program.

    Args:
        on_event: of the program, None = it does not care.

    Raises:
        TypeError: it cannot be called.
    """

    __slots__ = ("_last", "_on_event")

    def __init__(self, on_event: Callable[[ReceiverEvent], object] | None) -> None:
        check_callback(on_event)
        self._on_event = on_event
        self._last: dict[str, ReceiverEvent] = {}  # by endpoint

    def __call__(self, event: ReceiverEvent) -> None:
        """Tell of it; on the thread, or in the loop, that reads."""
        if self._last.get(event.endpoint) != event:  # one that is away is tried again and again
            self._last[event.endpoint] = event
            _logger.log(_LEVELS[event.kind], "%s", event)
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except Exception:
            _logger.exception("on_event of a subscriber has failed")

    def late(self) -> TimeoutError:
        """What to raise where no message has come in time; any thread.

        If nobody is connected, it says what was told last of each endpoint.
        """
        last = [event for event in list(self._last.values()) if event.endpoint]
        if any(event.kind not in _DOWN for event in last):
            return TimeoutError(LATE_TEXT)
        return TimeoutError(f"{LATE_TEXT}: {'; '.join(map(str, last)) or NOT_YET_TEXT}")
