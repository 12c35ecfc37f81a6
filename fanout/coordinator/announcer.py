"""Events to the user's callback and to the `fanout` logger, on a thread of their own.

Both are the user's: they may raise, and they may take for ever. Whoever tells an event feels
neither. What waits for them has a bound; what is lost beyond it is counted, and the count is told
at the place where the events are missing.

The thread is started by the first event, and ends with the publisher. It is a daemon: one that
never comes back from a callback holds up neither `close()` nor the end of the interpreter.
"""

from __future__ import annotations

import logging
import signal
import threading
import traceback
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from fanout.events import Event, EventKind
from fanout.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

EVENTS_MAX = 32_768  # events that wait: two for each subscriber of the default, who all come back
EVENTS_RESUME = EVENTS_MAX // 2  # waiting; once full, more are taken from here: losses come in runs
FAREWELL = 1.0  # seconds that close() waits for what was told to be delivered
FAREWELL_AT_ONCE = 0.2  # the same, for a close() that is to end at once

_LEVELS = {
    EventKind.SUBSCRIBER_SLOW: logging.WARNING,
    EventKind.SUBSCRIBER_THROTTLED: logging.WARNING,
    EventKind.SUBSCRIBER_STALLED: logging.WARNING,
    EventKind.SUBSCRIBER_RECOVERED: logging.INFO,  # the end of a warning
    EventKind.SUBSCRIBER_EVICTED: logging.WARNING,
    EventKind.CONNECTION_REFUSED: logging.WARNING,
    EventKind.HANDSHAKE_FAILED: logging.WARNING,
    EventKind.CHOICE_DECLINED: logging.WARNING,
    EventKind.EVENTS_LOST: logging.WARNING,
    EventKind.ACCEPT_PAUSED: logging.ERROR,
    EventKind.WORKER_LOST: logging.ERROR,
    EventKind.CALLBACK_FAILED: logging.ERROR,
}

# Nothing is wrong with a probe that connects and leaves, nor with who comes as we close.
_ORDINARY = {Reason.LEFT, Reason.BROKEN, Reason.GONE_EARLY, Reason.PUBLISHER_CLOSED}

# An event, or a text for the logger only, or how many events are missing at this place.
_Waiting: TypeAlias = "Event | str | int"


class Announcer:
    """Delivers each event once to both, in the order in which they were told.

    Its mutable state: what waits (and whether it was full and has not been half empty since), the
    thread, and whether the end was announced.

    Args:
        on_event: called with each event; None = only log.
        logger: logged to, before the callback is called.
    """

    def __init__(self, on_event: Callable[[Event], None] | None, logger: logging.Logger) -> None:
        self._on_event = on_event
        self._logger = logger
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._is_full = False
        self._is_ending = False
        self._thread: threading.Thread | None = None
        # What the callback starts shall inherit the signal mask of the program, not of our threads.
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def tell(self, event: Event) -> None:
        """Have an event delivered, soon; never waits for the user's code, and never raises."""
        if self._on_event is not None or self._logger.isEnabledFor(_level(event)):
            self._put(event)

    def complain(self, text: str, error: BaseException) -> None:
        """Have a bug of ours logged, with the traceback of `error`; as `tell()`."""
        self._put(f"{text}\n{''.join(traceback.format_exception(error))}")

    def end(self) -> None:
        """No more events come: the thread ends when those that wait are delivered. Idempotent."""
        with self._changed:
            self._is_ending = True
            self._changed.notify()

    def close(self, timeout: float) -> None:
        """End, and wait a little for what was told to be delivered. Idempotent, any thread.

        In the callback it does not wait: the rest is delivered when the callback has returned.

        Args:
            timeout: seconds that the publisher's end may take; 0.0 = it is to end at once.
        """
        self.end()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(FAREWELL if timeout > 0 else FAREWELL_AT_ONCE)

    def _put(self, one: Event | str) -> None:
        with self._changed:
            count = len(self._waiting)
            self._is_full = count >= (EVENTS_RESUME if self._is_full else EVENTS_MAX)
            if not self._is_full:
                self._waiting.append(one)
                self._changed.notify()
            elif isinstance(self._waiting[-1], int):
                self._waiting[-1] += 1
            else:
                self._waiting.append(1)
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="fanout-events", daemon=True)
        with suppress(RuntimeError):  # the system gives none: what waits, waits for the next event
            thread.start()
            self._thread = thread

    # The thread.

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        while (one := self._next()) is not None:
            if isinstance(one, str):
                self._log(logging.ERROR, one)
            elif isinstance(one, int):
                text = f"{one} events were not delivered: on_event, or a log handler, is too slow"
                self._deliver(Event(EventKind.EVENTS_LOST, text, lost=one))
            else:
                self._deliver(one)
            del one  # or it would be kept until the next one comes

    def _next(self) -> _Waiting | None:
        """Wait for what is to be delivered next; None at the end."""
        with self._changed:
            while not self._waiting:
                if self._is_ending:
                    return None
                self._changed.wait()
            return self._waiting.popleft()

    def _deliver(self, event: Event) -> None:
        self._log(_level(event), event)
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except BaseException as error:  # sys.exit() as well: it would end the thread
            failed = Event(EventKind.CALLBACK_FAILED, f"on_event raised for {event}")
            self._log(_level(failed), failed, error)

    def _log(self, level: int, what: Event | str, error: BaseException | None = None) -> None:
        # A filter or handler of the user's may raise anything: sys.exit() too.
        with suppress(BaseException):
            self._logger.log(level, "%s", what, exc_info=error)


def _level(event: Event) -> int:
    if event.kind is EventKind.HANDSHAKE_FAILED and event.cause in _ORDINARY:
        return logging.DEBUG
    return _LEVELS.get(event.kind, logging.DEBUG)
