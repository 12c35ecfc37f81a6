"""Deadlines: what peers must say in time, and what happens to those who do not. Shell."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from fanout.workers.connections.heartbeat import Attention, Schedule, is_silent

if TYPE_CHECKING:
    from fanout.workers.connections.peer import Peer
    from fanout.workers.worker import Worker

DUE_PER_TICK = 512  # peers dealt with in a tick, each for some ten microseconds
NS = 1_000_000_000


class Deadlines:
    """Handshakes, PINGs and the time to live that a peer's own PING asks for.

    Its mutable state: who is due when, and whether anybody listens to the peers.
    """

    def __init__(self, worker: Worker) -> None:
        options = worker.options
        self._worker = worker
        self._handshakes: Schedule[Peer] = Schedule(int(options.handshake_timeout * NS))
        self._pings: Schedule[Peer] = Schedule(int(options.heartbeat_interval * NS))
        self._timeout_ns = int(options.heartbeat_timeout * NS)
        self._attention = Attention()
        self._next_second = 0

    def adopted(self, peer: Peer, now: int) -> None:
        """Its handshake has begun."""
        self._handshakes.put(peer, now)

    def connected(self, peer: Peer, version: str, now: int) -> None:
        """Its handshake is done; ZMTP 3 knows PINGs."""
        self._handshakes.drop(peer)
        if version.startswith("3"):
            self._pings.put(peer, now)

    def forget(self, peer: Peer) -> None:
        """It is closed."""
        self._handshakes.drop(peer)
        self._pings.drop(peer)

    def tick(self, now: int, listening: bool) -> None:
        """Close who is late, and PING who is due.

        Args:
            listening: whether peers are being read.
        """
        counts = self._attention.look(now, listening)
        if counts:
            for peer in islice(self._handshakes.due(now), DUE_PER_TICK):
                self._evict(peer, "no handshake in time (handshake_timeout)")
        for peer in islice(self._pings.due(now), DUE_PER_TICK):
            self._ping(peer, now, counts)
        if counts and now >= self._next_second:
            self._next_second = now + NS
            for peer in [p for p in self._worker.peers.values() if p.ttl_ns]:
                if now - peer.last_received > peer.ttl_ns:
                    self._evict(peer, "silent for longer than the TTL of its PING")

    def _ping(self, peer: Peer, now: int, counts: bool) -> None:
        self._pings.put(peer, now)
        if peer.member.blocked:  # send_timeout judges it, and no PING gets through
            peer.asked = 0
            return
        # One that never answered is not judged: libzmq before 4.2 ignores PINGs.
        silent = is_silent(now, peer.asked, peer.last_received, self._timeout_ns)
        if counts and peer.answers_pings and silent:
            self._evict(peer, "answers no PING (heartbeat_timeout)")
            return
        if peer.asked <= peer.last_received:
            peer.asked = now
        peer.session.ping()
        self._worker.say(peer, now)

    def _evict(self, peer: Peer, reason: str) -> None:
        self._worker.close(peer, evicted=True, reason=reason)
