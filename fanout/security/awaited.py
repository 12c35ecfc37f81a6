"""Checks that are awaited: each by a loop of its own, on the thread that it was given.

No loop of anybody else waits for one: a check that blocks has this thread and nothing more. It is
cancelled when its time is over, or all of them end; one that does not end then hangs as any other
check.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from inspect import iscoroutine
from typing import TYPE_CHECKING, Any

from fanout.basics.descriptors import standard_taken

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Iterator

    from fanout.security.verdicts import Request


class OverdueError(Exception):
    """A check was not over in its time, and was cancelled."""


class ChecksEnd:
    """Cancels all checks that are awaited, and each that comes later; any thread may call it.

    Its mutable state, under a lock: the tasks that are awaited, each on a thread and a loop of its
    own, and whether it has begun.
    """

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._awaited: set[asyncio.Task[Any]] = set()
        self._has_begun = False

    def begin(self) -> None:
        """Cancel them, on their threads; what each of them makes of it is not waited for."""
        with self._changing:
            self._has_begun = True
            for task in self._awaited:
                with suppress(RuntimeError):  # SystemExit of a task beside it has closed its loop
                    task.get_loop().call_soon_threadsafe(task.cancel)

    @contextmanager
    def over(self, task: asyncio.Task[Any]) -> Iterator[None]:
        """It may be cancelled within this; in the task itself."""
        with self._changing:
            self._awaited.add(task)
            if self._has_begun:
                task.cancel()
        try:
            yield
        finally:
            with self._changing:
                self._awaited.discard(task)


def found_by(
    check: Callable[[Request], Any],
    request: Request,
    seconds: float,
    ending: ChecksEnd | None = None,
) -> object:
    """What a check returns, and if that is a coroutine, what this does.

    Args:
        seconds: after which that is cancelled; 0 or less = as soon as it waits for anything.
        ending: cancels it before that; None = nobody does.

    Raises:
        OverdueError: its time was over, and it was cancelled.
        CancelledError: it was cancelled by `ending`.
        Anything: what the check raises.
    """
    found = check(request)
    if not iscoroutine(found):
        return found
    import asyncio  # seldom needed

    try:
        runner = asyncio.Runner()
        with standard_taken():
            loop = runner.get_loop()
        with runner:
            # What it leaves running is cancelled. What that raises would be logged, with a text in
            # which a password may be.
            loop.set_exception_handler(_tell_nobody)
            return runner.run(_in_time(found, seconds, ending or ChecksEnd()))
    finally:
        found.close()  # it has not begun if the system gives no loop


def _tell_nobody(*_: object) -> None:
    pass


async def _in_time(found: Coroutine[Any, Any, object], seconds: float, ending: ChecksEnd) -> object:
    import asyncio

    limit = asyncio.timeout(seconds)
    task = asyncio.current_task()
    assert task is not None, "a coroutine that runs is in a task"
    try:
        with ending.over(task):
            async with limit:
                return await found
    except TimeoutError:
        if limit.expired():
            raise OverdueError from None
        raise
