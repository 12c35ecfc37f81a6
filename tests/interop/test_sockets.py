"""Sockets of every role with libzmq at the other end: both directions, frames, reconnects."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from fanout.sockets import (
    Dealer,
    Limits,
    NoReplyError,
    ProblemKind,
    Pull,
    Push,
    Rep,
    Req,
    Router,
    RouterError,
    Sub,
)
from tests.helpers.raw import SIGNATURE, command, frame, greeting_3
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.helpers.stock import Socket, Stock

FRAMES: list[list[bytes]] = [
    [b"one"],
    [b""],
    [b"two", b"frames"],
    [b"", b"", b""],
    [b"x" * 255, b"y" * 256, b"z" * 70_000],
    [b"many", *(b"%d" % number for number in range(200))],
]
ENDPOINTS = ["tcp://127.0.0.1:*", "ipc://*"]
COUNT = 300


def join(ours: Push | Pull | Dealer | Router | Req | Rep | Sub, theirs: Socket, way: str) -> None:
    """Connect both, over tcp or ipc, whoever binds."""
    who, endpoint = way.split(" ", 1)
    if who == "bind":
        theirs.connect(ours.bind(endpoint))
    else:
        theirs.bind(endpoint)
        ours.connect(theirs.get_string(zmq.LAST_ENDPOINT))
    ours.wait_for_peers(1, DEADLINE_S)


WAYS = [f"{who} {endpoint}" for who in ("bind", "connect") for endpoint in ENDPOINTS]
WAYS = [way for way in WAYS if way != "connect ipc://*"]  # libzmq: only on a path of its own


def received(theirs: Socket, count: int) -> list[list[bytes]]:
    return [theirs.recv_multipart() for _ in range(count)]


@pytest.mark.parametrize("way", WAYS)
def test_push(stock: Stock, way: str) -> None:
    with Push() as push:
        pull = stock.socket(zmq.PULL)
        join(push, pull, way)
        for frames in FRAMES:
            push.send(frames)
        assert received(pull, len(FRAMES)) == FRAMES


@pytest.mark.parametrize("way", WAYS)
def test_pull(stock: Stock, way: str) -> None:
    with Pull() as pull:
        push = stock.socket(zmq.PUSH)
        join(pull, push, way)
        for frames in FRAMES:
            push.send_multipart(frames)
        assert [list(pull.recv(DEADLINE_S)) for _ in FRAMES] == FRAMES


@pytest.mark.parametrize("way", WAYS)
def test_dealer(stock: Stock, way: str) -> None:
    with Dealer(identity=b"me") as dealer:
        router = stock.socket(zmq.ROUTER)
        join(dealer, router, way)
        for frames in FRAMES:
            dealer.send(frames)
        assert received(router, len(FRAMES)) == [[b"me", *frames] for frames in FRAMES]
        for frames in FRAMES:
            router.send_multipart([b"me", *frames])
        assert [list(dealer.recv(DEADLINE_S)) for _ in FRAMES] == FRAMES


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("identity", [b"", b"you"])
def test_router(stock: Stock, way: str, identity: bytes) -> None:
    with Router(mandatory=True) as router:
        dealer = stock.socket(zmq.DEALER)
        if identity:
            dealer.set(zmq.IDENTITY, identity)
        join(router, dealer, way)
        for frames in FRAMES:
            dealer.send_multipart(frames)
        got = [router.recv(DEADLINE_S) for _ in FRAMES]
        name = identity or got[0][0]
        assert [list(frames) for frames in got] == [[name, *frames] for frames in FRAMES]
        for frames in FRAMES:
            router.send([name, *frames])
        assert received(dealer, len(FRAMES)) == FRAMES
        with pytest.raises(RouterError):
            router.send([b"nobody", b"hello"])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("correlate", [True, False])
def test_req_with_rep(stock: Stock, way: str, correlate: bool) -> None:
    with Req(correlate=correlate) as req:
        rep = stock.socket(zmq.REP)
        join(req, rep, way)
        for frames in FRAMES:
            req.send(frames)
            assert rep.recv_multipart() == frames
            rep.send_multipart([*frames, b"answer"])
            assert list(req.recv(DEADLINE_S)) == [*frames, b"answer"]
            assert not req.is_waiting


def test_req_with_router_that_answers_late(stock: Stock) -> None:
    with Req() as req:
        router = stock.socket(zmq.ROUTER)
        join(req, router, "bind tcp://127.0.0.1:*")
        req.send(b"first")
        first = router.recv_multipart()
        assert first[2:] == [b"", b"first"]
        req.send(b"second")
        second = router.recv_multipart()
        router.send_multipart([*first[:3], b"old"])
        router.send_multipart([*second[:3], b"new"])
        router.send_multipart([*second[:3], b"again"])
        assert req.recv(DEADLINE_S) == (b"new",)
        wait_until(lambda: req.statistics().discarded == 2, "old and doubled replies are dropped")


def test_req_without_numbers_is_understood_by_a_router_that_knows_none(stock: Stock) -> None:
    """Who asks again closes the connection over which the old reply could come."""
    with Req(correlate=False) as req:
        router = stock.socket(zmq.ROUTER)
        router.bind("tcp://127.0.0.1:*")
        req.connect(router.get_string(zmq.LAST_ENDPOINT))
        req.send(b"first")
        name, empty, body = router.recv_multipart()
        assert (empty, body) == (b"", b"first")
        req.send(b"second")
        other, empty, body = router.recv_multipart()
        assert (empty, body) == (b"", b"second")
        assert other != name
        router.send_multipart([name, b"", b"old"])
        router.send_multipart([other, b"", b"new"])
        assert req.recv(DEADLINE_S) == (b"new",)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("correlate", [0, 1])
def test_rep_with_req(stock: Stock, way: str, correlate: int) -> None:
    with Rep() as rep:
        req = stock.socket(zmq.REQ, {zmq.REQ_CORRELATE: correlate})
        join(rep, req, way)
        for frames in FRAMES:
            req.send_multipart(frames)
            assert list(rep.recv(DEADLINE_S)) == frames
            assert rep.owes_reply
            rep.send([*frames, b"answer"])
            assert req.recv_multipart() == [*frames, b"answer"]


def test_rep_behind_a_proxy_keeps_the_whole_envelope(stock: Stock) -> None:
    with Rep() as rep:
        dealer = stock.socket(zmq.DEALER)
        join(rep, dealer, "bind tcp://127.0.0.1:*")
        dealer.send_multipart([b"asker", b"\0\0\0\1", b"", b"question", b""])
        assert rep.recv(DEADLINE_S) == (b"question", b"")
        rep.send(b"answer")
        assert dealer.recv_multipart() == [b"asker", b"\0\0\0\1", b"", b"answer"]
        dealer.send_multipart([b"no", b"delimiter"])
        dealer.send_multipart([b"no body", b""])
        dealer.send_multipart([b"", b"good"])
        assert rep.recv(DEADLINE_S) == (b"good",)
        assert [one.kind for one in rep.errors()] == [ProblemKind.MALFORMED] * 2


@pytest.mark.parametrize("way", WAYS)
def test_sub(stock: Stock, way: str) -> None:
    with Sub(["A", b"B"]) as sub:
        xpub = stock.socket(zmq.XPUB)
        join(sub, xpub, way)
        assert sorted(xpub.recv() for _ in range(2)) == [b"\x01A", b"\x01B"]
        for frames in ([b"A1", b"x"], [b"C1"], [b"B1", b"", b"y"]):
            xpub.send_multipart(frames)
        assert [sub.recv(DEADLINE_S) for _ in range(2)] == [(b"A1", b"x"), (b"B1", b"", b"y")]
        sub.subscribe("C")
        sub.unsubscribe("A")
        assert [xpub.recv() for _ in range(2)] == [b"\x01C", b"\x00A"]
        for frames in ([b"A1"], [b"C2"]):
            xpub.send_multipart(frames)
        assert sub.recv(DEADLINE_S) == (b"C2",)


@pytest.mark.parametrize("way", ["bind", "connect"])
def test_push_to_several_goes_round(stock: Stock, way: str) -> None:
    with Push() as push:
        pulls = [stock.socket(zmq.PULL) for _ in range(3)]
        for pull in pulls:
            if way == "bind":
                pull.connect(push.bind("tcp://127.0.0.1:*"))
            else:
                pull.bind("tcp://127.0.0.1:*")
                push.connect(pull.get_string(zmq.LAST_ENDPOINT))
        push.wait_for_peers(3, DEADLINE_S)
        for number in range(COUNT):
            push.send(b"%d" % number)
        parts = [received(pull, COUNT // 3) for pull in pulls]
        assert sorted(int(one[0]) for part in parts for one in part) == list(range(COUNT))
        for part in parts:
            numbers = [int(one[0]) for one in part]
            assert numbers == sorted(numbers)


def test_pull_takes_of_all_peers_in_turn(stock: Stock) -> None:
    """One that sends a thousand at once does not hold up another one."""
    with Pull() as pull:
        endpoint = pull.bind("tcp://127.0.0.1:*")
        flood, other = stock.socket(zmq.PUSH), stock.socket(zmq.PUSH)
        flood.connect(endpoint)
        other.connect(endpoint)
        pull.wait_for_peers(2, DEADLINE_S)
        for number in range(1000):
            flood.send_multipart([b"flood", b"%d" % number])
        wait_until(lambda: pull.statistics().inbox == 1000, "the flood is there")
        for number in range(10):
            other.send_multipart([b"other", b"%d" % number])
        wait_until(lambda: pull.statistics().inbox == 1010, "the other's messages are there")
        first = [pull.recv(DEADLINE_S) for _ in range(20)]
        assert [frames for frames in first if frames[0] == b"other"] == [
            (b"other", b"%d" % number) for number in range(10)
        ]


def test_a_connection_that_is_cut_is_made_again(stock: Stock) -> None:
    with Dealer(identity=b"me") as dealer:
        router = stock.socket(zmq.ROUTER)
        router.bind("tcp://127.0.0.1:*")
        endpoint = router.get_string(zmq.LAST_ENDPOINT)
        dealer.connect(endpoint)
        dealer.send(b"before")
        assert router.recv_multipart() == [b"me", b"before"]
        router.close(linger=0)
        wait_until(lambda: not dealer.peers, "it is lost")
        dealer.send(b"meanwhile")
        again = stock.socket(zmq.ROUTER)
        again.bind(endpoint)
        assert again.recv_multipart() == [b"me", b"meanwhile"]
        again.send_multipart([b"me", b"after"])
        assert dealer.recv(DEADLINE_S) == (b"after",)
        kinds = {one.kind for one in dealer.errors()}
        assert ProblemKind.LOST in kinds


def sent_to(ours: Push, theirs: Socket, body: bytes) -> None:
    ours.send([body, b""], DEADLINE_S)
    assert theirs.recv_multipart() == [body, b""]


def got_from(ours: Pull | Sub, theirs: Socket, body: bytes) -> None:
    theirs.send_multipart([body, b""])
    assert ours.recv(DEADLINE_S) == (body, b"")


def published_by(ours: Sub, theirs: Socket, body: bytes) -> None:
    assert theirs.recv() == b"\x01"  # it has subscribed again
    got_from(ours, theirs, body)


def routed(ours: Router, theirs: Socket, body: bytes) -> None:
    theirs.send_multipart([body, b""])
    name, *frames = ours.recv(DEADLINE_S)
    assert frames == [body, b""]
    ours.send([name, *frames], DEADLINE_S)
    assert theirs.recv_multipart() == [body, b""]


def replied(ours: Rep, theirs: Socket, body: bytes) -> None:
    theirs.send_multipart([body, b""])
    ours.send(ours.recv(DEADLINE_S), DEADLINE_S)
    assert theirs.recv_multipart() == [body, b""]


EXCHANGES: list[tuple[Any, int, Any]] = [
    (Push, zmq.PULL, sent_to),
    (Pull, zmq.PUSH, got_from),
    (lambda: Sub([b""]), zmq.XPUB, published_by),
    (Router, zmq.DEALER, routed),
    (Rep, zmq.REQ, replied),
]


@pytest.mark.parametrize(("make", "kind", "exchange"), EXCHANGES)
def test_every_role_goes_on_with_a_peer_that_was_started_anew(
    stock: Stock, make: Any, kind: int, exchange: Callable[[Any, Socket, bytes], None]
) -> None:
    with make() as ours:
        theirs = stock.socket(kind)
        theirs.bind("tcp://127.0.0.1:*")
        endpoint = theirs.get_string(zmq.LAST_ENDPOINT)
        ours.connect(endpoint)
        for number in range(3):
            exchange(ours, theirs, b"%d" % number)
            theirs.close(linger=0)
            wait_until(lambda: not ours.peers, "it is lost")
            theirs = stock.socket(kind)
            theirs.bind(endpoint)
        exchange(ours, theirs, b"last")


def test_who_asked_a_peer_that_is_gone_is_told(stock: Stock) -> None:
    with Req() as req:
        rep = stock.socket(zmq.REP)
        rep.bind("tcp://127.0.0.1:*")
        endpoint = rep.get_string(zmq.LAST_ENDPOINT)
        req.connect(endpoint)
        req.send(b"first")
        assert rep.recv() == b"first"
        rep.close(linger=0)
        with pytest.raises(NoReplyError):
            req.recv(DEADLINE_S)
        assert not req.is_waiting
        req.send(b"second")
        again = stock.socket(zmq.REP)
        again.bind(endpoint)
        assert again.recv() == b"second"
        again.send(b"answer")
        assert req.recv(DEADLINE_S) == (b"answer",)


def test_back_pressure_reaches_a_libzmq_peer_and_nothing_is_lost(stock: Stock) -> None:
    with Pull(limits=Limits(inbox_messages=10)) as pull:
        push = stock.socket(zmq.PUSH, {zmq.SNDHWM: 10})
        push.connect(pull.bind("tcp://127.0.0.1:*"))
        body = b"x" * 10_000
        sender = threading.Thread(target=lambda: [push.send_multipart([b"%d" % n, body])
                                                  for n in range(2_000)])  # fmt: skip
        sender.start()
        wait_until(lambda: pull.statistics().inbox >= 10, "it is full")
        assert sender.is_alive()
        got = [int(pull.recv(DEADLINE_S)[0]) for _ in range(2_000)]
        sender.join(DEADLINE_S)
        assert got == list(range(2_000))


# ------------------------------------------------------------------ raw peers


def ready(socket_type: bytes, *more: bytes) -> bytes:
    data = b"\x0bSocket-Type" + len(socket_type).to_bytes(4, "big") + socket_type
    return command(b"READY", data + b"".join(more))


def exactly(peer: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = peer.recv(count - len(data))
        assert more, f"closed after {data!r}"
        data += more
    return data


def raw_peer(endpoint: str, minor: int, socket_type: bytes, ours: bytes) -> socket.socket:
    """A peer of ZMTP 3.x after the handshake."""
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    peer = socket.create_connection((host, int(port)), DEADLINE_S)
    peer.settimeout(DEADLINE_S)
    peer.sendall(greeting_3(minor) + ready(socket_type))
    assert exactly(peer, 64) == greeting_3(1)
    assert exactly(peer, len(ours)) == ours
    return peer


def wire(frames: Sequence[bytes]) -> bytes:
    *before, last = frames
    return b"".join(frame(one, 1) for one in before) + frame(last)


@pytest.mark.parametrize("minor", [0, 1])
@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_raw_peers_of_3_0_and_3_1(minor: int, step: int) -> None:
    """Both directions, cut anywhere, with a PING between two messages."""
    with Dealer(identity=b"me") as dealer:
        ours = ready(b"DEALER", b"\x08Identity\x00\x00\x00\x02me")
        with raw_peer(dealer.bind("tcp://127.0.0.1:*"), minor, b"DEALER", ours) as peer:
            frames = [one for one in FRAMES if len(wire(one)) < 2_000]
            data = b"".join(map(wire, frames[:2])) + command(b"PING", b"\0\0context")
            data += b"".join(map(wire, frames[2:]))
            for start in range(0, len(data), step):
                peer.sendall(data[start : start + step])
            assert [list(dealer.recv(DEADLINE_S)) for _ in frames] == frames
            pong = command(b"PONG", b"context")
            assert exactly(peer, len(pong)) == pong
            for one in frames:
                dealer.send(one)
            expected = b"".join(map(wire, frames))
            assert exactly(peer, len(expected)) == expected


ME = b"\x08Identity\x00\x00\x00\x02me"
SMALL = [one for one in FRAMES if len(wire(one)) < 2_000]


def in_pieces(peer: socket.socket, data: bytes) -> None:
    """Seven bytes at a time."""
    for start in range(0, len(data), 7):
        peer.sendall(data[start : start + 7])


@pytest.mark.parametrize("minor", [0, 1])
def test_raw_peers_of_push_and_pull(minor: int) -> None:
    with Push() as push, Pull() as pull:
        expected = b"".join(map(wire, SMALL))
        with raw_peer(push.bind("tcp://127.0.0.1:*"), minor, b"PULL", ready(b"PUSH")) as peer:
            for one in SMALL:
                push.send(one, DEADLINE_S)
            assert exactly(peer, len(expected)) == expected
        with raw_peer(pull.bind("tcp://127.0.0.1:*"), minor, b"PUSH", ready(b"PULL")) as peer:
            in_pieces(peer, expected)
            assert [list(pull.recv(DEADLINE_S)) for _ in SMALL] == SMALL


@pytest.mark.parametrize("minor", [0, 1])
@pytest.mark.parametrize("other", [b"DEALER", b"REQ", b"ROUTER"])
def test_raw_peers_of_router(minor: int, other: bytes) -> None:
    with Router(identity=b"me") as router:
        endpoint = router.bind("tcp://127.0.0.1:*")
        with raw_peer(endpoint, minor, other, ready(b"ROUTER", ME)) as peer:
            in_pieces(peer, b"".join(map(wire, SMALL)))
            got = [router.recv(DEADLINE_S) for _ in SMALL]
            assert [list(frames[1:]) for frames in got] == SMALL
            for frames in got:
                router.send(frames, DEADLINE_S)
            expected = b"".join(map(wire, SMALL))
            assert exactly(peer, len(expected)) == expected


@pytest.mark.parametrize("minor", [0, 1])
def test_raw_peers_of_req_and_rep(minor: int) -> None:
    with Req(correlate=False, identity=b"me") as req, Rep() as rep:
        endpoint = req.bind("tcp://127.0.0.1:*")
        with raw_peer(endpoint, minor, b"REP", ready(b"REQ", ME)) as peer:
            for one in SMALL:
                req.send(one, DEADLINE_S)
                question = wire([b"", *one])
                assert exactly(peer, len(question)) == question
                in_pieces(peer, wire([b"", *one, b"answer"]))
                assert list(req.recv(DEADLINE_S)) == [*one, b"answer"]
        with raw_peer(rep.bind("tcp://127.0.0.1:*"), minor, b"REQ", ready(b"REP")) as peer:
            for one in SMALL:
                in_pieces(peer, wire([b"number", b"", *one]))
                assert list(rep.recv(DEADLINE_S)) == one
                rep.send([*one, b"answer"], DEADLINE_S)
                answer = wire([b"number", b"", *one, b"answer"])
                assert exactly(peer, len(answer)) == answer


@pytest.mark.parametrize("minor", [0, 1])
def test_raw_peers_of_sub(minor: int) -> None:
    """A subscription is a message to a peer of 3.0, and a command to one of 3.1."""
    with Sub([b"A"]) as sub:
        endpoint = sub.bind("tcp://127.0.0.1:*")
        peer = raw_peer(endpoint, minor, b"PUB", ready(b"SUB"))
        with peer:
            said = command(b"SUBSCRIBE", b"A") if minor else frame(b"\x01A")
            assert exactly(peer, len(said)) == said
            in_pieces(peer, wire([b"A1", b"", b"x"]) + wire([b"B"]) + wire([b"A2"]))
            assert [sub.recv(DEADLINE_S) for _ in range(2)] == [(b"A1", b"", b"x"), (b"A2",)]
            sub.unsubscribe(b"A")
            said = command(b"CANCEL", b"A") if minor else frame(b"\x00A")
            assert exactly(peer, len(said)) == said


def test_a_peer_of_a_wrong_type_is_refused_and_told() -> None:
    with Pull() as pull:
        endpoint = pull.bind("tcp://127.0.0.1:*")
        with raw_peer(endpoint, 1, b"SUB", ready(b"PULL")) as peer:
            error = command(b"ERROR", b"\x13Invalid socket type")
            assert exactly(peer, len(error)) == error
            assert peer.recv(1) == b""
        problem = wait_until(pull.errors, "it is told")[0]
        assert problem.kind is ProblemKind.REFUSED
        assert "SUB" in problem.text


def test_a_raw_peer_of_2_0() -> None:
    with Pull() as pull:
        endpoint = pull.bind("tcp://127.0.0.1:*")
        host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
        with socket.create_connection((host, int(port)), DEADLINE_S) as peer:
            peer.sendall(SIGNATURE + b"\x01\x08" + b"\0\0" + wire([b"old", b"one"]))
            assert pull.recv(DEADLINE_S) == (b"old", b"one")


def test_a_message_that_is_cut_off_is_nothing() -> None:
    with Pull() as pull:
        endpoint = pull.bind("tcp://127.0.0.1:*")
        ours = ready(b"PULL")
        with raw_peer(endpoint, 1, b"PUSH", ours) as peer:
            peer.sendall(wire([b"whole"]) + wire([b"not", b"whole"])[:-1])
            assert pull.recv(DEADLINE_S) == (b"whole",)
        wait_until(lambda: not pull.peers, "it is gone")
        assert pull.try_recv() is None


def test_what_a_peer_has_not_got_whole_goes_to_another() -> None:
    """A connection that breaks in the middle of a message takes nothing with it that is here."""
    with Push() as push:
        endpoint = push.bind("tcp://127.0.0.1:*")
        ours = ready(b"PUSH")
        big = b"x" * 30_000_000  # more than any kernel buffer
        with raw_peer(endpoint, 1, b"PULL", ours) as peer:
            push.send([b"big", big])
            push.send(b"small")
            assert exactly(peer, 2) == b"\x01\x03"
        wait_until(lambda: not push.peers, "it is gone")
        with Pull() as pull:
            pull.connect(endpoint)
            assert pull.recv(DEADLINE_S) == (b"big", big)
            assert pull.recv(DEADLINE_S) == (b"small",)
