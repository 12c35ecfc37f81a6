"""One connection: what it has not got whole, PINGs, silence, and what a peer may have us keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.sockets.dealing import Dealer, Router
from fanout.sockets.peer import Outgoing, Peer
from fanout.sockets.pipeline import Pull, Push
from fanout.subscriber.blame import LostError
from fanout.zmtp import commands, encode_message
from tests.unit.sockets.peers import LIMITS, begin, made, peer_of, written

if TYPE_CHECKING:
    from fanout.sockets.role import Role


def new(kind: type[Push | Pull] = Push) -> Peer:
    role = made(kind)
    return Peer("peer", role.zmtp, {}, LIMITS, 0.0)


def test_a_handshake_takes_so_long_at_most() -> None:
    peer = new()
    assert peer.next_at() == 10.0
    peer.tick(9.9)
    with pytest.raises(LostError, match="handshake"):
        peer.tick(10.0)


def test_a_wrong_type_is_refused() -> None:
    with pytest.raises(LostError, match="PUB"):
        begin(new(), b"PUB")


def test_who_answers_pings_must_go_on_to_do_so() -> None:
    peer = peer_of(made(Push))
    peer.tick(4.9)
    assert written(peer) == b""
    peer.tick(5.0)
    assert written(peer) == commands.ping(b"", 0)
    peer.tick(60.0)  # it has never answered: libzmq before 4.2 does not
    assert written(peer) == commands.ping(b"", 0)
    peer.receive(commands.pong(b""), 60.0, [])
    peer.tick(74.9)
    with pytest.raises(LostError, match="silent"):
        peer.tick(75.0)


def test_who_reads_nothing_is_not_lost_as_long_as_its_host_is_there() -> None:
    """Connected to again it would read both connections in turn: the order would be lost."""
    peer = peer_of(made(Push))
    peer.receive(commands.pong(b""), 0.0, [])
    assert not peer.may_be_busy(14.9)
    assert peer.may_be_busy(15.0)
    peer.vouch(15.0)
    peer.tick(29.9)
    with pytest.raises(LostError, match="silent"):
        peer.tick(30.0)


@pytest.mark.parametrize(("kind", "may_be"), [(Dealer, True), (Router, True), (Pull, False)])
def test_who_is_sent_no_messages_has_no_reason_to_be_silent(kind: type[Role], may_be: bool) -> None:
    peer = peer_of(made(kind))
    peer.receive(commands.pong(b""), 0.0, [])
    assert peer.may_be_busy(15.0) == may_be
    with pytest.raises(LostError):  # unless it is vouched for
        peer.tick(15.0)


def test_a_ping_that_cannot_be_written_is_the_only_one() -> None:
    peer = peer_of(made(Push))
    peer.tick(5.0)
    peer.next_piece()  # its socket takes nothing
    for now in range(10, 1000, 5):
        peer.tick(float(now))
    assert written(peer) == commands.ping(b"", 0)


def test_a_ttl_is_kept() -> None:
    peer = peer_of(made(Push))
    peer.receive(commands.ping(b"x", 10), 1.0, [])
    assert peer.next_at() == 2.0
    assert written(peer) == commands.pong(b"x")
    with pytest.raises(LostError, match="silent"):
        peer.tick(2.0)


def test_what_was_not_read_for_want_of_room_was_not_silence() -> None:
    peer = peer_of(made(Push))
    peer.receive(commands.ping(b"x", 10), 1.0, [])
    peer.paused(5.0)
    peer.tick(5.9)


def test_a_pong_goes_between_two_messages() -> None:
    peer = peer_of(made(Push))
    wires = [encode_message([b"a" * 10]), encode_message([b"b" * 10])]
    for wire in wires:
        peer.give(Outgoing(wire))
    begun = written(peer, 3)
    peer.receive(commands.ping(b"x", 0), 1.0, [])
    assert begun + written(peer) == wires[0] + commands.pong(b"x") + wires[1]


@pytest.mark.parametrize("size", range(30))
def test_what_it_cannot_have_got_whole_is_known(size: int) -> None:
    peer = peer_of(made(Push))
    wires = [encode_message([b"a" * 8]), encode_message([b"b" * 8]), encode_message([b"c" * 8])]
    for wire in wires:
        peer.give(Outgoing(wire))
    written(peer, size)
    assert [one.wire for one in peer.unsent] == wires[size // 10 :]
    assert peer.sent == size // 10


def test_a_peer_that_pings_and_does_not_read_is_cut_off() -> None:
    """What it has us answer is bounded, whether the answers wait here or in the session."""
    peer = peer_of(made(Push))
    ping = commands.ping(b"x" * 16, 0)

    def flood() -> None:
        for _ in range(10_000):
            peer.receive(ping * 10, 1.0, [])
            peer.next_piece()  # its socket takes nothing

    with pytest.raises(LostError, match="PING"):
        flood()
    assert sum(len(one.wire) for one in peer.entries) < 64 * 1024


def test_it_has_room_for_some() -> None:
    peer = peer_of(made(Push))
    rooms = [peer.has_room]
    peer.give(Outgoing(encode_message([b"x" * 70_000])))
    rooms.append(peer.has_room)
    written(peer)
    rooms.append(peer.has_room)
    peer.is_condemned = True
    rooms.append(peer.has_room)
    assert rooms == [True, False, True, False]
