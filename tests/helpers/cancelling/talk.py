"""Two sockets that talk, and a call of one of them that has to wait."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
    from pathlib import Path

    from fanout.sockets.asyncio import Rep, Req, Socket
    from fanout.sockets.loop import Waiters

A = TypeVar("A", bound="Socket")
B = TypeVar("B", bound="Socket")

COUNT = 100
CUT = b"the message that is cut"


@dataclass
class Talk:
    """Two sockets, and a call of one of them that has to wait.

    Attributes:
        call: what is cut.
        gate: where it waits.
        unblock: makes it possible, for the other side.
        is_possible: whether that has arrived.
        settle: after the cut: receives what must have come, and asks for the state. It is told
            whether the call had become possible before.
        exchanges: send and receive a message, each way.
    """

    call: Callable[[], Coroutine[Any, Any, Any]]
    gate: Waiters
    unblock: Callable[[], Awaitable[object]]
    is_possible: Callable[[], bool]
    settle: Callable[[bool], Awaitable[object]]
    exchanges: list[Exchange]

    def begun(self, wakings: int) -> Coroutine[Any, Any, Any]:
        """The call, which waits, after it was woken so many times for nothing."""
        call = self.call()
        call.send(None)
        for _ in range(wakings):
            self.gate.open()
            call.send(None)
        return call

    async def arrive(self) -> None:
        """Make it possible, and wait until it is."""
        await self.unblock()
        await until(self.is_possible)

    async def go_on(self, came: bool) -> None:
        """The call was cut: nobody waits any more, all is settled, and the sockets still talk.

        A hundred messages each way arrive as they were sent.
        """
        assert not len(self.gate)
        await self.settle(came)
        for number in range(COUNT):
            for one in self.exchanges:
                text = b"%d" % number
                await one.send(text)
                assert await one.recv() == text


@dataclass
class Exchange:
    """One direction."""

    send: Callable[[bytes], Awaitable[object]]
    recv: Callable[[], Awaitable[Any]]


@asynccontextmanager
async def connected(one: A, other: B, folder: Path) -> AsyncIterator[tuple[A, B]]:
    """Two sockets, of which the first connects to the second."""
    async with one, other:
        one.connect(await other.bind(f"ipc://{folder}/socket"))
        yield one, other


async def until(look: Callable[[], object]) -> None:
    """The loop runs until this is so."""
    async with asyncio.timeout(DEADLINE_S):
        while not look():  # noqa: ASYNC110  # nobody tells of it
            await asyncio.sleep(0.001)


async def last(receiving: Any) -> bytes:
    """The last frame of the message that comes."""
    frames: tuple[bytes, ...] = await receiving.recv(DEADLINE_S)
    return frames[-1]


def one_way(a: Any, b: Any, before: tuple[bytes, ...] = ()) -> Exchange:
    """From the one to the other, with these frames before each text."""
    return Exchange(lambda text: a.send([*before, text], DEADLINE_S), lambda: last(b))


def conversation(req: Req, rep: Rep) -> list[Exchange]:
    """Question and answer."""
    return [one_way(req, rep), one_way(rep, req)]


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """On an event loop of its own, for twice the time that anything waits at most."""
    asyncio.run(asyncio.wait_for(main(), DEADLINE_S * 2))
