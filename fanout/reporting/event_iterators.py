"""What users iterate over: the events of a publisher, as they come, blocking or awaited."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from fanout.events import Event
from fanout.reporting.event_queue import Empty, no_event

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from types import TracebackType

    from fanout.reporting.event_queue import EventQueue


class _Reader:
    """Who reads a queue of events.

    Args:
        queue: of its own.
        timeout: seconds to wait for each; None = for ever.
        check: raises why there is nothing to wait for in this process.
    """

    __slots__ = ("__weakref__", "_check", "_queue", "_timeout")

    def __init__(self, queue: EventQueue, timeout: float | None, check: Callable[[], None]) -> None:
        self._queue = queue
        self._timeout = timeout
        self._check = check


class Events(_Reader):
    """The events from the moment it was made, each once, in their order; for any thread.

    It ends when the publisher has been closed, after the last events, or by `close()`, which a
    `with` block does. Of several threads that read the same one, each event goes to one.
    """

    __slots__ = ()

    def __iter__(self) -> Events:
        return self

    def __next__(self) -> Event:
        """Wait for the next event.

        Raises:
            StopIteration: there are no more.
            TimeoutError: none has come in time; nothing is lost, and it may be called again.
            ForkedError: the publisher belongs to the parent of this process.
        """
        self._check()
        event = self._queue.take(self._timeout)
        if event is None:
            raise StopIteration
        return _event(event)

    def close(self) -> None:
        """End it: who waits for an event is told that there are no more. Idempotent."""
        self._queue.close()

    def __enter__(self) -> Events:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AwaitedEvents(_Reader):
    """As `Events`, for `async for`; on the loop where it is awaited.

    An event is taken in the step in which it is returned: who is cancelled while it waits has taken
    none, and the next one to ask gets it.
    """

    __slots__ = ()

    def __aiter__(self) -> AwaitedEvents:
        return self

    async def __anext__(self) -> Event:
        """Wait for the next event.

        Raises:
            StopAsyncIteration: there are no more.
            TimeoutError, ForkedError: as `Events`.
        """
        import asyncio  # here: who awaits nothing need not load it

        self._check()
        loop = asyncio.get_running_loop()
        deadline = None if self._timeout is None else loop.time() + self._timeout
        while True:
            ready: asyncio.Future[None] = loop.create_future()
            waker = partial(_call_soon, loop, ready)
            if self._queue.is_ready(waker):
                with suppress(Empty):  # another reader was quicker
                    event = self._queue.take_now()
                    if event is None:
                        raise StopAsyncIteration
                    return _event(event)
                continue
            remaining = None if deadline is None else max(0.0, deadline - loop.time())
            try:
                await asyncio.wait((ready,), timeout=remaining)
            finally:
                self._queue.forget(waker)
            if not ready.done() and self._timeout is not None and remaining == 0:
                raise no_event(self._timeout)

    async def aclose(self) -> None:
        """End it; see `Events.close()`."""
        self._queue.close()

    async def __aenter__(self) -> AwaitedEvents:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


def _event(one: Event | str) -> Event:
    assert isinstance(one, Event), "texts are for the log"
    return one


def _call_soon(loop: asyncio.AbstractEventLoop, ready: asyncio.Future[None]) -> None:
    with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
        loop.call_soon_threadsafe(_set, ready)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
