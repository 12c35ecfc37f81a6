"""Sockets as users hold them, in both faces: what they take, refuse, wait for, and tell."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

import fanout
from fanout import BindError, ClosedError, ConfigError
from fanout.sockets import (
    Dealer,
    Limits,
    ProblemKind,
    Pull,
    Push,
    Rep,
    Req,
    Router,
    RouterError,
    StateError,
    Sub,
)
from fanout.sockets import asyncio as awaited
from fanout.zmtp.commands import pong
from tests.helpers.waiting import DEADLINE_S, wait_until
from tests.unit.zmtp.wire import GREETING

KINDS = [Push, Pull, Dealer, Router, Req, Rep, Sub]
NAMES = [kind.__name__ for kind in KINDS]
NOBODY = "ipc://@fanout-test-nobody-is-here"


def run(main: Any) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await main()

    asyncio.run(bounded())


def test_they_are_found_in_the_package() -> None:
    assert fanout.sockets.Push is Push  # imported when it is asked for


@pytest.mark.parametrize("name", NAMES)
def test_both_faces_have_the_same_calls(name: str) -> None:
    import fanout.sockets

    blocking, other = getattr(fanout.sockets, name), getattr(awaited, name)

    def calls(kind: type) -> set[str]:
        return {call for call in dir(kind) if not call.startswith("_")}

    assert calls(blocking) == calls(other)
    assert all(kind.__doc__ for kind in (blocking, other))


@pytest.mark.parametrize(
    "message", ["text", 7, None, [], [b"x", "text"], [b"x", None], {"a": 1}], ids=repr
)
def test_what_is_no_message_is_refused(message: Any) -> None:
    with Push() as push:
        push.connect(NOBODY)
        with pytest.raises((TypeError, ValueError), match=r"message|frame"):
            push.send(message)
        assert push.statistics().outbox == 0
        push.stop()


@pytest.mark.parametrize(
    "message", [b"xy", bytearray(b"xy"), memoryview(b"xy"), (b"xy",), iter([b"xy"])]
)
def test_what_is_a_message_of_one_frame(message: Any) -> None:
    with Push() as push, Pull() as pull:
        push.connect(pull.bind("ipc://*"))
        push.send(message, DEADLINE_S)
        assert pull.recv(DEADLINE_S) == (b"xy",)


@pytest.mark.parametrize("timeout", [-1, float("nan"), "1", True])
def test_what_is_no_timeout_is_refused(timeout: Any) -> None:
    with Dealer() as dealer:
        dealer.connect(NOBODY)
        for call in (dealer.recv, lambda timeout: dealer.send(b"x", timeout), dealer.drain):
            with pytest.raises((TypeError, ValueError), match="timeout"):
                call(timeout)


@pytest.mark.parametrize(
    "endpoint", ["tcp://*:5556", "tcp://127.0.0.1:*", "ipc://*", "x", "udp://x:1"]
)
def test_endpoints_that_nobody_can_connect_to(endpoint: str) -> None:
    with Push() as push, pytest.raises(ConfigError):
        push.connect(endpoint)


def test_an_endpoint_that_is_taken() -> None:
    with Pull() as pull, Pull() as other:
        endpoint = pull.bind("tcp://127.0.0.1:*")
        with pytest.raises(BindError, match="in use"):
            other.bind(endpoint)

    async def main() -> None:
        async with awaited.Pull() as one, awaited.Pull() as two:
            endpoint = await one.bind("tcp://127.0.0.1:*")
            with pytest.raises(BindError, match="in use"):
                await two.bind(endpoint)

    run(main)


def test_names_of_hosts_are_looked_up() -> None:
    with Push() as push, Pull() as pull:
        port = pull.bind("tcp://127.0.0.1:*").rpartition(":")[2]
        push.connect(f"tcp://localhost:{port}")
        push.send(b"x", DEADLINE_S)
        assert pull.recv(DEADLINE_S) == (b"x",)

    async def main() -> None:
        async with awaited.Push() as push, awaited.Pull() as pull:
            port = (await pull.bind("tcp://127.0.0.1:*")).rpartition(":")[2]
            push.connect(f"tcp://localhost:{port}")
            await push.send(b"x")
            assert await pull.recv() == (b"x",)

    run(main)


NOT_THERE = "tcp://host.invalid:5556"


@pytest.mark.parametrize("endpoint", [NOT_THERE, NOBODY])
def test_who_cannot_be_connected_to_is_told(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(host: str, *_: object, **__: object) -> None:
        raise socket.gaierror(-2, f"nobody knows {host}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with Push() as push:
        push.connect(endpoint)
        problem = wait_until(push.errors, "it is told")[0]
        assert (problem.kind, problem.peer) == (ProblemKind.FAILED, endpoint)
        push.stop()

    async def main() -> None:
        async with awaited.Push() as push:
            push.connect(endpoint)
            while not (problems := push.errors()):  # noqa: ASYNC110  # nobody tells of it
                await asyncio.sleep(0.005)
            assert problems[0].kind is ProblemKind.FAILED
            await push.stop()

    run(main)


def test_messages_are_iterated_over_until_it_is_closed() -> None:
    got: list[bytes] = []

    def iterate() -> None:
        got.extend(frames[0] for frames in pull)

    with Push() as push, Pull() as pull:
        push.connect(pull.bind("ipc://*"))
        iterating = threading.Thread(target=iterate)
        iterating.start()
        for number in range(5):
            push.send(b"%d" % number, DEADLINE_S)
        wait_until(lambda: len(got) == 5, "all have come")
        pull.close()
        iterating.join(DEADLINE_S)
        assert not iterating.is_alive()

    async def main() -> None:
        async with awaited.Push() as push, awaited.Pull() as pull:
            push.connect(await pull.bind("ipc://*"))
            await push.send(b"x")
            async for frames in pull:
                assert frames == (b"x",)
                asyncio.get_running_loop().call_soon(asyncio.ensure_future, pull.stop())

    run(main)


def test_without_waiting() -> None:
    with Dealer() as a, Dealer() as b:
        endpoint = b.bind("ipc://*")
        assert not a.try_send(b"nobody is there")
        assert b.try_recv() is None
        a.connect(endpoint)
        assert a.try_send(b"x")
        wait_until(lambda: b.statistics().inbox, "it has come")
        assert b.try_recv() == (b"x",)


@pytest.mark.parametrize("name", NAMES)
def test_a_closed_socket_refuses_everything(name: str) -> None:
    import fanout.sockets

    one = getattr(fanout.sockets, name)()
    assert "0 peers" in repr(one)
    assert one.close() == 0
    assert one.close() == 0
    assert one.closed
    assert "closed" in repr(one)
    calls: list[Any] = [lambda: one.connect(NOBODY), lambda: one.bind("ipc://*"), one.__enter__]
    calls += [lambda: one.send([b"x", b"y"])] if hasattr(one, "send") else []
    calls += [one.recv, one.try_recv] if hasattr(one, "recv") else []
    calls += [lambda: one.subscribe(b"x")] if hasattr(one, "subscribe") else []
    for call in [*calls, one.wait_for_peers]:
        with pytest.raises(ClosedError, match="closed"):
            call()
    one.drain()
    assert one.errors() == []
    assert one.statistics().peers == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_closed_socket_of_asyncio_refuses_everything(name: str) -> None:
    async def main() -> None:
        one = getattr(awaited, name)()
        assert await one.stop() == 0
        assert await one.close() == 0
        calls: list[Any] = [lambda: one.bind("ipc://*"), one.wait_for_peers]
        calls += [lambda: one.send([b"x", b"y"])] if hasattr(one, "send") else []
        calls += [one.recv] if hasattr(one, "recv") else []
        for call in calls:
            with pytest.raises(ClosedError, match="closed"):
                await call()
        with pytest.raises(ClosedError):
            one.connect(NOBODY)

    run(main)


def test_each_face_says_of_the_other_how_it_is_used() -> None:
    async def main() -> None:
        with Pull() as pull, pytest.raises(TypeError, match="asyncio"):
            async with pull:  # type: ignore[attr-defined]  # that is the mistake
                pass
        other = awaited.Pull()
        with pytest.raises(TypeError, match="async with"), other:  # type: ignore[attr-defined]
            pass
        await other.close()

    run(main)
    with pytest.raises(RuntimeError, match="event loop"):
        awaited.Pull()


def test_out_of_turn() -> None:
    with Req() as req, Rep() as rep:
        req.connect(rep.bind("ipc://*"))
        with pytest.raises(StateError, match="send"):
            req.recv()
        with pytest.raises(StateError, match="recv"):
            rep.send(b"answer")
        req.send(b"question", DEADLINE_S)
        assert rep.recv(DEADLINE_S) == (b"question",)
        rep.send(b"answer")
        assert req.recv(DEADLINE_S) == (b"answer",)


def test_to_nobody() -> None:
    with Router(mandatory=True) as router, pytest.raises(RouterError):
        router.send([b"nobody", b"x"])
    with Router() as router:
        router.send([b"nobody", b"x"])
        assert router.statistics().dropped == 1


def test_an_identity_that_is_taken_is_told_on_both_sides() -> None:
    with Router() as router, Dealer(identity=b"a") as first, Dealer(identity=b"a") as second:
        endpoint = router.bind("ipc://*")
        first.connect(endpoint)
        first.wait_for_peers(1, DEADLINE_S)
        router.wait_for_peers(1, DEADLINE_S)
        second.connect(endpoint)
        problem = wait_until(router.errors, "it is told")[0]
        assert problem.kind is ProblemKind.REFUSED
        assert "taken" in problem.text
        router.send([b"a", b"x"])
        assert first.recv(DEADLINE_S) == (b"x",)


def test_close_sends_what_waits_and_says_what_it_has_dropped() -> None:
    with Pull() as pull:
        push = Push()
        push.connect(pull.bind("ipc://*"))
        for number in range(1000):
            push.send(b"%d" % number, DEADLINE_S)
        assert push.close() == 0
        assert [int(pull.recv(DEADLINE_S)[0]) for _ in range(1000)] == list(range(1000))
    push = Push()
    push.connect(NOBODY)
    push.send(b"1")
    push.send(b"2")
    with pytest.raises(TimeoutError, match="sent"):
        push.drain(0.01)
    assert push.close(0.05) == 2
    assert push.statistics().dropped == 2


def test_what_was_sent_arrives_though_the_peer_answers_after_the_end() -> None:
    """An answer to a socket that is closed resets the connection, and with it what is unread."""
    ready = bytes.fromhex("041a0552454144590b536f636b65742d547970650000000450554c4c")
    with socket.create_server(("127.0.0.1", 0)) as server, Push() as push:
        push.connect(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        peer, _ = server.accept()
        with peer:
            peer.settimeout(DEADLINE_S)
            peer.sendall(GREETING + ready)
            push.send(b"x" * 100, DEADLINE_S)
            wait_until(lambda: push.statistics().sent == 1, "it is in the hands of the kernel")
            closing = threading.Thread(target=push.close)
            closing.start()
            wait_until(lambda: state_of(peer) == CLOSE_WAIT, "the end has come")
            peer.sendall(pong(b"late"))
            peer.sendall(pong(b"later"))  # a reset comes at once, if one comes
            received = b""
            while data := peer.recv(65536):
                received += data
        closing.join()
    assert received.endswith(b"x" * 100)


CLOSE_WAIT = 8  # include/net/tcp_states.h


def state_of(sock: socket.socket) -> int:
    """Of a TCP connection."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def test_limits_are_for_both_directions() -> None:
    limits = Limits(outbox_messages=2, inbox_messages=2)
    with Dealer(limits=limits) as a, Dealer(limits=limits) as b:
        a.connect(b.bind("ipc://*"))
        a.wait_for_peers(1, DEADLINE_S)
        body = b"x" * 500_000
        sent = 0
        while True:
            try:
                a.send(body, 0.2 if sent >= 4 else DEADLINE_S)
            except TimeoutError:
                break
            sent += 1
        assert a.statistics().outbox <= 2 + 1  # one is on its way
        for _ in range(sent):
            assert b.recv(DEADLINE_S) == (body,)
        a.send(b"end", DEADLINE_S)
        assert b.recv(DEADLINE_S) == (b"end",)
