"""The cancellation table: each call of each socket of asyncio, cut at each await that it has.

After each cut a hundred messages go both ways: none is lost, none comes twice, and all in order.
What is true at the cut itself is asked before: was it sent, is the message still there, whose turn
is it. docs/reference/sockets.md says it of each.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from fanout.errors import ClosedError
from fanout.sockets import Limits, StateError
from fanout.sockets.asyncio import Dealer, Pull, Push, Rep, Req, Router, Sub
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
    from pathlib import Path

    from fanout.sockets.loop import Waiters

COUNT = 100
AWAITS = 3  # of one call: it is woken for nothing, and waits again
SMALL = Limits(outbox_messages=2)
STALLED = Limits(inbox_messages=1)
BIG = b"x" * 1_000_000
CUT = b"the message that is cut"


@dataclass
class Talk:
    """Two sockets, and a call of one of them that has to wait.

    Attributes:
        call: what is cut.
        gate: where it waits.
        unblock: makes it possible, for the other side.
        is_possible: whether that has arrived.
        settle: after the cut: receives what must have come, and asks for the state.
        there, back: send and receive a numbered message, each way.
    """

    call: Callable[[], Coroutine[Any, Any, Any]]
    gate: Waiters
    unblock: Callable[[], Awaitable[object]]
    is_possible: Callable[[], bool]
    settle: Callable[[bool], Awaitable[object]]
    exchanges: list[Exchange] = field(default_factory=list)


@dataclass
class Exchange:
    """One direction."""

    send: Callable[[bytes], Awaitable[object]]
    recv: Callable[[], Awaitable[Any]]


async def until(look: Callable[[], object]) -> None:
    """The loop runs until this is so."""
    async with asyncio.timeout(DEADLINE_S):
        while not look():  # noqa: ASYNC110  # nobody tells of it
            await asyncio.sleep(0.001)


async def arrive(talk: Talk) -> None:
    """Make it possible, and wait until it is."""
    await talk.unblock()
    await until(talk.is_possible)


async def exchange(talk: Talk) -> None:
    """A hundred messages each way arrive as they were sent."""
    for number in range(COUNT):
        for one in talk.exchanges:
            text = b"%d" % number
            await one.send(text)
            assert await one.recv() == text


async def last(receiving: Any) -> bytes:
    frames: tuple[bytes, ...] = await receiving.recv(DEADLINE_S)
    return frames[-1]


def one_way(a: Any, b: Any, before: tuple[bytes, ...] = ()) -> Exchange:
    return Exchange(lambda text: a.send([*before, text], DEADLINE_S), lambda: last(b))


# ------------------------------------------------------------------- receiving


@asynccontextmanager
async def pull_recv(folder: Path) -> AsyncIterator[Talk]:
    async with Push() as push, Pull() as pull:
        push.connect(await pull.bind(f"ipc://{folder}/socket"))

        async def settle(came: bool) -> None:
            if not came:
                await push.send(CUT)
            assert await last(pull) == CUT

        yield Talk(
            pull.recv,
            pull._actor.items,
            lambda: push.send(CUT),
            lambda: pull.statistics().inbox == 1,
            settle,
            [one_way(push, pull)],
        )


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

        async def settle(came: bool) -> None:
            if not came:
                await publish()
            assert await last(sub) == CUT

        try:
            yield Talk(
                sub.recv,
                sub._actor.items,
                publish,
                lambda: sub.statistics().inbox == 1,
                settle,
                [Exchange(publish, lambda: last(sub))],
            )
        finally:
            context.destroy(linger=0)


@asynccontextmanager
async def dealer_recv(folder: Path) -> AsyncIterator[Talk]:
    async with Dealer(identity=b"a") as dealer, Router() as router:
        dealer.connect(await router.bind(f"ipc://{folder}/socket"))
        await router.wait_for_peers(1, DEADLINE_S)

        async def settle(came: bool) -> None:
            if not came:
                await router.send([b"a", CUT])
            assert await last(dealer) == CUT

        yield Talk(
            dealer.recv,
            dealer._actor.items,
            lambda: router.send([b"a", CUT]),
            lambda: dealer.statistics().inbox == 1,
            settle,
            [one_way(dealer, router), one_way(router, dealer, (b"a",))],
        )


@asynccontextmanager
async def router_recv(folder: Path) -> AsyncIterator[Talk]:
    async with Dealer(identity=b"a") as dealer, Router() as router:
        router.connect(await dealer.bind(f"ipc://{folder}/socket"))
        await router.wait_for_peers(1, DEADLINE_S)

        async def settle(came: bool) -> None:
            if not came:
                await dealer.send(CUT)
            assert await router.recv(DEADLINE_S) == (b"a", CUT)

        yield Talk(
            router.recv,
            router._actor.items,
            lambda: dealer.send(CUT),
            lambda: router.statistics().inbox == 1,
            settle,
            [one_way(dealer, router), one_way(router, dealer, (b"a",))],
        )


def conversation(req: Req, rep: Rep) -> list[Exchange]:
    return [one_way(req, rep), one_way(rep, req)]


@asynccontextmanager
async def rep_recv(folder: Path) -> AsyncIterator[Talk]:
    async with Req() as req, Rep() as rep:
        req.connect(await rep.bind(f"ipc://{folder}/socket"))

        async def settle(came: bool) -> None:
            assert not rep.owes_reply
            if not came:
                await req.send(CUT)
            assert await last(rep) == CUT
            await rep.send(b"answer")
            assert await last(req) == b"answer"

        yield Talk(
            rep.recv,
            rep._actor.items,
            lambda: req.send(CUT),
            lambda: rep.statistics().inbox == 1,
            settle,
            conversation(req, rep),
        )


@asynccontextmanager
async def rep_recv_while_it_owes(folder: Path) -> AsyncIterator[Talk]:
    """As long as no other request has been received, the reply is owed."""
    async with Dealer() as dealer, Rep() as rep:
        dealer.connect(await rep.bind(f"ipc://{folder}/socket"))
        await dealer.send([b"1", b"", b"first"])
        assert await last(rep) == b"first"

        async def settle(came: bool) -> None:
            assert rep.owes_reply
            await rep.send(b"answer")
            assert await dealer.recv(DEADLINE_S) == (b"1", b"", b"answer")
            if not came:
                await dealer.send([b"2", b"", CUT])
            assert await last(rep) == CUT
            await rep.send(b"answer")
            assert await dealer.recv(DEADLINE_S) == (b"2", b"", b"answer")
            assert rep.statistics().dropped == 0

        yield Talk(
            rep.recv,
            rep._actor.items,
            lambda: dealer.send([b"2", b"", CUT]),
            lambda: rep.statistics().inbox == 1,
            settle,
            [one_way(dealer, rep, (b"",)), one_way(rep, dealer)],
        )


@asynccontextmanager
async def req_recv(folder: Path) -> AsyncIterator[Talk]:
    async with Req() as req, Rep() as rep:
        req.connect(await rep.bind(f"ipc://{folder}/socket"))
        await req.send(b"question")
        assert await last(rep) == b"question"

        async def settle(came: bool) -> None:
            assert req.is_waiting
            if not came:
                await rep.send(CUT)
            assert await last(req) == CUT
            with pytest.raises(StateError):
                await req.recv()

        yield Talk(
            req.recv,
            req._actor.items,
            lambda: rep.send(CUT),
            lambda: req.statistics().received == 1,
            settle,
            conversation(req, rep),
        )


@asynccontextmanager
async def req_recv_and_ask_again(folder: Path) -> AsyncIterator[Talk]:
    async with Req() as req, Rep() as rep:
        req.connect(await rep.bind(f"ipc://{folder}/socket"))
        await req.send(b"question")
        assert await last(rep) == b"question"

        async def settle(came: bool) -> None:
            await req.send(b"another")
            if not came:
                await rep.send(CUT)
            assert await last(rep) == b"another"
            await rep.send(b"the other answer")
            assert await last(req) == b"the other answer"

        yield Talk(
            req.recv,
            req._actor.items,
            lambda: rep.send(CUT),
            lambda: req.statistics().received == 1,
            settle,
            conversation(req, rep),
        )


# --------------------------------------------------------------------- sending


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


@asynccontextmanager
async def router_send(folder: Path) -> AsyncIterator[Talk]:
    async with Router(limits=SMALL) as router, Dealer(identity=b"a", limits=STALLED) as dealer:
        dealer.connect(await router.bind(f"ipc://{folder}/socket"))
        await router.wait_for_peers(1, DEADLINE_S)
        sent = 0
        while sent < 3 or router.try_send([b"a", BIG]):
            sent += 1
            if sent <= 3:
                await router.send([b"a", BIG])
            await asyncio.sleep(0.01)
        taken = 0

        async def take() -> None:
            nonlocal taken
            assert await last(dealer) == BIG
            taken += 1

        def has_room() -> bool:
            return router.statistics().outbox < SMALL.outbox_messages

        async def make_room() -> None:
            while not has_room() and taken < sent:
                await take()

        async def settle(came: bool) -> None:
            while taken < sent:
                await take()
            assert dealer.try_recv() is None

        yield Talk(
            lambda: router.send([b"a", CUT]),
            router._actor.room,
            make_room,
            has_room,
            settle,
            [one_way(dealer, router), one_way(router, dealer, (b"a",))],
        )


@asynccontextmanager
async def rep_send(folder: Path) -> AsyncIterator[Talk]:
    async with Rep(limits=SMALL) as rep, Dealer(limits=STALLED) as dealer:
        dealer.connect(await rep.bind(f"ipc://{folder}/socket"))
        answered = 0
        while True:
            await dealer.send([b"", b"question"])
            assert await last(rep) == b"question"
            await asyncio.sleep(0.01)
            if not rep.try_send(BIG):
                break
            answered += 1

        async def take() -> None:
            nonlocal answered
            assert await last(dealer) == BIG
            answered -= 1

        def has_room() -> bool:
            return rep.statistics().outbox < SMALL.outbox_messages

        async def make_room() -> None:
            while not has_room() and answered:
                await take()

        async def settle(came: bool) -> None:
            assert rep.owes_reply
            while answered:
                await take()
            await rep.send(b"answer")
            assert await last(dealer) == b"answer"
            assert not rep.owes_reply

        yield Talk(
            lambda: rep.send(CUT),
            rep._actor.room,
            make_room,
            has_room,
            settle,
            [one_way(dealer, rep, (b"",)), one_way(rep, dealer)],
        )


CELLS: dict[str, Callable[[Path], Any]] = {
    "Pull.recv": pull_recv,
    "Sub.recv": sub_recv,
    "Dealer.recv": dealer_recv,
    "Router.recv": router_recv,
    "Rep.recv": rep_recv,
    "Rep.recv while it owes": rep_recv_while_it_owes,
    "Req.recv": req_recv,
    "Req.recv, and asks again": req_recv_and_ask_again,
    "Push.send, full": full(Push),
    "Dealer.send, full": full(Dealer),
    "Push.send, nobody": alone(Push, Pull),
    "Dealer.send, nobody": alone(Dealer, Dealer),
    "Req.send, nobody": alone(Req, Rep),
    "Router.send": router_send,
    "Rep.send": rep_send,
}


@pytest.mark.parametrize("error", [asyncio.CancelledError, MemoryError])
@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("place", range(AWAITS))
@pytest.mark.parametrize("cell", CELLS)
def test_cut_at_every_await(
    cell: str, place: int, is_late: bool, error: type[BaseException], tmp_path: Path
) -> None:
    """Cut before what it waits for, or in the instant in which that is there."""

    async def main() -> None:
        async with CELLS[cell](tmp_path) as talk:
            call = talk.call()
            call.send(None)
            for _ in range(place):
                talk.gate.open()  # for nothing
                call.send(None)
            if is_late:
                await arrive(talk)
            with pytest.raises(error):
                call.throw(error())
            assert not len(talk.gate)
            await talk.settle(is_late)
            await exchange(talk)

    asyncio.run(asyncio.wait_for(main(), DEADLINE_S * 2))


@pytest.mark.parametrize("place", range(AWAITS))
@pytest.mark.parametrize("cell", CELLS)
def test_once_it_is_possible_nothing_is_awaited(cell: str, place: int, tmp_path: Path) -> None:
    """So there is no place behind the handing over where it could be cut."""

    async def main() -> None:
        async with CELLS[cell](tmp_path) as talk:
            call = talk.call()
            call.send(None)
            for _ in range(place):
                talk.gate.open()  # for nothing
                call.send(None)
            await arrive(talk)
            talk.gate.open()
            with pytest.raises(StopIteration):
                call.send(None)

    asyncio.run(asyncio.wait_for(main(), DEADLINE_S * 2))


@pytest.mark.parametrize("timeout", [0, 0.01])
@pytest.mark.parametrize("cell", CELLS)
def test_too_late_is_as_cancelled(cell: str, timeout: float, tmp_path: Path) -> None:
    async def main() -> None:
        async with CELLS[cell](tmp_path) as talk:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(timeout):
                    await talk.call()
            assert not len(talk.gate)
            await talk.settle(False)
            await exchange(talk)

    asyncio.run(asyncio.wait_for(main(), DEADLINE_S * 2))


# ------------------------------------------------------- calls that take no message


@pytest.mark.parametrize("steps", range(8))
def test_a_bind_that_is_cut_is_done_or_not(steps: int, tmp_path: Path) -> None:
    """After so many rounds of the loop; then another can have the endpoint, or it is served."""

    async def main() -> None:
        async with Pull() as pull, Pull() as other, Push() as push:
            endpoint = f"ipc://{tmp_path}/socket"
            task = asyncio.create_task(pull.bind(endpoint))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            done, _ = await asyncio.wait({task})
            receiving: Pull = pull
            if task.cancelled():
                await other.bind(endpoint)
                receiving = other
            else:
                assert done.pop().result() == endpoint
            push.connect(endpoint)
            await push.send(b"hello")
            assert await last(receiving) == b"hello"

    asyncio.run(asyncio.wait_for(main(), DEADLINE_S * 2))


@pytest.mark.parametrize("verb", ["drain", "close"])
@pytest.mark.parametrize("error", [asyncio.CancelledError, MemoryError])
def test_an_end_that_is_cut_goes_on(verb: str, error: type[BaseException], tmp_path: Path) -> None:
    """Who called it may call it again to wait; the messages go out in any case."""

    async def main() -> None:
        async with Push() as push, Pull() as pull:
            push.connect(f"ipc://{tmp_path}/socket")
            for number in range(COUNT):
                await push.send(b"%d" % number)
            call = getattr(push, verb)(None)
            call.send(None)
            with pytest.raises(error):
                call.throw(error())
            if verb == "close":
                with pytest.raises(ClosedError):
                    await push.send(CUT)
            await pull.bind(f"ipc://{tmp_path}/socket")
            await getattr(push, verb)(DEADLINE_S)
            assert [await last(pull) for _ in range(COUNT)] == [b"%d" % n for n in range(COUNT)]
            assert push.closed == (verb == "close")

    asyncio.run(asyncio.wait_for(main(), DEADLINE_S * 2))


@pytest.mark.parametrize("seed", range(4))
def test_calls_that_are_cut_at_random_under_load(seed: int, tmp_path: Path) -> None:
    """What was sent is what did not raise, and arrives once and in order, whoever is cut when."""
    chance = random.Random(seed)
    sent: list[bytes] = []
    got: list[bytes] = []

    async def send_all(push: Push) -> None:
        for number in range(2_000):
            text = b"%d" % number
            with suppress(TimeoutError):
                async with asyncio.timeout(chance.choice((None, 0, 0.0001, 0.001))):
                    await push.send(text)
                    sent.append(text)
            if chance.random() < 0.01:
                await asyncio.sleep(0)
        await push.send(b"end")

    async def receive_all(pull: Pull) -> None:
        while True:
            task = asyncio.create_task(pull.recv())
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            if chance.random() < 0.5:
                task.cancel()
            await asyncio.wait({task})
            if task.cancelled():
                continue
            text = task.result()[-1]
            if text == b"end":
                return
            got.append(text)

    async def main() -> None:
        limits = Limits(outbox_messages=5, inbox_messages=5)
        async with Push(limits=limits) as push, Pull(limits=limits) as pull:
            push.connect(await pull.bind(f"ipc://{tmp_path}/socket"))
            await asyncio.gather(send_all(push), receive_all(pull))

    asyncio.run(asyncio.wait_for(main(), DEADLINE_S * 2))
    assert got == sent
    assert len(sent) > 100
