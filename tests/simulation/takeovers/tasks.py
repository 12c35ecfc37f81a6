"""The task of a worker: what really runs it, from its first tick to what it does at its end.

There is no event loop here: others call what that would call. But it begins and ends as a task
does, and may be cancelled wherever it waits.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from inspect import CORO_CREATED, CORO_SUSPENDED, getcoroutinestate
from types import coroutine
from typing import TYPE_CHECKING, Any

from tests.simulation.takeovers.fate import Killed

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

    from fanout.workers.worker import Worker


@coroutine
def _suspended() -> Generator[None]:
    yield


class Done:
    """Stands for the event that a worker waits for."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        self._is_set = True

    def is_set(self) -> bool:
        return self._is_set

    async def wait(self) -> None:
        while not self._is_set:
            await _suspended()


class Task:
    """Runs one worker.

    Attributes:
        is_new: whether it has not begun.
    """

    def __init__(self, worker: Worker) -> None:
        waits_for: Any = Done()
        worker._done = waits_for
        self._running: Coroutine[Any, Any, None] = worker.run()
        self.is_new = True

    def begin(self) -> None:
        """It comes to where it waits, or to its end."""
        self.is_new = False
        self._go_on()

    def finish(self) -> None:
        """What it has waited for is there: it comes to its end, if that was not before."""
        if self._is_suspended:
            self._go_on()

    def cancel(self) -> None:
        """It is cancelled where it waits, and comes to its end by that."""
        with suppress(asyncio.CancelledError):
            self._running.throw(asyncio.CancelledError())

    def drop(self) -> None:
        """Its process is dead: nothing that it would do has any effect."""
        if self._is_suspended:
            with suppress(Killed):
                self._running.close()

    @property
    def _is_suspended(self) -> bool:
        return getcoroutinestate(self._running) in (CORO_CREATED, CORO_SUSPENDED)

    def _go_on(self) -> None:
        with suppress(StopIteration):
            self._running.send(None)
