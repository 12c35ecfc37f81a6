"""Events to the user's callback, to who iterates over them, and to the `fanout` logger.

Callback and log handlers are the user's: they may raise, and they may take for ever. So they are
called on a thread of their own, and whoever tells an event feels nothing of it. What waits for each
of those who listen has a bound; what is lost beyond it is counted, and the count is told at the
place where the events are missing.

The thread is started by the first event that somebody takes there, and ends with the publisher. It
is a daemon: one that never comes back from a callback holds up neither `close()` nor the end of the
interpreter.
"""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
import traceback
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

from fanout.coordinator.thinning import LOGGED_AT_ONCE, Thinning
from fanout.events import Event, EventKind, is_restart
from fanout.reasons import Reason
from fanout.reporting.event_queue import EventQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FAREWELL = 1.0  # seconds that close() waits for what was told to be delivered
FAREWELL_AT_ONCE = 0.2  # the same, for a close() that is to end at once
READERS_MAX = 64  # queues at once, each of which may hold all the events that it has room for

_LEVELS = {
    EventKind.SUBSCRIBER_SLOW: logging.WARNING,
    EventKind.SUBSCRIBER_DROPPED: logging.WARNING,
    EventKind.SUBSCRIBER_THROTTLED: logging.WARNING,
    EventKind.SUBSCRIBER_STALLED: logging.WARNING,
    EventKind.SUBSCRIBER_RECOVERED: logging.INFO,  # the end of a warning
    EventKind.SUBSCRIBER_EVICTED: logging.WARNING,
    EventKind.KEYFRAME_WANTED: logging.INFO,  # it is answered by a program
    EventKind.PRODUCER_EVICTED: logging.WARNING,
    EventKind.ASKER_EVICTED: logging.WARNING,
    EventKind.CONNECTION_REFUSED: logging.WARNING,
    EventKind.HANDSHAKE_FAILED: logging.WARNING,
    EventKind.CHOICE_DECLINED: logging.WARNING,
    EventKind.SUBSCRIPTION_REFUSED: logging.WARNING,
    EventKind.EVENTS_LOST: logging.WARNING,
    EventKind.ACCEPT_PAUSED: logging.ERROR,
    EventKind.ACCEPT_QUEUE_FULL: logging.WARNING,
    EventKind.TAKEOVER_PAUSED: logging.ERROR,
    EventKind.CHANNEL_FULL: logging.WARNING,
    EventKind.CLOCK_SET: logging.WARNING,
    EventKind.MACHINE_SLEPT: logging.WARNING,
    EventKind.STOOD_STILL: logging.WARNING,
    EventKind.WORKER_SHORT_OF_MEMORY: logging.WARNING,
    EventKind.WORKER_RETIRED: logging.INFO,
    EventKind.WORKER_LOST: logging.ERROR,
    EventKind.WORKER_GIVEN_UP: logging.ERROR,
    EventKind.ENDPOINT_OPEN: logging.WARNING,
    EventKind.CALLBACK_FAILED: logging.ERROR,
}

# Nothing is wrong with a probe that connects and leaves, nor with who comes as we close.
_ORDINARY = {Reason.LEFT, Reason.BROKEN, Reason.GONE_EARLY, Reason.PUBLISHER_CLOSED}

# Of these there are never many: a worker that fails is started again after a while.
_OF_WORKERS = {
    *(EventKind.WORKER_STARTED, EventKind.WORKER_LOST),
    *(EventKind.WORKER_GIVEN_UP, EventKind.WORKER_RETIRED),
}
_NO_BOUND = 1 << 62


class Announcer:
    """Delivers each event once to each who listens, in the order in which they were told.

    The log gets fewer than the others: see `Thinning`.

    Its mutable state: what waits for the thread, and the thread; the queues of who reads for
    himself; what was kept from the log; and whether the end was announced.

    Args:
        on_event: called with each event; None = only log.
        logger: logged to, before the callback is called.
        now: seconds of a clock that never goes back.
    """

    def __init__(
        self,
        on_event: Callable[[Event], None] | None,
        logger: logging.Logger,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_event = on_event
        self._logger = logger
        self._now = now
        self._queue = EventQueue()
        self._thinning = Thinning(_logged_at_once, again=True)
        self._readers: tuple[weakref.ref[EventQueue], ...] = ()
        self._entering = threading.Lock()  # of the readers
        self._is_ending = False
        self._thread: threading.Thread | None = None
        # What the callback starts shall inherit the signal mask of the program, not of our threads.
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def tell(self, event: Event) -> None:
        """Have an event delivered, soon; never waits for the user's code, and never raises."""
        if self._readers:
            self._put_to_readers(event)
        if self._on_event is not None or self._logger.isEnabledFor(_level(event)):
            self._put(event)

    def complain(self, text: str, error: BaseException) -> None:
        """Have a bug of ours logged, with the traceback of `error`; as `tell()`."""
        self._put(f"{text}\n{''.join(traceback.format_exception(error))}")

    def open_queue(self) -> EventQueue:
        """A queue of all events from now on, to be read at leisure; any thread.

        It is fed until it is closed, or dropped.

        Raises:
            RuntimeError: there are too many; nothing has changed.
        """
        queue = EventQueue()
        with self._entering:
            readers = self._open_readers()
            if len(readers) >= READERS_MAX:
                raise RuntimeError(f"{READERS_MAX} iterators over events are open: close some")
            self._readers = (*readers, weakref.ref(queue))
        if self._is_ending:  # whoever ended them may have missed this one
            queue.end()
        return queue

    def end(self) -> None:
        """No more events come: all end when those that wait are delivered. Idempotent."""
        if self._is_ending:
            return
        self._is_ending = True
        self._queue.end()
        for reader in self._readers:
            queue = reader()
            if queue is not None:
                queue.end()

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
        self._queue.put(one)
        if self._thread is None:
            self._start()

    def _put_to_readers(self, event: Event) -> None:
        has_left = False
        for reader in self._readers:
            queue = reader()
            if queue is None or queue.is_closed:
                has_left = True
            else:
                queue.put(event)
        if has_left and self._entering.acquire(blocking=False):  # else the next time
            self._readers = self._open_readers()
            self._entering.release()

    def _open_readers(self) -> tuple[weakref.ref[EventQueue], ...]:
        queues = [(reader, reader()) for reader in self._readers]
        return tuple(
            reader for reader, queue in queues if queue is not None and not queue.is_closed
        )

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="fanout-events", daemon=True)
        with suppress(RuntimeError):  # the system gives none: what waits, waits for the next event
            thread.start()
            self._thread = thread

    # The thread.

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        while True:
            try:
                one = self._queue.take(self._thinning.wait(self._now()))
            except TimeoutError:
                self._log_all(self._thinning.due(self._now()))
                continue
            if one is None:
                self._log_all(self._thinning.due(math.inf))
                return
            if isinstance(one, str):
                self._log(logging.ERROR, one)
            else:
                self._deliver(one)
            del one  # or it would be kept until the next one comes

    def _deliver(self, event: Event) -> None:
        self._log_thinned(event)
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except BaseException as error:  # sys.exit() as well: it would end the thread
            failed = Event(EventKind.CALLBACK_FAILED, f"on_event raised for {event}")
            self._log_thinned(failed, error)

    def _log_thinned(self, event: Event, error: BaseException | None = None) -> None:
        """Log it, if it is its turn, with its error; and the summaries whose time has come."""
        if not self._logger.isEnabledFor(_level(event)):
            return
        for one in self._thinning.tell(event, self._now()):
            self._log(_level(one), one, error if one is event else None)

    def _log_all(self, events: Iterable[Event]) -> None:
        for event in events:
            self._log(_level(event), event)

    def _log(self, level: int, what: Event | str, error: BaseException | None = None) -> None:
        # A filter or handler of the user's may raise anything: sys.exit() too.
        with suppress(BaseException):
            self._logger.log(level, "%s", what, exc_info=error)


def _level(event: Event) -> int:
    if event.kind is EventKind.HANDSHAKE_FAILED and event.cause in _ORDINARY:
        return logging.DEBUG
    if is_restart(event):
        return logging.INFO  # the end of an error; the first ones are as they should be
    return _LEVELS.get(event.kind, logging.DEBUG)


def _logged_at_once(event: Event) -> int:
    """Lines in each period. Who logs at debug level wants to read of everybody, but once."""
    if event.kind in _OF_WORKERS or _level(event) <= logging.DEBUG:
        return _NO_BOUND
    return LOGGED_AT_ONCE
