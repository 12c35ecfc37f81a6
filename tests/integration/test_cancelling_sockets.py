"""The cancellation table: each call of each socket of asyncio, cut at each await that it has.

After each cut a hundred messages go both ways: none is lost, none comes twice, and all in order.
What is true at the cut itself is asked before: was it sent, is the message still there, whose turn
is it. docs/reference/sockets.md says it of each.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from fanout.errors import ClosedError
from fanout.sockets import Limits
from fanout.sockets.asyncio import Dealer, Pull, Push, Rep, Req
from tests.helpers.cancelling.receiving import (
    dealer_recv,
    pull_recv,
    rep_recv,
    rep_recv_while_it_owes,
    req_recv,
    req_recv_and_ask_again,
    router_recv,
    sub_recv,
)
from tests.helpers.cancelling.sending import alone, full, rep_send, router_send
from tests.helpers.cancelling.talk import COUNT, CUT, last, run
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AWAITS = 3  # of one call: it is woken for nothing, and waits again

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
            call = talk.begun(place)
            if is_late:
                await talk.arrive()
            with pytest.raises(error):
                call.throw(error())
            await talk.go_on(is_late)

    run(main)


@pytest.mark.parametrize("place", range(AWAITS))
@pytest.mark.parametrize("cell", CELLS)
def test_once_it_is_possible_nothing_is_awaited(cell: str, place: int, tmp_path: Path) -> None:
    """So there is no place behind the handing over where it could be cut."""

    async def main() -> None:
        async with CELLS[cell](tmp_path) as talk:
            call = talk.begun(place)
            await talk.arrive()
            talk.gate.open()
            with pytest.raises(StopIteration):
                call.send(None)

    run(main)


@pytest.mark.parametrize("timeout", [0, 0.01])
@pytest.mark.parametrize("cell", CELLS)
def test_too_late_is_as_cancelled(cell: str, timeout: float, tmp_path: Path) -> None:
    async def main() -> None:
        async with CELLS[cell](tmp_path) as talk:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(timeout):
                    await talk.call()
            await talk.go_on(False)

    run(main)


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

    run(main)


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

    run(main)


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

    run(main)
    assert got == sent
    assert len(sent) > 100
