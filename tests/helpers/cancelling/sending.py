"""Calls that wait for room, or for somebody to send to."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fanout.sockets import Limits
from fanout.sockets.asyncio import Dealer, Pull, Push, Rep, Req, Router
from tests.helpers.cancelling.talk import CUT, Talk, conversation, last, one_way
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

SMALL = Limits(outbox_messages=2)
STALLED = Limits(inbox_messages=1)
BIG = b"x" * 1_000_000
TURNS = 10  # of the loop, in which neither side goes on: then the other takes no more


def full(kind: type[Push | Dealer]) -> Callable[[Path], Any]:
    """It connects to nobody yet, and so much waits as may."""

    @asynccontextmanager
    async def start(folder: Path) -> AsyncIterator[Talk]:
        async with kind(limits=SMALL) as sender, (Pull if kind is Push else Dealer)() as receiver:
            sender.connect(f"ipc://{folder}/socket")
            await sender.send(b"0")
            await sender.send(b"1")
            assert not sender.try_send(CUT)

            async def settle(came: bool) -> None:
                if not came:
                    await receiver.bind(f"ipc://{folder}/socket")
                assert [await last(receiver) for _ in range(2)] == [b"0", b"1"]

            yield Talk(
                lambda: sender.send(CUT),
                sender._actor.room,
                lambda: receiver.bind(f"ipc://{folder}/socket"),
                lambda: not sender.statistics().outbox,
                settle,
                [one_way(sender, receiver)]
                + ([one_way(receiver, sender)] if isinstance(sender, Dealer) else []),
            )

    return start


def alone(kind: Callable[[], Any], other: Callable[[], Any]) -> Callable[[Path], Any]:
    """It is bound, and nobody is there."""

    @asynccontextmanager
    async def start(folder: Path) -> AsyncIterator[Talk]:
        async with kind() as sender, other() as receiver:
            endpoint = await sender.bind(f"ipc://{folder}/socket")
            assert not sender.try_send(CUT)

            async def connect() -> None:
                receiver.connect(endpoint)

            async def settle(came: bool) -> None:
                if isinstance(sender, Req):
                    assert not sender.is_waiting
                if not came:
                    await connect()
                await sender.wait_for_peers(1, DEADLINE_S)

            exchanges = [one_way(sender, receiver)]
            if isinstance(sender, Req):
                exchanges = conversation(sender, receiver)
            yield Talk(
                lambda: sender.send(CUT),
                sender._actor.room,
                connect,
                lambda: sender.peers == 1,
                settle,
                exchanges,
            )

    return start


class Backlog:
    """Big messages that wait for a dealer, which reads none of them before it is told to.

    Attributes:
        waiting: how many were sent and not read.
    """

    def __init__(self, sender: Router | Rep, dealer: Dealer) -> None:
        self._sender = sender
        self._dealer = dealer
        self.waiting = 0

    def has_room(self) -> bool:
        """Whether the sender takes another one."""
        return self._sender.statistics().outbox < SMALL.outbox_messages

    async def stands_still(self) -> bool:
        """Whether nothing goes out in many turns of the loop, in each of which something could."""
        before = self._unsent_bytes()
        for _ in range(TURNS):
            await asyncio.sleep(0.001)
        return self._unsent_bytes() == before

    def _unsent_bytes(self) -> int:
        return sum(peer.unsent_bytes for peer in self._sender._actor.core.peers)

    async def make_room(self) -> None:
        while not self.has_room() and self.waiting:
            await self._read_one()

    async def read_all(self) -> None:
        while self.waiting:
            await self._read_one()

    async def _read_one(self) -> None:
        assert await last(self._dealer) == BIG
        self.waiting -= 1


@asynccontextmanager
async def router_send(folder: Path) -> AsyncIterator[Talk]:
    async with Router(limits=SMALL) as router, Dealer(identity=b"a", limits=STALLED) as dealer:
        dealer.connect(await router.bind(f"ipc://{folder}/socket"))
        await router.wait_for_peers(1, DEADLINE_S)
        backlog = Backlog(router, dealer)
        while True:
            if router.try_send([b"a", BIG]):
                backlog.waiting += 1
            elif await backlog.stands_still():
                break

        async def settle(came: bool) -> None:
            del came
            await backlog.read_all()
            assert dealer.try_recv() is None

        yield Talk(
            lambda: router.send([b"a", CUT]),
            router._actor.room,
            backlog.make_room,
            backlog.has_room,
            settle,
            [one_way(dealer, router), one_way(router, dealer, (b"a",))],
        )


@asynccontextmanager
async def rep_send(folder: Path) -> AsyncIterator[Talk]:
    async with Rep(limits=SMALL) as rep, Dealer(limits=STALLED) as dealer:
        dealer.connect(await rep.bind(f"ipc://{folder}/socket"))
        backlog = Backlog(rep, dealer)
        while True:
            await dealer.send([b"", b"question"])
            assert await last(rep) == b"question"
            while not (has_room := rep.try_send(BIG)):
                if await backlog.stands_still():
                    break
            if not has_room:
                break
            backlog.waiting += 1

        async def settle(came: bool) -> None:
            del came
            assert rep.owes_reply
            await backlog.read_all()
            await rep.send(b"answer")
            assert await last(dealer) == b"answer"
            assert not rep.owes_reply

        yield Talk(
            lambda: rep.send(CUT),
            rep._actor.room,
            backlog.make_room,
            backlog.has_room,
            settle,
            [one_way(dealer, rep, (b"",)), one_way(rep, dealer)],
        )
