"""PUSH, PULL and SUB without I/O."""

from __future__ import annotations

from typing import cast

import pytest

from fanout.errors import MessageTooLarge
from fanout.sockets.errors import NotNowError
from fanout.sockets.peer import Outgoing, Peer
from fanout.sockets.pipeline import Pull, Push, Spreading, Sub
from fanout.terms.introduction import PROPERTY, intake_of
from fanout.zmtp import commands, encode_message
from fanout.zmtp.metadata import ready
from tests.unit.sockets.peers import LIMITS, begin, dispatched, made, peer_of, written
from tests.unit.zmtp.wire import GREETING


def push() -> Push:
    role = cast("Push", made(Push))
    role.has_way = lambda: False
    return role


def test_messages_go_round() -> None:
    role = push()
    peers = [peer_of(role) for _ in range(2)]
    for text in (b"1", b"2", b"3"):
        role.try_send(text)
    assert dispatched(role, peers) == [b"13", b"2"]


def test_nobody_to_send_to() -> None:
    role = push()
    with pytest.raises(NotNowError):
        role.try_send(b"1")
    role.has_way = lambda: True
    role.try_send(b"1")
    assert role.waiting_count == 1


def test_no_room() -> None:
    role = push()
    role.has_way = lambda: True
    for _ in range(4):
        role.try_send(b"1")
    with pytest.raises(NotNowError):
        role.try_send(b"1")
    assert not role.has_room_again()
    peer_of(role)
    role.dispatch()
    assert role.has_room_again()


def test_one_that_takes_nothing_gets_no_more_than_it_has() -> None:
    role = push()
    role.has_way = lambda: True
    slow, fast = peer_of(role), peer_of(role)
    big = b"x" * 70_000
    role.try_send(big)
    role.dispatch()
    for _ in range(3):
        role.try_send(b"1")
        assert dispatched(role, [fast]) == [b"1"]
    assert written(slow) == big


def test_what_a_peer_has_not_got_comes_first_again_and_in_order() -> None:
    role = push()
    peer = peer_of(role)
    for text in (b"one", b"two", b"six"):
        role.try_send(text)
    role.dispatch()
    role.has_way = lambda: True
    role.try_send(b"ten")
    assert written(peer, 4) == b"onet"
    role.left(peer, peer.unsent)
    assert dispatched(role, [peer_of(role)]) == [b"twosixten"]


def test_a_push_takes_nothing() -> None:
    role = push()
    role.received(peer_of(role), [(b"what",)])
    assert role.discarded == 1


def test_pull_is_full_at_its_limit() -> None:
    role = cast("Pull", made(Pull))
    peer = peer_of(role)
    role.received(peer, [(b"1",)] * 3)
    assert not role.is_full()
    role.received(peer, [(b"1",)])
    assert role.is_full()
    assert role.received_count == 4


def test_sub_tells_each_peer_each_subscription_once() -> None:
    role = cast("Sub", made(Sub))
    role.subscribe(b"A")
    first = Peer("peer", role.zmtp, {}, LIMITS, 0.0)
    begin(first, b"PUB")
    written(first)
    role.joined(first)
    assert written(first) == commands.subscription(b"A", as_command=True)
    role.subscribe(b"A")
    role.subscribe(b"B")
    assert written(first) == commands.subscription(b"B", as_command=True)
    role.unsubscribe(b"A")
    role.unsubscribe(b"A")
    assert written(first) == commands.cancellation(b"A", as_command=True)
    role.left(first, [])
    role.subscribe(b"C")
    assert written(first) == b""


def test_sub_filters_what_was_under_way() -> None:
    role = cast("Sub", made(Sub))
    peer = peer_of(role)
    role.subscribe(b"A")
    role.received(peer, [(b"A1",), (b"B1",)])
    assert role.try_recv() == (b"A1",)
    assert role.discarded == 1
    with pytest.raises(NotNowError):
        role.try_recv()


def saying(role: Push, limit: int) -> Peer:
    """A peer that has joined, and says how large a message may be."""
    peer = Peer("intake", role.zmtp, {}, LIMITS, 0.0)
    peer.receive(GREETING + ready(b"PULL", {PROPERTY: intake_of(limit)}), 0.0, [])
    role.joined(peer)
    return peer


def test_what_is_too_large_for_the_only_peer_is_refused_or_given_up() -> None:
    role = push()
    role.has_way = lambda: True
    given_up: list[tuple[int, int]] = []
    role.on_given_up = lambda size, limit: given_up.append((size, limit))
    for frame in (b"1", bytes(99), b"2"):
        role.try_send(role.prepare([frame]))
    peer = saying(role, 100)
    assert (given_up, role.dropped, role.waiting_count) == ([(101, 100)], 1, 2)
    assert len(role.prepare([bytes(98)])) == 100
    with pytest.raises(MessageTooLarge):
        role.prepare([bytes(99)])
    role.left(peer, [])
    assert len(role.prepare([bytes(99)])) == 101, "the next one may take more"


def test_who_waits_for_room_is_refused_what_the_peer_that_came_meanwhile_does_not_take() -> None:
    role = push()
    role.has_way = lambda: True
    wire = role.prepare([bytes(99)])
    saying(role, 100)
    with pytest.raises(MessageTooLarge):
        role.try_send(wire)
    assert (role.dropped, role.waiting_count) == (0, 0)


def test_what_was_checked_before_the_peer_came_is_not_given_to_it() -> None:
    role = push()
    role.has_way = lambda: True
    given_up: list[tuple[int, int]] = []
    role.on_given_up = lambda size, limit: given_up.append((size, limit))
    peer = saying(role, 100)
    written(peer)
    for frame in (b"1", bytes(99), b"2"):
        # By another thread, which goes on between its check and the last step.
        Spreading.try_send(role, Spreading.prepare(role, [frame]))
    assert dispatched(role, [peer]) == [encode_message([b"1"]) + encode_message([b"2"])]
    assert (given_up, role.dropped) == ([(101, 100)], 1)


def test_who_stays_alone_still_says_what_is_too_large_for_it() -> None:
    role = push()
    role.has_way = lambda: True
    given_up: list[tuple[int, int]] = []
    role.on_given_up = lambda size, limit: given_up.append((size, limit))
    other, peer = peer_of(role), saying(role, 100)
    large = role.prepare([bytes(99)])
    role.try_send(large)
    role.left(other, [Outgoing(large)])
    assert (given_up, role.dropped, role.waiting_count) == ([(101, 100)] * 2, 2, 0)
    with pytest.raises(MessageTooLarge):
        role.prepare([bytes(99)])
    role.left(peer, [])
    assert len(role.prepare([bytes(99)])) == 101, "the next one may take more"


def test_with_several_peers_nobody_says_what_is_too_large() -> None:
    role = push()
    peer_of(role)
    saying(role, 100)
    assert len(role.prepare([bytes(99)])) == 101
