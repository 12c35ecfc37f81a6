"""The publisher for asyncio: the same verbs, awaitable where they can wait.

Sending normally completes without suspending. Only without room in the log (`slow_policy="block"`)
a task waits, for the doorbell that the workers ring; tasks that wait are served in their order.
Whatever else may take a while (starting, binding, statistics, closing) runs in the loop's executor.

Every method is cancel-safe: cancelled at any await, a message was sent whole or not at all, what
was being started or bound is undone, and a close becomes a stop. What has to be undone is waited
for before the cancellation goes on.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, Unpack

from fanout import engine as engines
from fanout.arguments import as_timeout, as_topic_or_any, check_callback
from fanout.errors import ClosedError
from fanout.loop_callback import LoopCallback
from fanout.send.attempt import NO_SPACE, attempt_message
from fanout.send.batch import Messages
from fanout.send.path import ROOM_POLL
from fanout.send.verbs import Verbs, no_room

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from types import TracebackType

    from fanout.arguments import TopicLike
    from fanout.engine import Engine
    from fanout.events import Event
    from fanout.option_arguments import OptionArguments
    from fanout.options import Options
    from fanout.send.attempt import Attempt
    from fanout.send.batch import BatchRules
    from fanout.send.topics import Topic
    from fanout.send.wire import Encoder, Wire
    from fanout.statistics import PublisherStatistics, SubscriberStatistics, Undelivered

T = TypeVar("T")

_AWAITED = "this publisher is for asyncio: use it in `async with`, or await Publisher.start()"


class Publisher(Verbs[Coroutine[Any, Any, int]]):
    """As `fanout.Publisher`; belongs to the event loop that starts it.

    It is started by `async with Publisher(...)` or by `await Publisher.start(...)`, which take the
    same arguments; the constructor itself does nothing. `on_event` is called on the loop: it must
    not block, and while the loop is busy, events wait as for any other slow callback. What the
    blocking publisher raises when it is made is raised by the start. Methods take, return and raise
    what those of the blocking publisher do, and are called on that loop alone.
    """

    def __init__(
        self,
        endpoint: str | Iterable[str] | None = None,
        *,
        on_event: Callable[[Event], None] | None = None,
        options: Options | None = None,
        **keywords: Unpack[OptionArguments],
    ) -> None:
        self._engine: Engine | None = None
        self._endpoint = endpoint
        self._on_event = on_event
        self._options = options
        self._keywords = keywords
        self._is_started = False
        self._turn = asyncio.Lock()  # of the tasks that wait for room

    def __repr__(self) -> str:
        condition = "not started" if self._engine is None else self._engine.condition
        return f"<fanout.asyncio.Publisher {condition}>"

    def __del__(self) -> None:
        if self._engine is not None:
            self._engine.warn_if_unclosed(self)

    @classmethod
    async def start(
        cls,
        endpoint: str | Iterable[str] | None = None,
        *,
        on_event: Callable[[Event], None] | None = None,
        options: Options | None = None,
        **keywords: Unpack[OptionArguments],
    ) -> Publisher:
        """A publisher that is started; `close()` it."""
        publisher = cls(endpoint, on_event=on_event, options=options, **keywords)
        await publisher._start()
        return publisher

    async def __aenter__(self) -> Publisher:
        await self._start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def batch(self, *, timeout: float | None = None) -> Batch:
        """A batch for an `async with` block, committed when the block ends."""
        as_timeout(timeout)  # before anything is added to it
        return Batch(self._running().batches, lambda attempt: self._attempt(attempt, timeout))

    # Endpoints.

    async def bind(self, endpoint: str) -> str:
        """Listen on one more endpoint; returns it as it is bound."""
        engine = self._running()
        return await _in_thread(lambda: engine.bind(endpoint), undo=engine.unbind)

    async def unbind(self, endpoint: str) -> None:
        """Stop listening on an endpoint; its subscribers stay. Once begun it is done."""
        engine = self._running()
        await _in_thread(lambda: engine.unbind(endpoint))

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The bound endpoints with their real ports."""
        return self._running().endpoints

    # Queries.

    async def wait_for_subscribers(
        self, count: int, topic: TopicLike | None = None, timeout: float | None = None
    ) -> None:
        """Wait until a message would reach so many; see `fanout.Publisher`."""
        name = as_topic_or_any(topic)
        for pause in self._running().questions.pauses_until(count, name, timeout):
            await asyncio.sleep(pause)

    def has_subscribers(self, topic: TopicLike | None = None) -> bool:
        """Whether a message on this topic would reach any subscriber now."""
        name = as_topic_or_any(topic)
        engine = self._running()
        engine.gate.check_use()
        return engine.interest.count(name) > 0

    async def subscribers(self) -> tuple[SubscriberStatistics, ...]:
        """Exact figures of every connected subscriber."""
        return await _in_thread(self._running().questions.subscribers)

    async def statistics(self) -> PublisherStatistics:
        """Totals of the publisher."""
        return await _in_thread(self._running().questions.statistics)

    @property
    def poisoned(self) -> bool:
        """Whether an interrupted send must be rolled back by `recover()` before the next."""
        return self._running().path.poisoned

    async def recover(self) -> None:
        """Roll back to the last commit after a PoisonedError."""
        await _in_thread(self._running().path.recover)

    # The end.

    @property
    def closed(self) -> bool:
        """Whether `close()` or `stop()` was called."""
        return self._engine is not None and self._engine.gate.closed

    async def drain(self, timeout: float | None = None) -> tuple[Undelivered, ...]:
        """Wait until everything published so far has been handed to the kernel."""
        engine = self._running()
        questions = engine.questions
        target = engine.path.log.head
        for pause in questions.pauses_until_drained(target, engine.seconds(timeout)):
            await asyncio.sleep(pause)
        return await _in_thread(lambda: questions.undelivered(target))

    async def close(self, timeout: float | None = None) -> tuple[Undelivered, ...]:
        """Deliver what is queued and end; cancelled, it ends at once. Idempotent."""
        engine = self._engine
        if engine is None:
            return ()
        closing = asyncio.get_running_loop().run_in_executor(None, engine.close, timeout)
        try:
            return await asyncio.shield(closing)
        except asyncio.CancelledError:
            await _outlast(_in_thread(lambda: engine.close(0.0)))
            raise

    async def stop(self) -> tuple[Undelivered, ...]:
        """End at once; returns what was not delivered. Idempotent."""
        return await self.close(0.0)

    if not TYPE_CHECKING:  # type checkers refuse it by themselves

        def __enter__(self) -> NoReturn:
            raise TypeError(_AWAITED)

        __exit__ = __enter__

    # Inside.

    async def _start(self) -> None:
        if self._is_started:
            raise RuntimeError("this publisher was started before; make a new one")
        self._is_started = True
        check_callback(self._on_event)
        on_event = self._on_event
        if on_event is not None:
            on_event = LoopCallback(on_event, asyncio.get_running_loop())
        self._engine = await _in_thread(
            lambda: engines.start(self._endpoint, on_event, self._keywords, self._options),
            undo=lambda engine: engine.close(0.0),
        )

    def _running(self) -> Engine:
        if self._engine is None:
            raise ClosedError(
                "this publisher is not started: use it in `async with`, or "
                "make it by `await Publisher.start(...)`"
            )
        return self._engine

    def _encoding(self) -> Encoder:
        return self._running().encoder

    async def _send(self, message: tuple[Wire, Topic], timeout: float | None) -> int:
        return await self._attempt(attempt_message(self._running().path, *message), timeout)

    async def _attempt(self, attempt: Attempt, timeout: float | None) -> int:
        seconds = as_timeout(timeout)
        if not self._turn.locked():  # else others have waited for longer
            sequence = attempt.append()
            if sequence != NO_SPACE:
                return sequence
        waiting = asyncio.timeout(seconds)
        try:
            async with waiting:
                return await self._send_in_turn(attempt)
        except TimeoutError:
            if waiting.expired():
                raise no_room(timeout) from None
            raise

    async def _send_in_turn(self, attempt: Attempt) -> int:
        path = self._running().path
        async with self._turn:
            while True:
                # Nothing suspends between a commit and the return: a task is told of either.
                if path.make_room(attempt.size, attempt.count):
                    sequence = attempt.append()
                    if sequence != NO_SPACE:
                        return sequence
                await self._wait_for_room()

    async def _wait_for_room(self) -> None:
        """Wait for the room doorbell, for at most ROOM_POLL seconds."""
        loop = asyncio.get_running_loop()
        room = self._running().path.room
        woken = loop.create_future()

        def wake() -> None:
            if not woken.done():
                woken.set_result(None)

        timer = loop.call_later(ROOM_POLL, wake)
        descriptor = -1  # one of our own: the publisher may close the doorbell meanwhile
        try:
            with suppress(OSError):  # none left: then the timer alone
                descriptor = room.duplicate()
            if descriptor >= 0:
                loop.add_reader(descriptor, wake)
            await woken
        finally:
            timer.cancel()
            if descriptor >= 0:
                loop.remove_reader(descriptor)
                os.close(descriptor)
        room.clear()


class Batch(Messages):
    """Messages that are published together when the `async with` block ends, or not at all.

    Leaving the block by an exception, a cancellation too, publishes none of them. A batch is for
    one block: outside of it every call raises a RuntimeError.
    """

    def __init__(self, rules: BatchRules, commit: Callable[[Attempt], Awaitable[int]]) -> None:
        super().__init__(rules)
        self._commit = commit

    async def __aenter__(self) -> Batch:
        self._begin()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._end()
            return
        attempt = self._attempt()
        if attempt is not None:
            self.sequence = await self._commit(attempt)

    if not TYPE_CHECKING:  # type checkers refuse it by themselves

        def __enter__(self) -> NoReturn:
            raise TypeError("this batch is for asyncio: use `async with`")

        __exit__ = __enter__


async def _in_thread(work: Callable[[], T], undo: Callable[[T], object] | None = None) -> T:
    """Run `work` in the executor; cancelled, its result is undone before this returns."""
    future = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        if undo is not None:
            await _outlast(_undo(future, undo))
        raise
    finally:
        del future  # a traceback must not keep what it holds


async def _undo(future: asyncio.Future[T], undo: Callable[[T], object]) -> None:
    await asyncio.wait({future})
    if not future.cancelled() and future.exception() is None:
        await _in_thread(lambda: undo(future.result()))


async def _outlast(work: Coroutine[Any, Any, object]) -> None:
    """Wait for `work` to end, however often the waiting is cancelled; its errors are dropped."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # looked at: the loop need not complain


__all__ = ["Batch", "Publisher"]
