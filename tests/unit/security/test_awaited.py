"""Checks that are awaited: by a loop of their own, cancelled in time, and nothing left of them."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from fanout.security.awaited import ChecksEnd, OverdueError, found_by
from fanout.security.verdicts import Allow, Request

REQUEST = Request(1, "127.0.0.1:5", "tcp://x", "PLAIN", "desk7", "geheim")
LONG = 60.0  # seconds; nothing here takes that


def test_what_need_not_be_awaited_is_what_it_is() -> None:
    verdict = Allow()
    assert found_by(lambda _: verdict, REQUEST, 0) is verdict


def test_each_has_a_loop_of_its_own_that_ends_with_it() -> None:
    loops = []

    async def check(request: Request) -> str:
        loops.append(asyncio.get_running_loop())
        await asyncio.sleep(0)
        return request.username

    assert [found_by(check, REQUEST, LONG) for _ in range(2)] == ["desk7"] * 2
    assert loops[0] is not loops[1]
    assert all(loop.is_closed() for loop in loops)


@pytest.mark.parametrize("seconds", [0.01, 0, -1])
def test_what_takes_too_long_is_cancelled(seconds: float) -> None:
    seen = []

    async def check(_request: Request) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    with pytest.raises(OverdueError):
        found_by(check, REQUEST, seconds)
    assert seen == ["cancelled"]


@pytest.mark.parametrize("has_begun", [False, True])
def test_an_ending_cancels_it_and_what_comes_later(has_begun: bool) -> None:
    ending, seen = ChecksEnd(), []

    async def check(_request: Request) -> None:
        if not has_begun:
            threading.Thread(target=ending.begin).start()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    if has_begun:
        ending.begin()
    with pytest.raises(asyncio.CancelledError):
        found_by(check, REQUEST, LONG, ending)
    assert seen == ["cancelled"]
    assert not ending._awaited
    ending.begin()  # nobody is there any more


def test_what_it_has_begun_ends_with_it() -> None:
    begun: list[asyncio.Task[bool]] = []

    async def check(_request: Request) -> bool:
        begun.append(asyncio.create_task(asyncio.Event().wait()))
        return True

    assert found_by(check, REQUEST, LONG) is True
    assert begun[0].cancelled()


def test_what_that_raises_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    async def left(request: Request) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError(request.password)

    async def check(request: Request) -> bool:
        task = asyncio.create_task(left(request))
        await asyncio.sleep(0)
        return not task.done()

    assert found_by(check, REQUEST, LONG) is True
    assert caplog.text == ""


@pytest.mark.parametrize("error", [TimeoutError, ValueError, SystemExit, asyncio.CancelledError])
def test_what_it_raises_is_what_it_was(error: type[BaseException]) -> None:
    """A timeout of its own is no timeout of ours."""

    async def check(_request: Request) -> None:
        raise error

    with pytest.raises(error):
        found_by(check, REQUEST, LONG)


def test_a_system_that_has_no_loop_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise OSError("too many open files")

    made: list[Any] = []

    async def answer() -> bool:
        return True

    def check(_request: Request) -> Any:
        made.append(answer())
        return made[0]

    monkeypatch.setattr(asyncio, "new_event_loop", none)
    monkeypatch.setattr(asyncio.events, "new_event_loop", none)
    with pytest.raises(OSError, match="too many"):
        found_by(check, REQUEST, LONG)
    assert made[0].cr_frame is None, "it is closed, and nobody is warned that it never began"
