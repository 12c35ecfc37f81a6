"""What other implementations of the roles got wrong, asked of ours: each test has one story."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from fanout.errors import ClosedError, ForkedError
from fanout.sockets import Dealer, Limits, ProblemKind, Pull, Push, Rep, Req, Router
from fanout.sockets.asyncio import Pull as AwaitedPull
from fanout.sockets.asyncio import Push as AwaitedPush
from fanout.sockets.asyncio import Rep as AwaitedRep
from fanout.sockets.asyncio import Req as AwaitedReq
from fanout.sockets.wiring import Wiring
from tests.helpers.raw import command, greeting_3
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

BIG = b"x" * 1_000_000


@contextmanager
def blocked() -> Iterator[tuple[Dealer, Dealer, int]]:
    """One that cannot send more, since the other takes nothing; and how many it has handed over.

    On a busy machine a send may wait in vain because their threads have no turn: so nothing must
    have gone on between two such sends, and the other must have what it may hold.
    """
    limits = Limits(outbox_messages=2, inbox_messages=1)
    with Dealer(limits=limits) as a, Dealer(limits=limits) as b:
        a.connect(b.bind("ipc://*"))
        sent, before = 0, (-1, -1)
        while True:
            try:
                a.send(BIG, 0.2 if sent > 3 else DEADLINE_S)
                sent += 1
            except TimeoutError:
                now = a.statistics().sent, b.statistics().received
                if now == before and b.statistics().inbox:
                    break
                before = now
        yield a, b, sent
        a.stop()
        b.stop()


IDENTITY = b"\x08Identity\x00\x00\x00\x01a"
READS_NOTHING: dict[type[Any], tuple[bytes, list[bytes]]] = {
    Push: (b"PULL", []),
    Dealer: (b"DEALER", []),
    Router: (b"DEALER", [b"a"]),
    Req: (b"REP", []),
}


@pytest.mark.parametrize("kind", READS_NOTHING)
def test_who_reads_nothing_makes_us_wait_and_is_not_lost(
    kind: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers no PING while it does not read: as with libzmq that is no reason to hang up."""
    monkeypatch.setattr("fanout.subscriber.heartbeat.PING_EACH_S", 0.05)
    monkeypatch.setattr("fanout.subscriber.heartbeat.LOST_AFTER_S", 0.2)
    monkeypatch.setattr("fanout.sockets.wiring.LOOK_EACH_S", 0.05)
    other, before = READS_NOTHING[kind]
    with kind() as sender:
        host, _, port = sender.bind("tcp://127.0.0.1:*").removeprefix("tcp://").rpartition(":")
        with socket.create_connection((host, int(port)), DEADLINE_S) as peer:
            name = b"\x0bSocket-Type" + len(other).to_bytes(4, "big") + other
            peer.sendall(greeting_3(1) + command(b"READY", name + IDENTITY))
            data = b""
            while b"\x04PING" not in data:
                data += peer.recv(4096)
            peer.sendall(command(b"PONG", b""))
            [ours] = sender._actor.core.peers
            wait_until(lambda: ours._heartbeat.answers, "its PONG is there")
            count = 1 if kind is Req else 3
            for _ in range(count):
                sender.send([*before, BIG * 10], DEADLINE_S)
            with pytest.raises(TimeoutError):
                sender.drain(1.5)
            assert (sender.peers, sender.errors()) == (1, [])
            peer.settimeout(DEADLINE_S)
            rest = count * len(BIG * 10)
            while rest > 0:
                rest -= len(peer.recv(1 << 20))
            sender.drain(DEADLINE_S)
            assert sender.statistics().dropped == 0


def test_who_cannot_send_receives() -> None:
    """A pair of channels that waits for its socket to take one message reads nothing meanwhile."""
    with blocked() as (a, b, _):
        b.send(b"hello", DEADLINE_S)
        assert a.recv(DEADLINE_S) == (b"hello",)


def test_whose_inbox_is_full_sends() -> None:
    with blocked() as (_, b, _sent):
        assert b.statistics().inbox >= 1
        with Dealer() as other:
            other.connect(b.bind("ipc://*"))
            b.wait_for_peers(2, DEADLINE_S)
            for _ in range(2):  # one to each of its peers
                b.send(b"hello", DEADLINE_S)
            assert other.recv(DEADLINE_S) == (b"hello",)


def test_stop_ends_at_once_and_says_what_it_has_dropped() -> None:
    """In others it takes the path of drain, or is not even seen behind a full inbox."""
    with blocked() as (a, b, sent):
        with pytest.raises(TimeoutError):
            a.drain(0)
        before = a.statistics()
        dropped = a.stop()
        after = a.statistics()
        assert 0 < dropped == after.dropped
        assert before.sent + before.outbox == sent == after.sent + after.dropped
        assert b.stop() == 0
        assert b.statistics().discarded == b.statistics().received
        for one in (a, b):
            with pytest.raises(ClosedError):
                one.send(b"after")
            with pytest.raises(ClosedError):
                one.recv()


def test_who_waits_is_told_of_the_end() -> None:
    told: list[str] = []

    def wait(name: str, call: object) -> None:
        try:
            call(DEADLINE_S)  # type: ignore[operator]  # a call of a socket
        except ClosedError:
            told.append(name)

    with blocked() as (a, _, _sent):
        calls = {
            "recv": a.recv,
            "send": lambda timeout: a.send(b"x", timeout),
            "peers": lambda timeout: a.wait_for_peers(9, timeout),
        }
        threads = [threading.Thread(target=wait, args=item) for item in calls.items()]
        for thread in threads:
            thread.start()
        wait_until(lambda: a._actor.items.waiters and a._actor.room.waiters, "they wait")
        a.stop()
        for thread in threads:
            thread.join(DEADLINE_S)
    assert sorted(told) == ["peers", "recv", "send"]


def test_after_a_failure_nothing_is_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """In others a send says that all is well, into a channel that nobody reads."""

    def fail(*_: object) -> None:
        raise RuntimeError("meant")

    with Push() as push:
        push.bind("ipc://*")
        monkeypatch.setattr(Wiring, "_look", fail)
        push._actor.order(lambda: None)
        wait_until(lambda: push.closed, "it has failed")
        with pytest.raises(ClosedError, match="meant") as caught:
            push.send(b"hello")
        assert isinstance(caught.value.__cause__, RuntimeError)
        monkeypatch.undo()


def test_whose_end_fails_is_over_nevertheless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else who waits for it would wait for ever."""

    def fail(*_: object) -> None:
        raise RuntimeError("meant")

    pull = Pull()
    closing = Wiring.close
    monkeypatch.setattr(Wiring, "close", fail)
    pull.close()
    assert pull.closed
    with pytest.raises(ClosedError, match="meant"):
        pull.recv()
    closing(pull._actor.wiring, 0.0)

    async def main() -> None:
        one = AwaitedRep()
        waiting = asyncio.create_task(one.recv())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="meant"):
            await one.stop()
        with pytest.raises(ClosedError):
            await waiting

    asyncio.run(main())


def test_what_is_handed_over_to_who_is_gone_is_counted() -> None:
    with Router() as router:
        endpoint = router.bind("ipc://*")
        with Dealer(identity=b"a") as dealer:
            dealer.connect(endpoint)
            router.wait_for_peers(1, DEADLINE_S)
            router._actor.wiring._is_paused = True
        sent = 0
        while b"a" in router._actor.role.peers:  # type: ignore[attr-defined]  # a Router has some
            sent += router.try_send([b"a", BIG])
        router.drain(DEADLINE_S)
        statistics = router.statistics()
        assert statistics.sent + statistics.dropped >= sent
        kinds = [problem.kind for problem in router.errors()]
        assert ProblemKind.LOST in kinds
        assert kinds.count(ProblemKind.UNDELIVERED) == statistics.dropped


@pytest.mark.filterwarnings("ignore:.*was not closed:ResourceWarning")
def test_a_socket_that_nobody_holds_is_gone() -> None:
    """Its thread ends, and its descriptors are closed."""
    gc.collect()
    before = {*os.listdir("/proc/self/fd")}, threading.active_count()
    pull = Pull()
    pull.bind("ipc://*")
    del pull
    wait_until(lambda: gc.collect() or threading.active_count() == before[1], "its thread")
    wait_until(
        lambda: gc.collect() or {*os.listdir("/proc/self/fd")} <= before[0], "its descriptors"
    )


def test_one_that_was_not_closed_is_told() -> None:
    held = [Pull()]
    with pytest.warns(ResourceWarning, match="not closed"):
        held.clear()


def test_two_that_ask_at_once_get_one_reply_between_them() -> None:
    """In others both pass the look at the state, since that is not where the state changes."""

    async def main() -> None:
        async with AwaitedReq() as req, AwaitedRep() as rep:
            endpoint = await rep.bind("ipc://*")
            asking = [asyncio.create_task(req.send(b"%d" % number)) for number in range(2)]
            await asyncio.sleep(0)
            req.connect(endpoint)
            await asyncio.gather(*asking)
            assert req.is_waiting
            question = await rep.recv(DEADLINE_S)
            if question == (b"0",):  # it had gone out before the other was asked
                await rep.send(b"old")
                question = await rep.recv(DEADLINE_S)
            assert question == (b"1",)
            await rep.send(b"answer")
            assert await req.recv(DEADLINE_S) == (b"answer",)
            assert not req.is_waiting

    asyncio.run(main())


def test_nothing_is_done_while_there_is_nothing_to_do() -> None:
    """A bridge that polls each 10 ms wakes a hundred times a second, for nothing."""
    with Pull() as pull, Push() as push:
        push.connect(pull.bind("ipc://*"))
        push.wait_for_peers(1, DEADLINE_S)
        push.send(b"x")
        pull.recv(DEADLINE_S)
        before = pull._actor._turns
        with pytest.raises(TimeoutError):
            pull.recv(1.0)
        assert pull._actor._turns - before < 10


def test_in_a_forked_child_it_is_not_there_and_the_parent_goes_on() -> None:
    with Pull() as pull, Push() as push:
        endpoint = pull.bind("tcp://127.0.0.1:*")
        push.connect(endpoint)
        push.wait_for_peers(1, DEADLINE_S)
        child = os.fork()
        if not child:
            status = 1
            try:
                for call in (lambda: push.send(b"x"), pull.recv, lambda: push.connect(endpoint)):
                    try:
                        call()
                    except ForkedError:
                        continue
                    os._exit(2)
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        push.send(b"hello")
        assert pull.recv(DEADLINE_S) == (b"hello",)


def test_one_of_asyncio_is_not_there_in_a_forked_child_either() -> None:
    """Nor does the child take the parent's sockets out of the parent's loop."""

    async def main() -> None:
        async with AwaitedPull() as pull, AwaitedPush() as push:
            push.connect(await pull.bind("tcp://127.0.0.1:*"))
            await push.wait_for_peers(1, DEADLINE_S)
            child = os.fork()
            if not child:
                status = 1
                try:
                    for call in (push.send(b"x"), pull.recv(), push.bind("ipc://*")):
                        try:
                            await call
                        except ForkedError:
                            continue
                        os._exit(2)
                    try:
                        push.try_send(b"x")
                    except ForkedError:
                        await push.close()
                        status = 0
                finally:
                    os._exit(status)
            ended = await asyncio.to_thread(os.waitpid, child, 0)
            assert os.waitstatus_to_exitcode(ended[1]) == 0
            for number in range(10):
                await push.send(b"%d" % number)
                assert await pull.recv(DEADLINE_S) == (b"%d" % number,)

    asyncio.run(main())


def test_on_another_loop_it_is_refused() -> None:
    """There it would wait for a loop that does not know of it."""

    async def main() -> None:
        async with AwaitedPush() as push:
            push.connect("ipc://@fanout-test-nobody-is-here")
            for call in (push.send(b"x"), push.bind("ipc://*")):
                with pytest.raises(RuntimeError, match="belongs to the event loop"):
                    await asyncio.to_thread(asyncio.run, call)
            with pytest.raises(RuntimeError, match="belongs to the event loop"):
                await asyncio.to_thread(push.try_send, b"x")
            assert push.statistics().outbox == 0
            await push.stop()

    asyncio.run(main())


def test_without_descriptors_it_accepts_later() -> None:
    """Who waits is served once there are some, and nothing spins meanwhile."""
    with Pull() as pull:
        endpoint = pull.bind("tcp://127.0.0.1:*")
        host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        peer = socket.socket()
        highest = max(map(int, os.listdir("/proc/self/fd")))
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
            fillers = []
            try:
                while True:
                    fillers.append(os.dup(peer.fileno()))
            except OSError:
                pass
            peer.connect((host, int(port)))
            problem = wait_until(pull.errors, "it is told")[0]
            assert problem.kind is ProblemKind.REFUSED
            assert "descriptors" in problem.text
            turns = pull._actor._turns
            with pytest.raises(TimeoutError):
                pull.recv(0.3)
            assert pull._actor._turns - turns < 10
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for filler in fillers:
                os.close(filler)
        peer.settimeout(DEADLINE_S)
        assert peer.recv(10) == bytes.fromhex("ff00000000000000017f")
        peer.close()


@pytest.mark.parametrize(
    "noise",
    [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100, bytes(1000), b"\xff" + bytes(8) + b"\x7f\x03\x01"],
)
def test_strangers_do_no_harm(noise: bytes) -> None:
    with Rep() as rep, Req() as req:
        endpoint = rep.bind("tcp://127.0.0.1:*")
        host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
        with socket.create_connection((host, int(port)), DEADLINE_S) as stranger:
            stranger.sendall(noise)
            req.connect(endpoint)
            req.send(b"question", DEADLINE_S)
            assert rep.recv(DEADLINE_S) == (b"question",)
            rep.send(b"answer", DEADLINE_S)
            assert req.recv(DEADLINE_S) == (b"answer",)
