"""What may take a while, off the event loop: on a thread of its own, undone if it is cancelled.

Not in the loop's executor, which is the program's too: a few calls of it that block, say to a
database that does not answer, take all of its threads, and a `close()` that waited there would not
even begin.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


async def in_thread(work: Callable[[], T], undo: Callable[[T], object] | None = None) -> T:
    """Run `work` on another thread; cancelled, its result is undone before this returns."""
    future = begin(work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        future.add_done_callback(_look_at)
        if undo is not None:
            await outlast(_undo(future, undo))
        raise
    finally:
        del future  # a traceback must not keep what it holds


def begin(work: Callable[[], T]) -> asyncio.Future[T]:
    """Run `work` on a thread of its own; returns what the running loop can wait for.

    The thread is a daemon, so an interpreter that ends does not wait for it. Where the system gives
    no thread, the executor takes the work.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():  # cancelled
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # there is one, without an error

    def run() -> None:
        outcome = _outcome(work)
        with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
            loop.call_soon_threadsafe(settle, *outcome)

    try:
        threading.Thread(target=run, name="fanout-call", daemon=True).start()
    except RuntimeError:
        return loop.run_in_executor(None, work)
    return future


def _outcome(work: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    """The result, or the error. The future is not in its traceback: that would be a circle."""
    try:
        return work(), None
    except BaseException as error:
        return None, error


def _look_at(future: asyncio.Future[Any]) -> None:
    """Nobody waits for it any more: that it fails is nothing to complain about."""
    if not future.cancelled():
        future.exception()


async def _undo(future: asyncio.Future[T], undo: Callable[[T], object]) -> None:
    await asyncio.wait({future})
    if not future.cancelled() and future.exception() is None:
        await in_thread(lambda: undo(future.result()))


async def outlast(work: Coroutine[Any, Any, object]) -> None:
    """Wait for `work` to end, however often the waiting is cancelled; its errors are dropped."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # looked at: the loop need not complain
