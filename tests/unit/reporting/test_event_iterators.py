"""Iterating over events: blocking and awaited, with an end, and a time to wait."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from fanout.errors import ForkedError
from fanout.events import Event, EventKind
from fanout.reporting.event_iterators import AwaitedEvents, Events
from fanout.reporting.event_queue import EventQueue
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def numbered(number: int) -> Event:
    return Event(EventKind.SUBSCRIBER_CONNECTED, subscriber=number)


def no_fork() -> None:
    pass


def a_fork() -> None:
    raise ForkedError("this publisher belongs to the parent")


def test_it_has_what_comes_until_the_end() -> None:
    queue = EventQueue()
    for number in range(3):
        queue.put(numbered(number))
    queue.end()

    assert [event.subscriber for event in Events(queue, None, no_fork)] == [0, 1, 2]


def test_who_waits_in_vain_may_go_on() -> None:
    queue = EventQueue()
    events = Events(queue, 0.0, no_fork)

    with pytest.raises(TimeoutError, match="within 0 s"):
        next(events)
    queue.put(numbered(1))
    assert next(events).subscriber == 1


def test_who_is_closed_by_another_thread_has_ended() -> None:
    queue = EventQueue()
    found: list[list[Event]] = []
    with Events(queue, DEADLINE_S, no_fork) as events:
        reader = threading.Thread(target=lambda: found.append(list(events)))
        reader.start()
        wait_until(lambda: queue._wakers, "it waits")
    reader.join(DEADLINE_S)

    assert found == [[]]


@pytest.mark.parametrize("read", [lambda queue: next(Events(queue, None, a_fork))])
def test_a_fork_is_told_that_nothing_will_come(read: Callable[[EventQueue], Event]) -> None:
    with pytest.raises(ForkedError):
        read(EventQueue())


def in_loop(test: Callable[[EventQueue], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await test(EventQueue())

    asyncio.run(main())


def write_one_and_end(queue: EventQueue) -> None:
    queue.put(numbered(1))
    queue.end()


async def waits(queue: EventQueue) -> None:
    """Return when somebody waits for an event."""
    while not queue._wakers:  # noqa: ASYNC110  # it is the waiting itself that is waited for
        await asyncio.sleep(0)


def test_a_task_is_woken_by_what_another_thread_puts() -> None:
    async def test(queue: EventQueue) -> None:
        events = AwaitedEvents(queue, None, no_fork)
        task = asyncio.ensure_future(anext(events))
        await waits(queue)
        writer = threading.Thread(target=write_one_and_end, args=(queue,))
        writer.start()
        assert (await task).subscriber == 1
        writer.join()
        assert [event async for event in events] == []

    in_loop(test)


@pytest.mark.parametrize("put_first", [False, True])
def test_who_is_cancelled_while_it_waits_has_taken_no_event(put_first: bool) -> None:
    """Also where the event has come, and the task has not run since."""

    async def test(queue: EventQueue) -> None:
        events = AwaitedEvents(queue, None, no_fork)
        task = asyncio.ensure_future(anext(events))
        await waits(queue)
        if put_first:
            queue.put(numbered(1))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not queue._wakers
        if not put_first:
            queue.put(numbered(1))
        queue.end()
        assert [event.subscriber async for event in events] == [1]

    in_loop(test)


def test_a_task_that_waits_in_vain_may_go_on() -> None:
    async def test(queue: EventQueue) -> None:
        events = AwaitedEvents(queue, 0.01, no_fork)
        with pytest.raises(TimeoutError, match=r"within 0\.01 s"):
            await anext(events)
        queue.put(numbered(1))
        assert (await anext(events)).subscriber == 1

    in_loop(test)


def test_what_is_left_when_it_is_closed_is_not_read() -> None:
    async def test(queue: EventQueue) -> None:
        async with AwaitedEvents(queue, None, no_fork) as events:
            queue.put(numbered(1))
        assert [event async for event in events] == []
        with pytest.raises(ForkedError):
            await anext(AwaitedEvents(queue, None, a_fork))

    in_loop(test)


def test_a_loop_that_is_closed_holds_up_nobody_who_puts() -> None:
    queue = EventQueue()

    async def leave() -> None:
        task = asyncio.ensure_future(anext(AwaitedEvents(queue, None, no_fork)))
        await waits(queue)
        wakers.extend(queue._wakers)
        task.cancel()

    wakers: list[Callable[[], object]] = []
    asyncio.run(leave())
    queue._wakers.extend(wakers)  # of a loop that was closed before it could take it back

    queue.put(numbered(1))
    assert queue.take_now() == numbered(1)
