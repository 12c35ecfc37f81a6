"""Sockets of asyncio with libzmq at the other end, and clients that come and go."""

from __future__ import annotations

import asyncio
import random
import threading
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from fanout.sockets import Router
from fanout.sockets.asyncio import Dealer as AwaitedDealer
from fanout.sockets.asyncio import Pull as AwaitedPull
from fanout.sockets.asyncio import Push as AwaitedPush
from fanout.sockets.asyncio import Rep as AwaitedRep
from fanout.sockets.asyncio import Req as AwaitedReq
from fanout.sockets.asyncio import Router as AwaitedRouter
from fanout.sockets.asyncio import Sub as AwaitedSub
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from tests.helpers.stock import Stock

COUNT = 200
# Ours, and theirs.
SENDING: dict[str, tuple[type[Any], int]] = {
    "Push": (AwaitedPush, zmq.PULL),
    "Dealer": (AwaitedDealer, zmq.DEALER),
}
RECEIVING: dict[str, tuple[type[Any], int]] = {
    "Pull": (AwaitedPull, zmq.PUSH),
    "Dealer": (AwaitedDealer, zmq.DEALER),
    "Router": (AwaitedRouter, zmq.DEALER),
}


@pytest.mark.parametrize("name", SENDING)
def test_sending(stock: Stock, name: str) -> None:
    ours, theirs = SENDING[name]

    async def main() -> None:
        async with ours() as sender:
            receiver = stock.socket(theirs)
            receiver.connect(await sender.bind("tcp://127.0.0.1:*"))
            for number in range(COUNT):
                await sender.send([b"%d" % number, b"", b"x" * number], DEADLINE_S)
            await sender.drain(DEADLINE_S)
            for number in range(COUNT):
                assert receiver.recv_multipart() == [b"%d" % number, b"", b"x" * number]

    asyncio.run(main())


@pytest.mark.parametrize("name", RECEIVING)
def test_receiving(stock: Stock, name: str) -> None:
    ours, theirs = RECEIVING[name]

    async def main() -> None:
        async with ours() as receiver:
            sender = stock.socket(theirs)
            sender.connect(await receiver.bind("tcp://127.0.0.1:*"))
            for number in range(COUNT):
                sender.send_multipart([b"%d" % number, b"", b"x" * number])
            for number in range(COUNT):
                frames = await receiver.recv(DEADLINE_S)
                assert frames[-3:] == (b"%d" % number, b"", b"x" * number)

    asyncio.run(main())


def test_asking_and_answering(stock: Stock) -> None:
    async def main() -> None:
        async with AwaitedReq() as req, AwaitedRep() as rep:
            answering, asking = stock.socket(zmq.REP), stock.socket(zmq.REQ)
            answering.connect(await req.bind("tcp://127.0.0.1:*"))
            asking.connect(await rep.bind("tcp://127.0.0.1:*"))
            for number in range(COUNT):
                await req.send(b"%d" % number, DEADLINE_S)
                await req.drain(DEADLINE_S)
                answering.send_multipart([*answering.recv_multipart(), b""])
                assert await req.recv(DEADLINE_S) == (b"%d" % number, b"")
                asking.send(b"%d" % number)
                await rep.send([*await rep.recv(DEADLINE_S), b""])
                await rep.drain(DEADLINE_S)
                assert asking.recv_multipart() == [b"%d" % number, b""]

    asyncio.run(main())


def test_subscribing(stock: Stock) -> None:
    async def main() -> None:
        async with AwaitedSub("A") as sub:
            pub = stock.socket(zmq.XPUB)
            pub.connect(await sub.bind("tcp://127.0.0.1:*"))
            await sub.wait_for_peers(1, DEADLINE_S)
            await sub.drain(DEADLINE_S)
            assert pub.recv() == b"\x01A"
            for topic in (b"A1", b"B1", b"A2"):
                pub.send_multipart([topic, b"x"])
            assert [(await sub.recv(DEADLINE_S))[0] for _ in range(2)] == [b"A1", b"A2"]

    asyncio.run(main())


def test_clients_that_come_and_go_leave_nothing_behind(stock: Stock) -> None:
    """Each gets what it has asked for, in order, and only that; some leave without waiting."""

    def echo() -> None:
        for message in router:
            router.send(message, DEADLINE_S)

    def come_and_go(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(15):
            client = stock.socket(zmq.DEALER)
            client.connect(endpoint)
            count = chance.randrange(1, 40)
            for number in range(count):
                client.send_multipart([b"%d" % number, b"x" * chance.randrange(3_000)])
            waits_for = chance.choice((0, count // 2, count))
            got = [int(client.recv_multipart()[0]) for _ in range(waits_for)]
            wrong.extend([got] if got != list(range(waits_for)) else [])
            client.close(linger=0)

    wrong: list[list[int]] = []
    with Router() as router:
        endpoint = router.bind("tcp://127.0.0.1:*")
        echoing = threading.Thread(target=echo)
        clients = [threading.Thread(target=come_and_go, args=(seed,)) for seed in range(6)]
        for thread in (echoing, *clients):
            thread.start()
        for thread in clients:
            thread.join(DEADLINE_S)
        assert wrong == []
        wait_until(lambda: not router._actor.core.peers, "all have left")
        wait_until(lambda: not router.statistics().inbox, "all are echoed, or dropped")
        wait_until(lambda: not router.statistics().outbox, "nothing waits for who has left")
        statistics = router.statistics()
        assert statistics.sent + statistics.dropped <= statistics.received
        core = router._actor.core
        assert (core._places.taken, core._begun, len(router._actor._plugs)) == (0, 0, 1)
    echoing.join(DEADLINE_S)
    assert not echoing.is_alive()
