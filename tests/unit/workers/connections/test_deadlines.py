"""Deadlines: silence is held against nobody who was not asked, or not listened to."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from fanout.options import Options
from fanout.reasons import Reason
from fanout.workers.connections.deadlines import DUE_PER_TICK, MORTAL_PER_TICK, Deadlines
from fanout.workers.connections.peer import Peer
from fanout.workers.policy.block import Block
from fanout.workers.stream.member import BLOCKED, READY
from fanout.workers.stream.turn_part import without_clock
from fanout.zmtp import Session
from tests.helpers.around import Around
from tests.helpers.limits import LIMITS
from tests.helpers.log import SMALL
from tests.helpers.raw import READY_SUB, SIGNATURE, command, greeting_3

if TYPE_CHECKING:
    from collections.abc import Iterator

SECOND = 1_000_000_000
ZMTP_2 = SIGNATURE + b"\x01\x02" + b"\0\0"  # a SUB without an identity
OPTIONS = Options(heartbeat_interval=10.0, heartbeat_timeout=30.0, handshake_timeout=10.0)


class Desk:
    """Notes what is said and who is closed, and makes the peers."""

    def __init__(self) -> None:
        self.peers: dict[int, Peer] = {}
        self.said: list[tuple[Peer, bytes]] = []
        self.closed: list[tuple[Peer, Reason]] = []
        self.around = Around(SMALL)
        self.sockets = socket.socketpair()  # nobody reads or writes here

    def say(self, peer: Peer, _now: int) -> None:
        self.said.append((peer, peer.session.data_to_send()))

    def close(self, peer: Peer, cause: Reason) -> None:
        self.closed.append((peer, cause))

    def peer(self, hello: bytes = greeting_3(1) + READY_SUB) -> Peer:
        """One whose handshake is done, and that has answered a PING once."""
        session = Session(LIMITS)
        session.receive_data(hello)
        session.data_to_send()
        slots = self.around.subscriber_slot(0), self.around.stream_slot(0)
        peer = Peer(1, slots[0], self.sockets[0], session, Block(), 0, record=slots[1])
        peer.answers_pings = True
        return peer


@pytest.fixture
def desk() -> Iterator[Any]:
    desk = Desk()
    yield desk
    for sock in desk.sockets:
        sock.close()
    desk.around.close()


def run(deadlines: Deadlines, first: int, last: int, *, listening: bool = True) -> None:
    """Ticks from one second up to, not including, another, ten in each."""
    for tenth in range(first * 10, last * 10):
        deadlines.tick(tenth * SECOND // 10, listening)


def test_who_answers_no_ping_is_evicted(desk: Any) -> None:
    peer = desk.peer()
    deadlines = Deadlines(desk, OPTIONS, without_clock())
    deadlines.connected(peer, 0)

    run(deadlines, 0, 51)

    assert len(desk.said) == 4, "a PING each ten seconds"
    assert all(b"\x04PING" in data for _, data in desk.said)
    assert desk.closed == [(peer, Reason.HEARTBEAT_TIMEOUT)]


def test_who_knows_no_pings_is_sent_none(desk: Any) -> None:
    peer = desk.peer(ZMTP_2)
    assert peer.session.version == "2.0"
    deadlines = Deadlines(desk, OPTIONS, without_clock())
    deadlines.connected(peer, 0)

    run(deadlines, 0, 51)

    assert desk.said == []


def test_who_may_not_know_pings_is_sent_none_until_it_has_sent_one(desk: Any) -> None:
    """Rust zeromq drops its connection at a PING, Go zmq4 takes it for a message: both are 3.0."""
    silent, asking = desk.peer(greeting_3(0) + READY_SUB), desk.peer(greeting_3(0) + READY_SUB)
    deadlines = Deadlines(desk, OPTIONS, without_clock())
    deadlines.connected(silent, 0)
    deadlines.connected(asking, 0)
    run(deadlines, 0, 31)
    assert desk.said == []

    asking.session.receive_data(command(b"PING", b"\0\0"))
    asking.session.data_to_send()
    deadlines.pinged(asking, 0, 31 * SECOND)
    run(deadlines, 31, 42)
    assert [peer for peer, _ in desk.said] == [asking]


def test_a_time_to_live_is_looked_at_each_tick(desk: Any) -> None:
    short, long = desk.peer(), desk.peer()
    deadlines = Deadlines(desk, OPTIONS, without_clock())
    deadlines.pinged(short, SECOND // 10, 0)
    deadlines.pinged(long, 3 * SECOND, 0)
    short.last_received = 2 * SECOND
    run(deadlines, 0, 2)  # silence counts after the first second
    deadlines.tick(20 * SECOND // 10, listening=True)
    deadlines.tick(21 * SECOND // 10, listening=True)
    assert desk.closed == []
    deadlines.tick(22 * SECOND // 10, listening=True)
    assert desk.closed == [(short, Reason.TTL)]
    deadlines.tick(31 * SECOND // 10, listening=True)
    assert desk.closed[1:] == [(long, Reason.TTL)]


def test_ticks_are_near_each_other_while_somebody_has_a_time_to_live(desk: Any) -> None:
    """Or the worker would rest for half a second, which is longer than many of them."""
    peer = desk.peer()
    deadlines = Deadlines(desk, OPTIONS, without_clock())
    deadlines.connected(peer, 0)
    near = [deadlines.are_near]

    for ttl in (SECOND // 10, 0):
        deadlines.pinged(peer, ttl, 0)
        near.append(deadlines.are_near)

    assert near == [False, True, False]


def test_a_time_to_live_can_be_taken_back(desk: Any) -> None:
    peer = desk.peer()
    deadlines = Deadlines(desk, OPTIONS, without_clock())
    deadlines.pinged(peer, SECOND, 0)
    deadlines.pinged(peer, 0, 0)
    run(deadlines, 0, 10)
    assert desk.closed == []


def test_what_was_not_read_yet_is_no_silence(desk: Any) -> None:
    """The worker was busy with others: what the peer said in time waits in the kernel."""
    peer = desk.peer()
    deadlines = Deadlines(desk, OPTIONS, without_clock())
    deadlines.connected(peer, 0)
    deadlines.pinged(peer, SECOND, 0)
    desk.sockets[1].send(command(b"PING", b"\0\0"))
    run(deadlines, 0, 60)
    assert desk.closed == []
    assert len(desk.said) == 5

    desk.sockets[0].recv(100)
    peer.last_received = 60 * SECOND
    run(deadlines, 60, 63)
    assert desk.closed == [(peer, Reason.TTL)]


@pytest.mark.unmeasured
def test_a_storm_of_times_to_live_is_looked_at_in_slices(desk: Any) -> None:
    deadlines = Deadlines(desk, OPTIONS, without_clock())
    run(deadlines, 0, 2)
    peers = [desk.peer() for _ in range(MORTAL_PER_TICK + 1)]
    for peer in peers:
        deadlines.pinged(peer, SECOND, 2 * SECOND)
    deadlines.tick(2 * SECOND, listening=True)
    assert desk.closed == [(peer, Reason.TTL) for peer in peers[:-1]]
    deadlines.tick(2 * SECOND, listening=True)
    assert desk.closed[-1] == (peers[-1], Reason.TTL)


def test_a_slow_subscriber_that_cannot_be_asked_is_not_evicted_for_silence(desk: Any) -> None:
    """It is behind all the time, and takes what it gets; no PING gets through to it."""
    peer = desk.peer()
    deadlines = Deadlines(desk, OPTIONS, without_clock())
    deadlines.connected(peer, 0)
    run(deadlines, 0, 15)
    peer.last_received = 11 * SECOND  # its last PONG

    peer.member.become(BLOCKED)
    run(deadlines, 15, 100)
    peer.member.become(READY)
    run(deadlines, 100, 105)

    assert desk.closed == []


def test_who_was_asked_and_then_fell_behind_is_not_judged_by_that(desk: Any) -> None:
    peer = desk.peer()
    options = replace(OPTIONS, heartbeat_timeout=5.0)  # it is over when the next PING is due
    deadlines = Deadlines(desk, options, without_clock())
    deadlines.connected(peer, 0)
    run(deadlines, 0, 15)
    peer.member.become(BLOCKED)
    run(deadlines, 15, 25)

    assert desk.closed == []


def test_one_that_was_behind_has_all_the_time_to_answer_again(desk: Any) -> None:
    """What it was asked before it fell behind is not held against it."""
    peer = desk.peer()
    deadlines = Deadlines(desk, OPTIONS, without_clock())
    deadlines.connected(peer, 0)
    run(deadlines, 0, 15)
    peer.member.become(BLOCKED)
    run(deadlines, 15, 45)
    peer.member.become(READY)

    run(deadlines, 45, 79)
    assert desk.closed == []
    run(deadlines, 79, 95)
    assert desk.closed[0] == (peer, Reason.HEARTBEAT_TIMEOUT)


def test_silence_while_nobody_reads_is_no_evidence(desk: Any) -> None:
    """The coordinator hangs in a callback: what peers say waits unread."""
    peer, late = desk.peer(), desk.peer()
    deadlines = Deadlines(desk, OPTIONS, without_clock())
    deadlines.connected(peer, 0)
    deadlines.pinged(peer, SECOND, 0)
    deadlines.adopted(late, 0)

    run(deadlines, 0, 60, listening=False)
    assert desk.closed == []

    peer.last_received = 60 * SECOND  # now it is read
    run(deadlines, 60, 61)
    assert desk.closed == []

    peer.last_received = 61 * SECOND
    run(deadlines, 61, 62)
    assert desk.closed == [(late, Reason.HANDSHAKE_TIMEOUT)]


def test_a_storm_of_deadlines_is_dealt_with_in_slices(desk: Any) -> None:
    deadlines = Deadlines(desk, OPTIONS, without_clock())
    peers = [desk.peer() for _ in range(DUE_PER_TICK + 1)]
    for peer in peers:
        deadlines.connected(peer, 0)

    run(deadlines, 0, 10)
    deadlines.tick(10 * SECOND, listening=True)
    assert len(desk.said) == DUE_PER_TICK
    deadlines.tick(10 * SECOND, listening=True)
    assert len(desk.said) == DUE_PER_TICK + 1


def test_a_handshake_that_waits_unread_has_as_much_time_once_more(desk: Any) -> None:
    peer = desk.peer(b"")
    deadlines = Deadlines(desk, OPTIONS, without_clock())
    deadlines.adopted(peer, 0)
    desk.sockets[1].send(b"unread")

    def closed_until(seconds: int) -> list[Reason]:
        for second in range(seconds + 1):
            deadlines.tick(second * SECOND, listening=True)
        return [reason for _, reason in desk.closed]

    assert closed_until(19) == []
    assert closed_until(21) == [Reason.HANDSHAKE_TIMEOUT]
