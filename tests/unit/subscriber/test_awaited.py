"""Who waits for messages is cancelled at every await that it has: nothing is lost, and in order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from fanout.errors import ClosedError
from fanout.subscriber.awaited import Subscriber
from fanout.subscriber.message import Message
from fanout.subscriber.telling import NOT_YET_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

NOBODY = "ipc://@fanout-test-nobody-is-here"
AWAITS = 4  # of one call; each but the last is woken for nothing
VERBS: dict[str, Callable[[Subscriber], Any]] = {
    "recv": lambda subscriber: subscriber.recv(),
    "recv in time": lambda subscriber: subscriber.recv(60),
    "recv_many": lambda subscriber: subscriber.recv_many(2),
    "poll": lambda subscriber: subscriber.poll(60),
    "async for": lambda subscriber: anext(aiter(subscriber)),
}


class Cut:
    """Awaits something, and cancels it where it waits for the `place`-th time.

    Args:
        wake: called each time it waits before that.
        meanwhile: called just before it is cancelled.
    """

    def __init__(
        self,
        awaited: Any,
        place: int,
        wake: Callable[[], object],
        meanwhile: Callable[[], object],
    ) -> None:
        self._awaited = awaited
        self._place = place
        self._wake = wake
        self._meanwhile = meanwhile

    def __await__(self) -> Generator[Any, Any, Any]:
        inner: Coroutine[Any, Any, Any] | Generator[Any, Any, Any] = self._awaited.__await__()
        for place in range(self._place + 1):
            try:
                waited = inner.send(None)
            except StopIteration as done:
                return done.value
            if place == self._place:
                self._meanwhile()
                inner.throw(asyncio.CancelledError())
                raise AssertionError("it waits on")
            asyncio.get_running_loop().call_soon(self._wake)
            yield waited


def messages(*numbers: int) -> list[Message]:
    made = []
    for number in numbers:
        message = Message()
        message._wire = (b"A", b"%d" % number)
        made.append(message)
    return made


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("place", range(AWAITS))
@pytest.mark.parametrize("verb", VERBS)
def test_nothing_is_lost_wherever_it_is_cancelled(verb: str, place: int, is_there: bool) -> None:
    """The messages come in the same instant as the cancellation, or after it."""

    async def main() -> None:
        async with Subscriber(NOBODY) as subscriber:

            def come() -> None:
                subscriber._inbox.put(messages(0, 1, 2), 6)
                subscriber._notify()

            cut = Cut(VERBS[verb](subscriber), place, subscriber._notify, come if is_there else int)
            with pytest.raises(asyncio.CancelledError):
                await cut
            assert not subscriber._waiters
            if not is_there:
                come()
            got = [await subscriber.recv(60), *(await subscriber.recv_many(9, 60))]
            assert [message.payload for message in got] == [b"0", b"1", b"2"]

    asyncio.run(main())


@pytest.mark.parametrize("place", range(1, AWAITS))
@pytest.mark.parametrize("verb", VERBS)
def test_who_has_what_came_does_not_wait_any_more(verb: str, place: int) -> None:
    """An await with a message in the hand would lose it, if that were cancelled."""

    async def main() -> None:
        async with Subscriber(NOBODY) as subscriber:

            def come() -> None:
                subscriber._inbox.put(messages(0, 1, 2), 6)
                subscriber._notify()

            got = await Cut(VERBS[verb](subscriber), place, come, int)
            first = [got] if isinstance(got, Message) else got if isinstance(got, list) else []
            rest = await subscriber.recv_many(9, 60)
            assert [message.payload for message in first + rest] == [b"0", b"1", b"2"]

    asyncio.run(main())


@pytest.mark.parametrize("place", range(AWAITS))
def test_who_waits_beside_one_that_is_cancelled_gets_what_comes(place: int) -> None:
    async def main() -> None:
        async with Subscriber(NOBODY) as subscriber:
            other = asyncio.create_task(subscriber.recv(60))
            await asyncio.sleep(0)

            def come() -> None:
                subscriber._inbox.put(messages(7), 2)
                subscriber._notify()

            with pytest.raises(asyncio.CancelledError):
                await Cut(subscriber.recv(), place, subscriber._notify, come)
            assert (await other).payload == b"7"

    asyncio.run(main())


def test_what_fails_in_a_callback_of_the_loop_is_told_to_who_receives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main(name: str) -> None:
        async with Subscriber(NOBODY) as subscriber:
            waiting = asyncio.create_task(subscriber.recv())
            await asyncio.sleep(0)
            problem = RuntimeError("broken")

            def fail(*_: object) -> Any:
                raise problem

            monkeypatch.setattr(subscriber._connections, "readable", fail)
            monkeypatch.setattr(subscriber._connections, "writable", fail)
            getattr(subscriber, name)(0)
            for call in (lambda: waiting, subscriber.recv):
                with pytest.raises(ClosedError, match="broken") as told:
                    await call()
                assert told.value.__cause__ is problem
            assert subscriber.closed

    for name in ("_on_readable", "_on_writable"):
        asyncio.run(main(name))


def test_a_timeout_says_what_did_not_come() -> None:
    async def main() -> None:
        async with Subscriber(NOBODY) as subscriber:
            told = f"no message has come in time: ({NOT_YET_TEXT}|{NOBODY}: Connection refused)"
            with pytest.raises(TimeoutError, match=told):
                await subscriber.recv(0)

    asyncio.run(main())
