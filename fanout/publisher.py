"""Publisher: the class that users hold."""

from __future__ import annotations

import time
import warnings
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from fanout._platform import check_machine
from fanout.coordinator.coordinator import Coordinator
from fanout.errors import ClosedError, ForkedError, MessageTooLarge
from fanout.options import make_options
from fanout.questions import Watcher
from fanout.send.attempt import Attempt, Encoder
from fanout.send.batch import Batch
from fanout.send.path import CLOSED, FORKED, NO_SPACE
from fanout.send.verbs import Verbs, no_room
from fanout.send.wire import COPY_ONCE_BYTES, PAYLOAD_HEADERS, as_topic, check_timeout
from fanout.shm.layout import MESSAGE_SHARE
from fanout.transport.endpoints import parse_endpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from fanout.events import Event
    from fanout.send.wire import Bytes, TopicLike
    from fanout.statistics import PublisherStatistics, SubscriberStatistics, Undelivered


class Publisher(Verbs[int]):
    """Publishes messages to ZeroMQ SUB sockets through a pool of worker processes.

    Every method may be called from any thread. Messages are delivered in the order of their
    sequence numbers, which is the order of their commits.

    Args:
        endpoint: what to listen on, as with libzmq ("tcp://*:5556", "tcp://127.0.0.1:*",
            "ipc:///run/feed"), one or several; None = nothing yet, `bind()` later.
        on_event: called with every `Event`, on the coordinator's thread: return quickly. What it
            raises is logged.
        options: see `fanout.options.Options`.

    Raises:
        TypeError: an argument is of a wrong type, or there is no such option.
        ConfigError: an option or an endpoint cannot work.
        BindError: an endpoint could not be bound.
        StartupError: no memory for the log, or the workers do not start.
        After any of them nothing is left running.
    """

    def __init__(
        self,
        endpoint: str | Iterable[str] | None = None,
        *,
        on_event: Callable[[Event], None] | None = None,
        **options: Any,
    ) -> None:
        check_machine()
        self.options = make_options(options)
        check_callback(on_event)
        endpoints = _endpoints(endpoint)
        for each in endpoints:
            parse_endpoint(each)  # before anything is started
        self._coordinator = Coordinator(self.options, on_event)
        try:
            self._path = self._coordinator.send_path
            entries = self._coordinator.segment.layout.entries
            limit = self.options.max_message_bytes
            self._encoder = Encoder(self._path, limit, entries // MESSAGE_SHARE)
            self._watcher = Watcher(self._coordinator)
            self._coordinator.start()
            for each in endpoints:
                self.bind(each)
            self._finalizer = weakref.finalize(
                self, self._coordinator.close, self.options.drain_timeout
            )
        except BaseException:
            self._coordinator.close(0.0)
            raise

    def __repr__(self) -> str:
        state = "closed" if self.closed else ", ".join(self.endpoints) or "not bound"
        return f"<fanout.Publisher {state}>"

    def __del__(self, _warn: Any = warnings.warn, _ended: Any = (CLOSED, FORKED)) -> None:
        # Defaults: at the interpreter's exit the names of this module may be gone before us.
        if hasattr(self, "_finalizer") and self._path.state not in _ended:
            _warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)

    # Sending.

    def publish(self, topic: TopicLike, payload: Bytes, *, timeout: float | None = None) -> int:
        """Publish a message of two frames, topic and payload.

        It costs the same for any number of subscribers and waits for none of them, unless
        `slow_policy="block"`.

        Args:
            topic: what subscribers match by prefix; `str` is encoded as UTF-8.
            payload: copied before this returns.
            timeout: seconds to wait for room in the log; None = as long as it takes, which ends
                when the slowest subscriber has been evicted (`send_timeout`).

        Returns:
            Its sequence number: 0 for the first message, then one more for each.

        Raises:
            TypeError: an argument is of a wrong type; the text names it. Nothing was sent.
            MessageTooLarge, Again, ClosedError, BrokenError, PoisonedError: nothing was sent.
            Anything that interrupts from outside (KeyboardInterrupt): sent whole or not at all.
        """
        path = self._path
        if type(topic) is bytes and type(payload) is bytes:
            known = path.topics.young.get(topic)
            size = len(payload)
            if known is not None and size < COPY_ONCE_BYTES:
                wire = known.head + PAYLOAD_HEADERS[size] + payload
                if len(wire) <= self._encoder.limit:
                    sequence = path.append(wire, known)
                    if sequence != NO_SPACE:
                        return sequence
        return self._send(self._encoder.two_frames(topic, payload), timeout)

    def batch(self, *, timeout: float | None = None) -> Batch:
        """A batch for a `with` block: its messages are committed together when the block ends.

        Args:
            timeout: seconds to wait for room in the log, as in `publish()`.
        """
        return Batch(self._encoder, lambda attempt: self._send(attempt, timeout))

    # Endpoints.

    def bind(self, endpoint: str) -> str:
        """Listen on one more endpoint; returns it as it is bound, with the real port.

        Raises:
            ConfigError, BindError: nothing has changed.
        """
        self._check_open()
        return self._coordinator.reception.bind(endpoint)

    def unbind(self, endpoint: str) -> None:
        """Stop listening on an endpoint, named as in `endpoints`; its subscribers stay.

        Raises:
            ConfigError: it is not bound.
        """
        self._check_open()
        self._coordinator.call(lambda: self._coordinator.reception.unbind(endpoint))

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The bound endpoints with their real ports, in the order of binding."""
        return self._coordinator.reception.endpoints

    # Queries.

    def wait_for_subscribers(
        self, count: int, topic: TopicLike | None = None, timeout: float | None = None
    ) -> None:
        """Wait until a message would reach at least so many subscribers.

        What is published after this has returned reaches all of them.

        Args:
            topic: of that message; None = subscribers with any subscription at all.
            timeout: seconds; None = for ever.

        Raises:
            TimeoutError: there were not so many in time; the text says how many there were.
            ClosedError: the publisher was closed meanwhile.
        """
        name = None if topic is None else as_topic(topic)
        self._watcher.wait_for_subscribers(count, name, timeout)

    def has_subscribers(self, topic: TopicLike | None = None) -> bool:
        """Whether a message on this topic would reach any subscriber now."""
        name = None if topic is None else as_topic(topic)
        self._check_open()
        return self._coordinator.interest.count(name) > 0

    def subscribers(self) -> tuple[SubscriberStatistics, ...]:
        """Exact figures of every connected subscriber, in the order of their ids."""
        self._check_open()
        return self._watcher.subscribers()

    def statistics(self) -> PublisherStatistics:
        """Totals of the publisher."""
        self._check_open()
        return self._watcher.statistics()

    @property
    def poisoned(self) -> bool:
        """Whether an interrupted send must be rolled back by `recover()` before the next."""
        return self._path.poisoned

    def recover(self) -> None:
        """Roll back to the last commit after a PoisonedError; harmless if not poisoned.

        Raises:
            PoisonedError: the log itself is damaged; close the publisher.
        """
        self._path.recover()

    # The end.

    @property
    def closed(self) -> bool:
        """Whether `close()` or `stop()` was called."""
        return self._path.state == CLOSED

    def drain(self, timeout: float | None = None) -> tuple[Undelivered, ...]:
        """Wait until everything published so far has been handed to the kernel.

        Args:
            timeout: seconds; None = `drain_timeout`.

        Returns:
            What was not, for each subscriber; empty if all of it was.
        """
        check_timeout(timeout)
        self._check_open()
        return self._watcher.drain(self.options.drain_timeout if timeout is None else timeout)

    def close(self, timeout: float | None = None) -> tuple[Undelivered, ...]:
        """Stop accepting, deliver what is queued, end all connections and workers. Idempotent.

        Args:
            timeout: seconds that delivery may take; None = `drain_timeout`.

        Returns:
            What was not delivered, for each subscriber; empty if everything was.
        """
        check_timeout(timeout)
        if self._path.state == FORKED:
            return ()
        seconds = self.options.drain_timeout if timeout is None else timeout
        undelivered = self._watcher.close(max(0.0, seconds))
        self._finalizer.detach()
        return undelivered

    def stop(self) -> tuple[Undelivered, ...]:
        """End at once; returns what was not delivered. Idempotent."""
        return self.close(0.0)

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # Inside.

    def _encoding(self) -> Encoder:
        return self._encoder

    def _send(self, attempt: Attempt, timeout: float | None) -> int:
        check_timeout(timeout)
        sequence = attempt.append()
        if sequence != NO_SPACE:
            return sequence
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            if self._path.make_room(attempt.size, attempt.count):
                sequence = attempt.append()
                if sequence != NO_SPACE:
                    return sequence
            remaining = 1.0 if deadline is None else deadline - time.monotonic()
            if remaining <= 0:
                raise no_room(timeout)
            self._path.wait_for_room(remaining)

    def _check_open(self) -> None:
        if self._path.state == FORKED:
            raise ForkedError("this publisher belongs to the parent of this forked process")
        if self.closed:
            raise ClosedError("the publisher is closed")


def _endpoints(endpoint: Any) -> tuple[str, ...]:
    if endpoint is None:
        return ()
    if isinstance(endpoint, str):
        return (endpoint,)
    if isinstance(endpoint, bytes) or not isinstance(endpoint, Iterable):
        kind = type(endpoint).__name__
        raise TypeError(f"endpoint must be a str, or several of them in a list, not {kind}")
    return tuple(endpoint)


def check_callback(on_event: object) -> None:
    """Refuse an `on_event` that cannot be called.

    Raises:
        TypeError: it is neither None nor callable.
    """
    if on_event is not None and not callable(on_event):
        raise TypeError(f"on_event must be callable, not {type(on_event).__name__}")


__all__ = ["MessageTooLarge", "Publisher"]
