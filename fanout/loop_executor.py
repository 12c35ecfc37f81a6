"""What may take a while, off the event loop: in its executor, and undone if it is cancelled."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


async def in_thread(work: Callable[[], T], undo: Callable[[T], object] | None = None) -> T:
    """Run `work` in the executor; cancelled, its result is undone before this returns."""
    future = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        if undo is not None:
            await outlast(_undo(future, undo))
        raise
    finally:
        del future  # a traceback must not keep what it holds


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
