"""A callback on an event loop: in order, on the loop, and nothing accumulates before a busy one."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from fanout.events import Event, EventKind
from fanout.reporting import loop_callback
from fanout.reporting.loop_callback import HELD_MAX, LoopCallback
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MANY = 1_000


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


class Caller:
    """A thread that calls with MANY events."""

    def __init__(self, call: Callable[[Event], None]) -> None:
        self.called = 0
        self._call = call
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        for number in range(MANY):
            self._call(Event(EventKind.WORKER_STARTED, worker=number))
            self.called += 1


def test_events_are_called_in_order_and_a_busy_loop_makes_the_caller_wait(
    loop: asyncio.AbstractEventLoop,
) -> None:
    got: list[int | None] = []
    threads: set[int] = set()

    def callback(event: Event) -> None:
        got.append(event.worker)
        threads.add(threading.get_ident())
        if len(got) == MANY:
            loop.stop()

    caller = Caller(LoopCallback(callback, loop))
    wait_until(lambda: caller.called == HELD_MAX, "a full hand")  # the loop does not run yet
    caller.thread.join(0.05)
    assert caller.called == HELD_MAX
    loop.call_later(DEADLINE_S, loop.stop)
    loop.run_forever()

    assert got == list(range(MANY))
    assert threads == {threading.get_ident()}


def test_what_one_call_raises_is_told_to_the_loop_and_the_others_are_made(
    loop: asyncio.AbstractEventLoop,
) -> None:
    got: list[int | None] = []
    errors: list[object] = []
    loop.set_exception_handler(lambda _loop, context: errors.append(context["exception"]))

    def callback(event: Event) -> None:
        got.append(event.worker)
        raise ValueError(event.worker)

    call = LoopCallback(callback, loop)
    for number in range(2):
        call(Event(EventKind.WORKER_STARTED, worker=number))
    loop.call_later(0.01, loop.stop)
    loop.run_forever()

    assert got == [0, 1]
    assert [str(error) for error in errors] == ["0", "1"]


@pytest.mark.parametrize("before", [0, 1])
def test_a_loop_that_is_closed_ends_the_waiting(
    loop: asyncio.AbstractEventLoop, before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_callback, "LOOK_EVERY", 0.01)
    call = LoopCallback(lambda _event: None, loop)
    for _ in range(before):
        call(Event(EventKind.WORKER_STARTED))
    if not before:
        loop.close()
    caller = Caller(call)
    if before:
        wait_until(lambda: caller.called == HELD_MAX - before, "a full hand")
        loop.close()

    caller.thread.join(DEADLINE_S)

    assert caller.called == MANY
