"""REQ: numbers, old replies, and who is asked."""

from __future__ import annotations

from typing import cast

import pytest

from fanout.sockets.asking import Req
from fanout.sockets.errors import NoReplyError, NotNowError, StateError
from fanout.zmtp import encode_message
from tests.unit.sockets.peers import dispatched, made, peer_of

ONE, TWO = b"\0\0\0\1", b"\0\0\0\2"


def req(**arguments: bool) -> Req:
    role = cast("Req", made(Req, **arguments))
    role.has_way = lambda: False
    return role


def waits(role: Req) -> bool:
    return role.is_waiting


def ask(role: Req, body: bytes) -> None:
    role.try_send(role.prepare([body]))


def test_a_question_and_its_reply() -> None:
    role = req()
    with pytest.raises(NotNowError):
        ask(role, b"nobody is there")
    assert not waits(role)
    peer = peer_of(role)
    ask(role, b"question")
    assert waits(role)
    assert dispatched(role, [peer]) == [encode_message([ONE, b"", b"question"])]
    with pytest.raises(NotNowError):
        role.try_recv()
    role.received(peer, [(ONE, b"", b"answer", b"")])
    assert role.try_recv() == (b"answer", b"")
    assert not waits(role)
    with pytest.raises(StateError, match="send"):
        role.try_recv()


def test_peers_are_asked_in_turn() -> None:
    role = req()
    peers = [peer_of(role) for _ in range(2)]
    for number, (asked, other) in enumerate([(0, 1), (1, 0)], 1):
        ask(role, b"question")
        sent = dispatched(role, peers)
        assert sent[other] == b""
        assert sent[asked]
        role.received(peers[asked], [(number.to_bytes(4, "big"), b"", b"answer")])
        assert role.try_recv() == (b"answer",)


def test_who_asks_again_does_not_get_the_old_reply() -> None:
    role = req()
    peer = peer_of(role)
    ask(role, b"first")
    role.dispatch()
    ask(role, b"second")
    assert waits(role)
    role.dispatch()
    role.received(peer, [(ONE, b"", b"old")])
    with pytest.raises(NotNowError):
        role.try_recv()
    role.received(peer, [(TWO, b"", b"new"), (TWO, b"", b"twice")])
    assert role.try_recv() == (b"new",)
    assert role.discarded == 2


def test_an_old_reply_that_waits_is_dropped_too() -> None:
    role = req()
    peer = peer_of(role)
    ask(role, b"first")
    role.dispatch()
    role.received(peer, [(ONE, b"", b"old")])
    ask(role, b"second")
    role.dispatch()
    role.received(peer, [(TWO, b"", b"new")])
    assert role.try_recv() == (b"new",)


def test_another_peer_cannot_answer() -> None:
    role = req()
    peers = [peer_of(role) for _ in range(2)]
    ask(role, b"question")
    role.dispatch()
    role.received(peers[1], [(ONE, b"", b"wrong")])
    with pytest.raises(NotNowError):
        role.try_recv()
    role.received(peers[0], [(ONE, b"", b"right")])
    assert role.try_recv() == (b"right",)


def test_without_numbers_who_was_asked_before_is_closed() -> None:
    role = req(correlate=False)
    peers = [peer_of(role, name=str(number)) for number in range(2)]
    ask(role, b"first")
    assert dispatched(role, peers) == [encode_message([b"", b"first"]), b""]
    ask(role, b"second")
    assert dispatched(role, peers) == [b"", encode_message([b"", b"second"])]
    assert [peer for peer, _ in role.condemned] == [peers[0]]
    role.received(peers[1], [(b"", b"new")])
    assert role.try_recv() == (b"new",)


def test_a_reply_that_cannot_come_any_more_is_told_once() -> None:
    role = req()
    peer = peer_of(role)
    ask(role, b"question")
    dispatched(role, [peer])
    role.left(peer, [])
    assert waits(role)
    with pytest.raises(NoReplyError):
        role.try_recv()
    assert not waits(role)
    with pytest.raises(StateError):
        role.try_recv()


def test_a_question_that_was_not_sent_goes_to_another() -> None:
    role = req()
    peer, other = peer_of(role), peer_of(role)
    ask(role, b"question")
    role.dispatch()
    role.left(peer, peer.unsent)
    assert dispatched(role, [other]) == [encode_message([ONE, b"", b"question"])]
    role.received(other, [(ONE, b"", b"answer")])
    assert role.try_recv() == (b"answer",)


@pytest.mark.parametrize("frames", [(b"",), (ONE, b""), (ONE, b"answer"), (b"", b"answer")])
def test_what_is_no_reply(frames: tuple[bytes, ...]) -> None:
    role = req()
    peer = peer_of(role)
    ask(role, b"question")
    role.dispatch()
    role.received(peer, [frames])
    with pytest.raises(NotNowError):
        role.try_recv()
    assert role.discarded == 1
