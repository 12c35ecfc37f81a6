"""Deadlines: silence is held against nobody who was not asked, or not listened to."""

from __future__ import annotations

from typing import Any
from unittest import mock

from fanout.options import Options
from fanout.reasons import Reason
from fanout.workers.connections.deadlines import DUE_PER_TICK, Deadlines

SECOND = 1_000_000_000
OPTIONS = Options(heartbeat_interval=10.0, heartbeat_timeout=30.0, handshake_timeout=10.0)


def make_desk() -> Any:
    return mock.Mock(peers={})


def make_peer() -> Any:
    peer = mock.Mock(heard=0, asked=0, answers_pings=True, ttl_ns=0)
    peer.member.blocked = False
    peer.session.speaks_pings = True
    return peer


def run(deadlines: Deadlines, first: int, last: int, *, listening: bool = True) -> None:
    """Ticks from one second up to, not including, another, ten in each."""
    for tenth in range(first * 10, last * 10):
        deadlines.tick(tenth * SECOND // 10, listening)


def test_who_answers_no_ping_is_evicted() -> None:
    desk, peer = make_desk(), make_peer()
    deadlines = Deadlines(desk, OPTIONS)
    deadlines.connected(peer, 0)

    run(deadlines, 0, 51)

    assert desk.say.call_count == 4, "a PING each ten seconds"
    desk.close.assert_called_once_with(peer, Reason.HEARTBEAT_TIMEOUT)


def test_who_knows_no_pings_is_sent_none() -> None:
    desk, peer = make_desk(), make_peer()
    peer.session.speaks_pings = False
    deadlines = Deadlines(desk, OPTIONS)
    deadlines.connected(peer, 0)

    run(deadlines, 0, 51)

    desk.say.assert_not_called()


def test_a_slow_subscriber_that_cannot_be_asked_is_not_evicted_for_silence() -> None:
    """It is behind all the time, and takes what it gets; no PING gets through to it."""
    desk, peer = make_desk(), make_peer()
    deadlines = Deadlines(desk, OPTIONS)
    deadlines.connected(peer, 0)
    run(deadlines, 0, 15)
    peer.heard = 11 * SECOND  # its last PONG

    peer.member.blocked = True
    run(deadlines, 15, 100)
    peer.member.blocked = False
    run(deadlines, 100, 105)

    desk.close.assert_not_called()


def test_silence_while_nobody_reads_is_no_evidence() -> None:
    """The coordinator hangs in a callback: what peers say waits unread."""
    desk, peer, late = make_desk(), make_peer(), make_peer()
    peer.ttl_ns = SECOND
    desk.peers = {1: peer}
    deadlines = Deadlines(desk, OPTIONS)
    deadlines.connected(peer, 0)
    deadlines.adopted(late, 0)

    run(deadlines, 0, 60, listening=False)
    desk.close.assert_not_called()

    peer.heard = 60 * SECOND  # now it is read
    run(deadlines, 60, 61)
    desk.close.assert_not_called()

    peer.heard = 61 * SECOND
    run(deadlines, 61, 62)
    desk.close.assert_called_once_with(late, Reason.HANDSHAKE_TIMEOUT)


def test_a_storm_of_deadlines_is_dealt_with_in_slices() -> None:
    desk = make_desk()
    deadlines = Deadlines(desk, OPTIONS)
    peers = [make_peer() for _ in range(DUE_PER_TICK + 1)]
    for peer in peers:
        deadlines.connected(peer, 0)

    run(deadlines, 0, 10)
    deadlines.tick(10 * SECOND, listening=True)
    assert desk.say.call_count == DUE_PER_TICK
    deadlines.tick(10 * SECOND, listening=True)
    assert desk.say.call_count == DUE_PER_TICK + 1
