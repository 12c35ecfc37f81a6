"""Ingress: what users have done about producers; any thread.

The thread that reads is started by the first endpoint, and what it is made of is loaded then, so
that a publisher without producers has neither.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from fanout.basics.grace import wait_for_end
from fanout.errors import ClosedError, ConfigError
from fanout.terms.allowed_topics import allowed_prefixes
from fanout.terms.places import (
    ANY_ADDRESS,
    PRODUCERS_LIMIT,
    PRODUCERS_MAX,
    Places,
    place_limits,
)
from fanout.transport.advice import own_endpoints_named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fanout.events import Event
    from fanout.ingress.loop import Loop
    from fanout.ingress.sources import Source
    from fanout.ingress.terms import Terms
    from fanout.send.path import SendPath
    from fanout.statistics import IngestStatistics
    from fanout.terms.arguments import TopicLike
    from fanout.terms.places import PerAddress, PlaceLimits
    from fanout.transport.listener import Listener

T = TypeVar("T")

LOOK_EACH = 0.05  # seconds; whether our thread has died
CALL_TIMEOUT = 10.0  # seconds for our thread to answer: it waits for nobody


class Ingress:
    """The endpoints of one publisher that take messages.

    Its mutable state: the loop, once there is one, and whether it was closed.

    Args:
        path: where what they send goes.
        terms: how it is taken.
        listen: opens a listener.
        endpoints: of the publisher, for subscribers.
        tell: is told of events.
        complain: logs a bug of ours.
    """

    def __init__(
        self,
        path: SendPath,
        terms: Terms,
        listen: Callable[[str], Listener],
        endpoints: Callable[[], tuple[str, ...]],
        tell: Callable[[Event], None],
        complain: Callable[[str, BaseException], None],
    ) -> None:
        self._path = path
        self._terms = terms
        self._listen = listen
        self._bound = endpoints
        self._tell = tell
        self._complain = complain
        self._lock = threading.RLock()  # a signal handler may call while its thread has it
        self._loop: Loop | None = None
        self._is_closed = False

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Where producers are accepted, in the order of binding."""
        loop = self._loop
        return () if loop is None else tuple(loop.sources)

    def ingest(
        self,
        endpoint: str,
        allowed_topics: TopicLike | Iterable[TopicLike] | None = None,
        max_producers: int = PRODUCERS_MAX,
        of_address: PerAddress = ANY_ADDRESS,
    ) -> str:
        """See `fanout.Publisher.ingest()`."""
        allowed = allowed_prefixes(allowed_topics, "nothing could be published")
        limits = place_limits(max_producers, of_address, "max_producers", PRODUCERS_LIMIT)
        self._path.gate.check_use()
        with own_endpoints_named(endpoint, lambda: (*self._bound(), *self.endpoints)):
            listener = self._listen(endpoint)
        loop = source = None
        try:
            source = _source(self._path, listener, allowed, limits)
            loop = self._running()
            self._call(loop, partial(loop.add, source))
            return listener.endpoint
        except BaseException:
            if loop is None or source is None:
                listener.close()
            else:
                _take_back(loop, source)
            raise

    def stop(self, endpoint: str) -> IngestStatistics:
        """See `fanout.Publisher.stop_ingest()`."""
        self._path.gate.check_use()
        loop = self._loop
        source = None if loop is None else loop.sources.get(endpoint)
        if loop is None or source is None:
            bound = ", ".join(self.endpoints) or "none"
            raise ConfigError(f"{endpoint!r} takes no messages; those that do are: {bound}")
        return self._call(loop, lambda: loop.remove(source))

    def statistics(self) -> tuple[IngestStatistics, ...]:
        """Figures of each endpoint, as they are now."""
        self._path.gate.check_use()
        loop = self._loop
        return () if loop is None else tuple(s.statistics() for s in list(loop.sources.values()))

    def close(self, timeout: float) -> None:
        """Take nothing more, publish what is there, and end. Idempotent; nothing in a fork.

        It returns later than after `timeout` seconds if it gets on, see `grace.py`. On our own
        thread, which may happen to collect a publisher as garbage, it does not wait.
        """
        if self._path.gate.forked:
            return
        self._is_closed = True
        loop = self._loop
        if loop is None:
            return
        loop.end(timeout)
        if loop.thread is not threading.current_thread():
            wait_for_end(loop.thread, lambda: loop.steps, timeout)
        if not loop.thread.is_alive():
            loop.bury()
            self._loop = None  # it refers to us

    def _running(self) -> Loop:
        with self._lock:
            if self._is_closed:
                raise ClosedError("the publisher is closed")
            loop = self._loop
            if loop is None or loop.has_ended:
                if loop is not None:
                    loop.bury()
                loop = _loop(self._path, self._terms, self._tell, self._failed)
                loop.thread.start()
                self._loop = loop
            return loop

    def _failed(self, error: BaseException) -> None:
        text = "the thread that reads producers failed: they are gone; ingest() begins anew"
        self._complain(text, error)

    def _call(self, loop: Loop, function: Callable[[], T]) -> T:
        """Have the loop run it, and return its result.

        Raises:
            ClosedError: it has ended. TimeoutError: it did not answer in time.
        """
        future: Future[T] = Future()

        def run() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    if loop.has_ended:
                        raise ClosedError("the publisher takes no messages any more")
                    future.set_result(function())
                except Exception as error:
                    future.set_exception(error)

        loop.post(run)
        deadline = time.monotonic() + CALL_TIMEOUT
        try:
            while True:
                if loop.has_ended and not future.done():
                    raise ClosedError("the publisher takes no messages any more")
                try:
                    return future.result(LOOK_EACH)
                except TimeoutError:
                    if future.done() or time.monotonic() >= deadline:
                        raise
        finally:
            future.cancel()


def _source(
    path: SendPath, listener: Listener, allowed: tuple[bytes, ...] | None, limits: PlaceLimits
) -> Source:
    from fanout.ingress.admission import Admission
    from fanout.ingress.sources import Source

    places = Places(limits, "producers", "max_producers")
    return Source(listener, Admission(path.topics, path.intern, allowed), places)


def _loop(
    path: SendPath,
    terms: Terms,
    tell: Callable[[Event], None],
    fail: Callable[[BaseException], None],
) -> Loop:
    from fanout.ingress.loop import Loop
    from fanout.ingress.portions import Portions

    return Loop(Portions(path, terms), tell, fail)


def _take_back(loop: Loop, source: Source) -> None:
    """Have nobody listen there, whether the loop has begun to or not; waits for it a while."""
    is_done = threading.Event()

    def take_back() -> None:
        try:
            loop.take_back(source)
        finally:
            is_done.set()

    loop.post(take_back)
    deadline = time.monotonic() + CALL_TIMEOUT
    while not loop.has_ended and time.monotonic() < deadline:
        if is_done.wait(LOOK_EACH):
            return
    source.listener.close()  # it may not look again
