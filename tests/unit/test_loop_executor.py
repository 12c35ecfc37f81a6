"""Work off the loop: its result, its error, and its undoing if nobody wants it any more."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from fanout.loop_executor import in_thread, outlast
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Coroutine


def run(main: Coroutine[None, None, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await main

    asyncio.run(limited())


def fail() -> None:
    raise KeyError("its own")


def test_what_work_returns_and_raises() -> None:
    async def main() -> None:
        assert await in_thread(threading.get_ident) != threading.get_ident()
        with pytest.raises(KeyError, match="its own"):
            await in_thread(fail)

    run(main())


@pytest.mark.parametrize("fails", [False, True])
def test_cancelled_it_is_undone_before_the_cancellation_goes_on(fails: bool) -> None:
    undone: list[str] = []
    may_end = threading.Event()

    def work() -> str:
        assert may_end.wait(DEADLINE_S)
        if fails:
            fail()
        return "made"

    async def main() -> None:
        task = asyncio.create_task(in_thread(work, undo=undone.append))
        for _ in range(3):  # cancelled again and again, it waits for the end of the work
            await asyncio.sleep(0)
            task.cancel()
        assert not task.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert undone == ([] if fails else ["made"])

    run(main())


def test_what_is_outlasted_may_fail() -> None:
    async def main() -> None:
        await outlast(in_thread(fail))

    run(main())
