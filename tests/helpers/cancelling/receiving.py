"""Calls that wait for a message."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from fanout.sockets import StateError
from fanout.sockets.asyncio import Dealer, Pull, Push, Rep, Req, Router, Sub
from tests.helpers.cancelling.talk import (
    CUT,
    Exchange,
    Talk,
    connected,
    conversation,
    last,
    one_way,
    until,
)
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path


class Receipt:
    """The message for which a call waits.

    Args:
        receiver: whose call waits.
        send: has the other side send it.
    """

    def __init__(self, receiver: Any, send: Callable[[], Awaitable[object]]) -> None:
        self._receiver = receiver
        self._send = send

    async def settle(self, came: bool) -> None:
        """It comes once: that which had come before the cut is still there."""
        await self.send_if_not(came)
        assert await last(self._receiver) == CUT

    async def send_if_not(self, came: bool) -> None:
        if not came:
            await self._send()

    def talk(
        self,
        exchanges: list[Exchange],
        settle: Callable[[bool], Awaitable[object]] | None = None,
        is_possible: Callable[[], bool] | None = None,
    ) -> Talk:
        """The call that waits for it, which is possible as soon as it is in the inbox."""
        receiver = self._receiver
        return Talk(
            receiver.recv,
            receiver._actor.items,
            self._send,
            is_possible or (lambda: receiver.statistics().inbox == 1),
            settle or self.settle,
            exchanges,
        )


@asynccontextmanager
async def pull_recv(folder: Path) -> AsyncIterator[Talk]:
    async with connected(Push(), Pull(), folder) as (push, pull):
        yield Receipt(pull, lambda: push.send(CUT)).talk([one_way(push, pull)])


@asynccontextmanager
async def sub_recv(folder: Path) -> AsyncIterator[Talk]:
    context = zmq.Context()
    xpub = context.socket(zmq.XPUB)
    xpub.set(zmq.RCVTIMEO, int(DEADLINE_S * 1000))
    async with Sub(b"") as sub:
        sub.connect(f"ipc://{folder}/socket")
        xpub.bind(f"ipc://{folder}/socket")
        await until(lambda: xpub.poll(0))

        async def publish(text: bytes = CUT) -> None:
            xpub.send(text)

        try:
            yield Receipt(sub, publish).talk([Exchange(publish, lambda: last(sub))])
        finally:
            context.destroy(linger=0)


def both_ways(dealer: Dealer, router: Router) -> list[Exchange]:
    return [one_way(dealer, router), one_way(router, dealer, (b"a",))]


@asynccontextmanager
async def dealer_recv(folder: Path) -> AsyncIterator[Talk]:
    async with connected(Dealer(identity=b"a"), Router(), folder) as (dealer, router):
        await router.wait_for_peers(1, DEADLINE_S)
        receipt = Receipt(dealer, lambda: router.send([b"a", CUT]))
        yield receipt.talk(both_ways(dealer, router))


@asynccontextmanager
async def router_recv(folder: Path) -> AsyncIterator[Talk]:
    async with Dealer(identity=b"a") as dealer, Router() as router:
        router.connect(await dealer.bind(f"ipc://{folder}/socket"))
        await router.wait_for_peers(1, DEADLINE_S)
        receipt = Receipt(router, lambda: dealer.send(CUT))

        async def settle(came: bool) -> None:
            await receipt.send_if_not(came)
            assert await router.recv(DEADLINE_S) == (b"a", CUT)

        yield receipt.talk(both_ways(dealer, router), settle)


@asynccontextmanager
async def rep_recv(folder: Path) -> AsyncIterator[Talk]:
    async with connected(Req(), Rep(), folder) as (req, rep):
        receipt = Receipt(rep, lambda: req.send(CUT))

        async def settle(came: bool) -> None:
            assert not rep.owes_reply
            await receipt.settle(came)
            await rep.send(b"answer")
            assert await last(req) == b"answer"

        yield receipt.talk(conversation(req, rep), settle)


@asynccontextmanager
async def rep_recv_while_it_owes(folder: Path) -> AsyncIterator[Talk]:
    """As long as no other request has been received, the reply is owed."""
    async with connected(Dealer(), Rep(), folder) as (dealer, rep):
        await dealer.send([b"1", b"", b"first"])
        assert await last(rep) == b"first"
        receipt = Receipt(rep, lambda: dealer.send([b"2", b"", CUT]))

        async def settle(came: bool) -> None:
            assert rep.owes_reply
            await rep.send(b"answer")
            assert await dealer.recv(DEADLINE_S) == (b"1", b"", b"answer")
            await receipt.settle(came)
            await rep.send(b"answer")
            assert await dealer.recv(DEADLINE_S) == (b"2", b"", b"answer")
            assert rep.statistics().dropped == 0

        yield receipt.talk([one_way(dealer, rep, (b"",)), one_way(rep, dealer)], settle)


@asynccontextmanager
async def asked(folder: Path) -> AsyncIterator[tuple[Req, Rep, Receipt]]:
    """A question that has arrived, and is not answered yet."""
    async with connected(Req(), Rep(), folder) as (req, rep):
        await req.send(b"question")
        assert await last(rep) == b"question"
        yield req, rep, Receipt(req, lambda: rep.send(CUT))


@asynccontextmanager
async def req_recv(folder: Path) -> AsyncIterator[Talk]:
    async with asked(folder) as (req, rep, receipt):

        async def settle(came: bool) -> None:
            assert req.is_waiting
            await receipt.settle(came)
            with pytest.raises(StateError):
                await req.recv()

        yield receipt.talk(conversation(req, rep), settle, lambda: req.statistics().received == 1)


@asynccontextmanager
async def req_recv_and_ask_again(folder: Path) -> AsyncIterator[Talk]:
    async with asked(folder) as (req, rep, receipt):

        async def settle(came: bool) -> None:
            await req.send(b"another")
            await receipt.send_if_not(came)
            assert await last(rep) == b"another"
            await rep.send(b"the other answer")
            assert await last(req) == b"the other answer"

        yield receipt.talk(conversation(req, rep), settle, lambda: req.statistics().received == 1)
