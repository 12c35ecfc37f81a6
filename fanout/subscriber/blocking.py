"""Subscriber: the class that users hold."""

from __future__ import annotations

import os
import warnings
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, Unpack

from fanout.errors import ClosedError
from fanout.subscriber.reading import Reading
from fanout.subscriber.refusals import NotASubSocket
from fanout.subscriber.settings import settings_of
from fanout.subscriber.since import later_since
from fanout.terms.arguments import as_timeout, as_topic
from fanout.terms.awaiting import SUBSCRIBER, FirstCall, refuse_await

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from fanout.subscriber.arguments import SubscriberArguments
    from fanout.subscriber.events import ReceiverStatistics
    from fanout.subscriber.message import Message
    from fanout.subscriber.since import Position
    from fanout.terms.arguments import TopicLike

MANY = 1000  # messages that `recv_many` returns if it is not told: a millisecond of work for most

_readings: weakref.WeakSet[Reading] = weakref.WeakSet()


def _leave_all() -> None:
    for reading in list(_readings):
        reading.leave()


os.register_at_fork(after_in_child=_leave_all)

_BLOCKING = (
    "this subscriber blocks, and nothing of it is awaited: use `with`, or "
    "fanout.asyncio.Subscriber in `async with`"
)


class _FirstPop(FirstCall):
    """Takes nothing, as from an empty inbox: then what is there is waited for, and is there."""

    def __call__(self, *_given: object) -> Message:
        self.look()
        raise IndexError


class Subscriber(NotASubSocket):
    """Receives messages of a publisher, and connects again whenever the connection is lost.

    It works with every ZeroMQ PUB or XPUB socket. One of fanout's sends it what it has missed while
    it was not connected, and tells it what is missing for good: see `Message.gap`. A thread of its
    own reads; every method may be called from any other.

    Args:
        endpoint: where to connect to, "tcp://10.0.0.7:5556", "tls://feed.example:5556" or
            "ipc:///run/feed", or several: then messages of all are received. Those that lead to one
            publisher with numbers are one stream: each message comes once, and what one connection
            loses the others bring.
        topics: prefixes of the topics to subscribe to, one or several; `str` is encoded as UTF-8.
            b"" is everything.
        since: from where on it wants what was published before it came: "-10s", "-1000", or the
            position of the last message that it has, (epoch, sequence) or "EPOCH:SEQUENCE".
        last: whether it wants the last message of each topic first, of a publisher that keeps them
            (`last_values`). Of several endpoints that lead to one publisher one brings them; with
            `identity`, or from several without numbers, it gets none.
        on_event: called with every `ReceiverEvent`, on the thread that reads: it must be quick.
            What it raises is logged.
        queue_bytes: what may wait for the program, each message with 176 bytes more; a size such
            as "64M" may be given as text.
        queue_policy: what happens when so much waits. "block" reads no more, so that the publisher
            does what its own policy says; "drop_oldest", "drop_newest" and "conflate" lose
            messages here, and say so by the `gap` of the next; "disconnect" connects again when
            half of it is taken.
        max_message_bytes: of one message, 64 added for each frame; a larger one is passed over, and
            told by a gap with the reason `too large`.
        identity: with endpoints of several publishers that send the same: called with each message,
            on the thread that reads, and returns its place in the order of all, or None if it has
            none. A message that is not above the last one is dropped, and counted as a double.
        security: who it says that it is, `fanout.auth.PlainClient` or `CurveClient`; None = nobody.
            For several endpoints also a mapping that has each of them.
        tls: for `tls://`, whom it trusts, and which certificate it shows: `fanout.auth.TlsClient`,
            or such a mapping; None = whom this machine trusts, and none.

    Raises:
        TypeError, ConfigError: an argument cannot work; nothing was started.
    """

    __slots__ = ("__weakref__", "_inbox", "_pop", "_reading")

    def __init__(
        self,
        endpoint: str | Iterable[str],
        topics: TopicLike | Iterable[TopicLike] = b"",
        **keywords: Unpack[SubscriberArguments],
    ) -> None:
        self._reading = Reading(settings_of(endpoint, topics, keywords))
        _readings.add(self._reading)
        self._inbox = self._reading.inbox
        self._pop: Callable[[], Message] = _FirstPop(
            weakref.ref(self), "_pop", self._inbox.pop, SUBSCRIBER
        )

    def __repr__(self) -> str:
        condition = "closed" if self.closed else f"with {len(self._inbox.messages)} queued"
        return f"<fanout.Subscriber {condition}>"

    def __del__(self) -> None:
        if hasattr(self, "_reading") and not self._reading.is_closed:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=2)
            self._reading.end()

    # Receiving.

    def recv(self, timeout: float | None = None) -> Message:
        """The next message; waits for it.

        Args:
            timeout: seconds, 0 or more; None = as long as it takes.

        Raises:
            TimeoutError: none has come in time.
            ClosedError, ForkedError: none can come any more.
            TypeError, ValueError: `timeout` is no time to wait.
        """
        if timeout is not None:
            timeout = as_timeout(timeout)
        message = None
        try:
            try:
                message = self._pop()
            except IndexError:
                message = None  # and nothing that is raised below is told as what came of this
            if message is None:
                message = self._reading.wait(timeout)
            if self._inbox.is_stalled:
                self._inbox.taken()
            return message
        except BaseException:  # an interrupt: nobody will see what was taken
            if message is not None:
                self._inbox.put_back([message])
            raise

    def recv_many(self, limit: int = MANY, timeout: float | None = None) -> list[Message]:
        """The next messages, as many as are there, but not more than `limit`; waits for one.

        Raises: as `recv()`.
        """
        if limit < 1:
            raise ValueError(f"limit must be 1 or more, not {limit}")
        pop = self._inbox.pop
        messages: list[Message] = []
        try:
            messages.append(self.recv(timeout))
            with suppress(IndexError):  # another thread has taken them
                for _ in range(min(limit - 1, len(self._inbox.messages))):
                    messages.append(pop())  # noqa: PERF401  # those before are kept
            if self._inbox.is_stalled:
                self._inbox.taken()
            return messages
        except BaseException:  # an interrupt: nobody will see what was taken
            self._inbox.put_back(messages)
            raise

    def poll(self, timeout: float | None = None) -> bool:
        """Wait until a message can be taken without waiting; False if none has come in time.

        Raises:
            ClosedError, ForkedError: none can come any more.
            TypeError, ValueError: `timeout` is no time to wait.
        """
        refuse_await(SUBSCRIBER)
        return self._reading.wait_for_some(as_timeout(timeout))

    def __iter__(self) -> Iterator[Message]:
        """The messages as they come, until it is closed."""
        inbox, pop = self._inbox, self._inbox.pop
        while True:
            try:
                yield pop()  # with nothing in between, in which it might be lost by an interrupt
            except IndexError:
                try:
                    yield self._reading.wait(None)
                except ClosedError as error:
                    if type(error) is ClosedError and error.__cause__ is None:
                        return  # somebody has closed it
                    raise
            if inbox.is_stalled:
                inbox.taken()

    # Subscriptions.

    def subscribe(self, topic: TopicLike, *, since: str | Position | None = None) -> None:
        """Want messages whose topic begins with this, too; no effect if they are wanted.

        Args:
            since: from where on it wants those that were published before, as in the constructor:
                they come once, in order, before what is published; what other subscriptions cover
                does not come again.

        Raises:
            TypeError: it is no topic, or `since` no place to begin.
            ConfigError: `since` says nothing, or cannot be had over several endpoints; or there are
                a million topics, or as many changes that are not made yet.
            ClosedError, ForkedError: nothing has changed, whatever was raised.
        """
        prefix, start = as_topic(topic), later_since(since, one_line=self._reading.is_one_line)
        self._reading.subscribe(prefix, start)

    def unsubscribe(self, topic: TopicLike) -> None:
        """Take a subscription back; no effect if there is none. What is queued stays.

        Raises: as `subscribe()`.
        """
        self._reading.unsubscribe(as_topic(topic))

    # The rest.

    def statistics(self) -> ReceiverStatistics:
        """Counters since it was made; also when it is closed."""
        return self._reading.statistics()

    @property
    def closed(self) -> bool:
        """Whether nothing can come any more."""
        return self._reading.is_closed

    def close(self) -> None:
        """End the connections; what is queued is gone. Idempotent."""
        refuse_await(SUBSCRIBER)
        self._reading.close()

    def __enter__(self) -> Subscriber:
        self._reading.check()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    if not TYPE_CHECKING:  # type checkers refuse it by themselves

        async def __aenter__(self) -> NoReturn:
            raise TypeError(_BLOCKING)

        __aexit__ = __aenter__
