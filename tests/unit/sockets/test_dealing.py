"""ROUTER: who has which identity, and what becomes of messages to nobody."""

from __future__ import annotations

from typing import cast

import pytest

from fanout.sockets.dealing import Router
from fanout.sockets.errors import NotNowError, RouterError
from fanout.sockets.problems import ProblemKind
from fanout.subscriber.blame import LostError
from fanout.zmtp import encode_message
from tests.unit.sockets.peers import dispatched, made, peer_of


def router(**arguments: bool) -> Router:
    return cast("Router", made(Router, **arguments))


def test_messages_go_to_who_is_named() -> None:
    role = router()
    a, b, nameless = peer_of(role, b"a"), peer_of(role, b"b"), peer_of(role)
    for peer in (a, b, nameless):
        role.received(peer, [(b"hello",)])
    got = [role.try_recv() for _ in range(3)]
    assert [frames[0] for frames in got][:2] == [b"a", b"b"]
    name = got[2][0]
    assert name.startswith(b"\0")
    for identity in (name, b"b", b"a"):
        role.try_send(role.prepare([identity, b"to", identity]))
    assert dispatched(role, [a, b, nameless]) == [
        encode_message([b"to", identity]) for identity in (b"a", b"b", name)
    ]


def test_to_nobody_it_is_dropped_counted_and_told() -> None:
    role = router()
    role.try_send((b"nobody", b"wire"))
    assert (role.dropped_count, role.waiting_count) == (1, 0)
    assert [one.kind for one in role.problems.take()] == [ProblemKind.UNDELIVERED]


def test_to_nobody_it_is_an_error_if_that_is_wanted() -> None:
    role = router(mandatory=True)
    with pytest.raises(RouterError, match="nobody") as caught:
        role.try_send((b"nobody", b"wire"))
    assert caught.value.identity == b"nobody"
    assert role.dropped_count == 0


def test_who_is_gone_gets_nothing_and_all_of_it_is_counted() -> None:
    role = router()
    peer = peer_of(role, b"a")
    role.try_send((b"a", b"wire"))
    role.dispatch()
    role.try_send((b"a", b"more"))
    peer.is_gone = True
    role.left(peer, peer.unsent)
    role.dispatch()
    assert role.dropped_count == 2
    assert b"a" not in role.peers


def test_room_is_that_of_each_peer() -> None:
    role = router()
    peer_of(role, b"slow")
    fast = peer_of(role, b"fast")
    for _ in range(4):
        role.try_send((b"slow", b"wire"))
    with pytest.raises(NotNowError):
        role.try_send((b"slow", b"wire"))
    role.dispatch()
    with pytest.raises(NotNowError):
        role.try_send((b"slow", b"wire"))
    role.try_send((b"fast", b"wire"))
    assert dispatched(role, [fast]) == [b"wire"]


def test_an_identity_belongs_to_one() -> None:
    role = router()
    first = peer_of(role, b"a")
    with pytest.raises(LostError, match="taken"):
        peer_of(role, b"a")
    assert role.peers == {b"a": first}


def test_an_identity_is_handed_over_if_that_is_wanted() -> None:
    role = router(handover=True)
    first, second = peer_of(role, b"a"), peer_of(role, b"a")
    assert [peer for peer, _ in role.condemned] == [first]
    first.is_gone = True
    role.left(first, [])
    assert role.peers == {b"a": second}
    role.try_send((b"a", b"wire"))
    assert dispatched(role, [second]) == [b"wire"]


def test_nobody_can_take_a_name_that_we_give() -> None:
    with pytest.raises(LostError, match="identity"):
        peer_of(router(), b"\0\0\0\0\1")


@pytest.mark.parametrize("identity", [b"\0x", b"x" * 256])
def test_identities_of_our_own(identity: bytes) -> None:
    with pytest.raises(ValueError, match="255"):
        made(Router, identity=identity)


def test_an_identity_alone_is_no_message() -> None:
    with pytest.raises(ValueError, match="identity"):
        router().prepare([b"a"])
