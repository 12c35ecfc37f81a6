"""Work on a thread of its own: it begins whatever the loop's executor does, and ends as it ends."""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fanout.basics.loop_executor import begin, in_thread
from tests.helpers.waiting import DEADLINE_S, wait_until


def test_it_begins_although_the_executor_has_no_thread_left() -> None:
    let_go = threading.Event()

    async def main() -> str:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        blocked = loop.run_in_executor(None, let_go.wait)
        try:
            return await asyncio.wait_for(begin(lambda: "done"), DEADLINE_S)
        finally:
            let_go.set()
            await blocked

    assert asyncio.run(main()) == "done"


@pytest.mark.parametrize("error", [ValueError("mine"), SystemExit(3)])
def test_what_it_raises_is_raised_where_it_is_awaited(error: BaseException) -> None:
    def fail() -> None:
        raise error

    async def main() -> None:
        with pytest.raises(type(error)) as caught:
            await begin(fail)
        assert caught.value is error

    asyncio.run(main())


def test_a_loop_that_is_closed_meanwhile_is_not_told() -> None:
    begun, let_go = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        let_go.wait(DEADLINE_S)

    async def main() -> None:
        begin(work)
        await asyncio.sleep(0)

    asyncio.run(main())
    assert begun.wait(DEADLINE_S)
    let_go.set()
    wait_until(
        lambda: "fanout-call" not in {one.name for one in threading.enumerate()}, "its thread's end"
    )


def test_nobody_hears_of_what_fails_after_it_was_cancelled() -> None:
    let_go, complaints = threading.Event(), list[object]()

    def fail() -> None:
        let_go.wait(DEADLINE_S)
        raise ValueError("nobody waits for this")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: complaints.append(context["message"]))
        waiting = asyncio.ensure_future(in_thread(fail))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        let_go.set()
        for thread in threading.enumerate():
            if thread.name == "fanout-call":
                await asyncio.to_thread(thread.join, DEADLINE_S)
        gc.collect()  # what waits refers to each other

    asyncio.run(main())
    assert complaints == []


def test_without_a_thread_the_executor_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> int:
        await asyncio.to_thread(lambda: None)  # the executor has a thread

        def refuse(_thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            working = begin(lambda: 7)
        return await working

    assert asyncio.run(main()) == 7
