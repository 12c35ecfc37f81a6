"""The subscriber for asyncio: the same verbs, awaitable where they can wait.

There is no thread: the loop reads, when a socket has something, and puts what came into the inbox.
Who receives waits for a bare future, which carries no message: it is taken from the inbox when the
task runs again, with no await in between. So whenever a task is cancelled, what it would have got
is still there.
"""

from __future__ import annotations

import asyncio
import random
import time
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, Unpack

from fanout.basics.loop_executor import begin
from fanout.errors import ClosedError
from fanout.subscriber.backoff import BackOff
from fanout.subscriber.connections import Connections, addresses_of
from fanout.subscriber.core import Core
from fanout.subscriber.inbox import Inbox
from fanout.subscriber.reading import hold_back, statistics_of
from fanout.subscriber.refusals import NotASubSocket
from fanout.subscriber.settings import settings_of
from fanout.subscriber.since import later_since
from fanout.terms.arguments import as_timeout, as_topic

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Iterable, Iterator
    from types import TracebackType

    from fanout.subscriber.arguments import SubscriberArguments
    from fanout.subscriber.events import ReceiverStatistics
    from fanout.subscriber.message import Message
    from fanout.subscriber.plug import Address
    from fanout.subscriber.since import Position
    from fanout.terms.arguments import TopicLike

READ_BYTES = 64 * 1024  # parsed in one callback: half a millisecond in which the loop does no other
MANY = 1000  # messages that `recv_many` returns if it is not told

_AWAITED = "this subscriber is for asyncio: use it in `async with`, or await Subscriber.start()"


class Subscriber(NotASubSocket):
    """As `fanout.Subscriber`; belongs to the event loop that starts it, and has no thread.

    It is started by `async with Subscriber(...)` or by `await Subscriber.start(...)`; the
    constructor only checks its arguments, which are those of the blocking one. `on_event` is called
    on the loop. Methods are called on that loop alone. Cancelled anywhere, no message is lost.
    """

    __slots__ = (
        *("__weakref__", "_connections", "_core", "_failure", "_inbox", "_is_closed", "_loop"),
        *("_tell", "_timer", "_waiters"),
    )

    def __init__(
        self,
        endpoint: str | Iterable[str],
        topics: TopicLike | Iterable[TopicLike] = b"",
        **keywords: Unpack[SubscriberArguments],
    ) -> None:
        settings = settings_of(endpoint, topics, keywords)
        self._tell = settings.tell
        self._core = Core(
            [BackOff(random.random) for _ in settings.endpoints],
            settings.topics,
            since=settings.since,
            last=settings.last,
            mechanisms=settings.mechanisms,
            max_message_bytes=settings.max_message_bytes,
            identity=settings.identity,
        )
        self._inbox = Inbox(settings.queue_bytes, settings.queue_policy)
        self._inbox.on_room = self._on_room
        self._connections = Connections(
            *(self._core, settings.endpoints, self),
            on_event=self._tell,
            read_bytes=READ_BYTES,
            wrappings=settings.wrappings,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiters: set[asyncio.Future[None]] = set()
        self._failure: BaseException | None = None
        self._is_closed = False

    def __repr__(self) -> str:
        condition = "closed" if self._is_closed else f"with {len(self._inbox.messages)} queued"
        return f"<fanout.asyncio.Subscriber {condition}>"

    def __del__(self) -> None:
        if getattr(self, "_loop", None) is not None and not self._is_closed:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=2)

    @classmethod
    async def start(
        cls,
        endpoint: str | Iterable[str],
        topics: TopicLike | Iterable[TopicLike] = b"",
        **keywords: Unpack[SubscriberArguments],
    ) -> Subscriber:
        """A subscriber that is started; `close()` it."""
        subscriber = cls(endpoint, topics, **keywords)
        subscriber._start()
        return subscriber

    # Receiving.

    async def recv(self, timeout: float | None = None) -> Message:
        """The next message; see `fanout.Subscriber.recv()`."""
        inbox = self._inbox
        if timeout is not None:
            timeout = as_timeout(timeout)
        if not inbox.messages:
            await self._until_some(timeout)
        message = inbox.pop()
        if inbox.is_stalled:
            inbox.taken()
        return message

    async def recv_many(self, limit: int = MANY, timeout: float | None = None) -> list[Message]:
        """The next messages; see `fanout.Subscriber.recv_many()`."""
        if limit < 1:
            raise ValueError(f"limit must be 1 or more, not {limit}")
        inbox = self._inbox
        if timeout is not None:
            timeout = as_timeout(timeout)
        if not inbox.messages:
            await self._until_some(timeout)
        messages = [inbox.pop() for _ in range(min(limit, len(inbox.messages)))]
        if inbox.is_stalled:
            inbox.taken()
        return messages

    async def poll(self, timeout: float | None = None) -> bool:
        """Wait until a message can be taken; see `fanout.Subscriber.poll()`."""
        timeout = as_timeout(timeout)
        try:
            await self._until_some(timeout)
        except TimeoutError:
            return False
        return True

    async def __aiter__(self) -> AsyncIterator[Message]:
        """The messages as they come, until it is closed."""
        while True:
            try:
                message = await self.recv()
            except ClosedError as error:
                if error.__cause__ is None:
                    return
                raise
            yield message

    # Subscriptions.

    def subscribe(self, topic: TopicLike, *, since: str | Position | None = None) -> None:
        """Want messages whose topic begins with this, too; see `fanout.Subscriber.subscribe()`."""
        prefix, start = as_topic(topic), later_since(since, one_line=self._core.is_one_line)
        self._check()
        self._core.check_room(prefix)
        self._core.subscribe(prefix, start)
        self._turn()

    def unsubscribe(self, topic: TopicLike) -> None:
        """Take a subscription back; see `fanout.Subscriber.unsubscribe()`."""
        prefix = as_topic(topic)
        self._check()
        self._core.unsubscribe(prefix)
        self._turn()

    # The rest.

    def statistics(self) -> ReceiverStatistics:
        """Counters since it was made; also when it is closed."""
        return statistics_of(self._core, self._inbox)

    @property
    def closed(self) -> bool:
        """Whether nothing can come any more."""
        return self._is_closed

    async def close(self) -> None:
        """End the connections; what is queued is gone. Does not wait for anything. Idempotent."""
        self._end()

    async def __aenter__(self) -> Subscriber:
        self._start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    if not TYPE_CHECKING:  # type checkers refuse it by themselves

        def __enter__(self) -> NoReturn:
            raise TypeError(_AWAITED)

        __exit__ = __enter__

    # Inside.

    def _start(self) -> None:
        if self._is_closed or self._loop is not None:
            raise ClosedError("a subscriber is started once: make a new one")
        self._loop = asyncio.get_running_loop()
        self._turn()

    def _check(self) -> None:
        if self._is_closed:
            text = "the subscriber is closed"
            raise ClosedError(f"{text}: {self._failure}" if self._failure else text) from (
                self._failure
            )
        if self._loop is None:
            raise ClosedError(_AWAITED)

    async def _until_some(self, timeout: float | None) -> None:
        """Wait until there is a message; the task that waited runs on when there is one.

        Raises:
            TimeoutError: none has come in time.
        """
        timer = asyncio.timeout(timeout)
        try:
            async with timer:
                await self._until_told()
        except TimeoutError:
            if timer.expired():
                raise self._tell.late() from None
            raise
        self._check()

    async def _until_told(self) -> None:
        while not self._inbox.messages:
            self._check()
            assert self._loop is not None  # it is started
            future: asyncio.Future[None] = self._loop.create_future()
            self._waiters.add(future)
            try:
                await future
            finally:
                self._waiters.discard(future)

    def _notify(self) -> None:
        for future in self._waiters:
            if not future.done():
                future.set_result(None)

    def _end(self) -> None:
        self._is_closed = True
        self._stop_timer()
        self._connections.close()
        self._inbox.messages.clear()
        self._notify()

    def _turn(self) -> None:
        """Do what is due, and be called again when more is."""
        if self._is_closed or self._loop is None:
            return
        now = time.monotonic()
        with self._guarded():
            before = self._core.taken_bytes
            self._put(self._connections.turn(now), before)
            hold_back(self._inbox, self._connections, self._tell)
        self._stop_timer()
        if self.closed:
            return
        due = None if self._connections.paused else self._core.next_at()
        if due is not None:
            self._timer = self._loop.call_later(max(due - now, 0), self._turn)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """What fails in a callback of the loop nobody would see: those who receive are to."""
        try:
            yield
        except Exception as error:
            self._failure = error
            self._end()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_room(self) -> None:
        if self._loop is not None:
            self._loop.call_soon(self._turn)

    def _on_readable(self, number: int) -> None:
        with self._guarded():
            before = self._core.taken_bytes
            self._put(self._connections.readable(number, time.monotonic()), before)
        self._turn()

    def _put(self, messages: list[Message], before: int) -> None:
        if messages:
            self._inbox.put(messages, self._core.taken_bytes - before)
            self._notify()

    def _on_writable(self, number: int) -> None:
        with self._guarded():
            self._connections.writable(number, time.monotonic())
        self._turn()

    # What `Connections` wants of its watcher.

    def watch(self, sock: socket.socket, number: int, *, read: bool, write: bool) -> None:
        loop = self._loop
        assert loop is not None  # it is started
        if read:
            loop.add_reader(sock, self._on_readable, number)
        else:
            loop.remove_reader(sock)
        if write:
            loop.add_writer(sock, self._on_writable, number)
        else:
            loop.remove_writer(sock)

    def forget(self, sock: socket.socket) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)

    def resolve(self, number: int, host: str, port: int) -> None:
        def done(found: asyncio.Future[list[Address]]) -> None:
            now = time.monotonic()
            if self._is_closed or found.cancelled():
                return
            error = found.exception()
            with self._guarded():
                if error is None:
                    self._connections.connect(number, found.result(), now)
                else:
                    problem = getattr(error, "strerror", None) or str(error)
                    self._connections.failed(number, problem, now)
            self._turn()

        begin(lambda: addresses_of(host, port)).add_done_callback(done)
