"""Checks that are awaited: each by a loop of its own, on the thread that it was given.

No loop of anybody else waits for one: a check that blocks has this thread and nothing more. It is
cancelled when its time is over; one that does not end then hangs as any other check.
"""

from __future__ import annotations

from inspect import iscoroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fanout.security.verdicts import Request


class OverdueError(Exception):
    """A check was not over in its time, and was cancelled."""


def found_by(check: Callable[[Request], Any], request: Request, seconds: float) -> object:
    """What a check returns, and if that is a coroutine, what this does.

    Args:
        seconds: after which that is cancelled; 0 or less = as soon as it waits for anything.

    Raises:
        OverdueError: it was cancelled. Anything: what the check raises.
    """
    found = check(request)
    if not iscoroutine(found):
        return found
    import asyncio  # seldom needed

    try:
        with asyncio.Runner() as runner:
            # What it leaves running is cancelled. What that raises would be logged, with a text in
            # which a password may be.
            runner.get_loop().set_exception_handler(_tell_nobody)
            return runner.run(_in_time(found, seconds))
    finally:
        found.close()  # it has not begun if the system gives no loop


def _tell_nobody(*_: object) -> None:
    pass


async def _in_time(found: Coroutine[Any, Any, object], seconds: float) -> object:
    import asyncio

    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await found
    except TimeoutError:
        if limit.expired():
            raise OverdueError from None
        raise
