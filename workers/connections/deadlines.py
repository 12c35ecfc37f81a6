"""Deadlines: what peers must say in time, and what happens to those who do not. Shell."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from fanout.basics.units import NS
from fanout.reasons import Reason
from fanout.workers.connections.heartbeat import Attention, Schedule, is_silent

if TYPE_CHECKING:
    from fanout.options import Options
    from fanout.workers.connections.desk import Desk
    from fanout.workers.connections.peer import Peer
    from fanout.workers.connections.said import Said
    from fanout.workers.stream.turn_part import TurnPart

DUE_PER_TICK = 512  # peers dealt with in a tick, each for some ten microseconds
MORTAL_PER_TICK = 2_048  # peers with a time to live looked at in a tick: half a millisecond


class Deadlines:
    """Handshakes, PINGs and the time to live that a peer's own PING asks for; monotonic ns.

    Its mutable state: who is due when, who wants to be closed after some silence of its own, the
    one looked at longest ago first, who had something unread when the time for its handshake was
    over, and whether anybody listens to the peers.
    """

    def __init__(self, desk: Desk, options: Options, part: TurnPart) -> None:
        self._desk = desk
        self._part = part
        self._handshakes: Schedule[Peer] = Schedule(int(options.handshake_timeout * NS))
        self._pings: Schedule[Peer] = Schedule(int(options.heartbeat_interval * NS))
        self._timeout_ns = int(options.heartbeat_timeout * NS)
        self._attention = Attention()
        self._mortal: dict[Peer, None] = {}
        self._late: dict[Peer, None] = {}
        desk.when_ready = self.connected

    @property
    def are_near(self) -> bool:
        """Whether anybody is watched more closely than by PINGs."""
        return bool(self._handshakes) or bool(self._mortal)

    def adopted(self, peer: Peer, now: int) -> None:
        """Its handshake has begun."""
        self._handshakes.put(peer, now)

    def connected(self, peer: Peer, now: int) -> None:
        """Its handshake is done."""
        self._handshakes.drop(peer)
        self._late.pop(peer, None)
        if peer.session.speaks_pings:
            self._pings.put(peer, now)

    def heard(self, peer: Peer, said: Said, now: int) -> None:
        """It has said all this at once."""
        if said.ready is not None:
            self.connected(peer, now)
        if said.ping is not None:
            self.pinged(peer, int(said.ping.ttl_s * NS), now)
        if said.ponged:
            self.answered(peer, now)

    def pinged(self, peer: Peer, ttl_ns: int, now: int) -> None:
        """It has sent a PING, which says how long its silence may be; 0 = as long as it likes."""
        peer.ttl_ns = ttl_ns
        if ttl_ns:
            self._mortal[peer] = None
        else:
            self._mortal.pop(peer, None)
        self._knows_pings(peer, now)

    def answered(self, peer: Peer, now: int) -> None:
        """It has sent a PONG."""
        peer.answers_pings = True
        self._knows_pings(peer, now)

    def _knows_pings(self, peer: Peer, now: int) -> None:
        if peer not in self._pings:  # of a version that need not know them
            self._pings.put(peer, now)

    def forget(self, peer: Peer) -> None:
        """It is closed, or says no more: then its silence means nothing."""
        self._handshakes.drop(peer)
        self._late.pop(peer, None)
        self._pings.drop(peer)
        self._mortal.pop(peer, None)

    def tick(self, now: int, listening: bool) -> None:
        """Close who is late, and PING who is due.

        Args:
            listening: whether peers are being read.
        """
        counts = self._attention.look(now, listening)
        if counts:
            self._end_handshakes(now)
        for peer in islice(self._pings.due(now), DUE_PER_TICK):
            self._pings.put(peer, now)
            if counts and self._is_gone(peer, now):
                self._desk.close(peer, Reason.HEARTBEAT_TIMEOUT)
            else:
                self._ping(peer, now)
            if self._part.is_over():
                break
        if counts:
            self._end_lives(now)

    def _end_handshakes(self, now: int) -> None:
        for peer in islice(self._handshakes.due(now), DUE_PER_TICK):
            if peer not in self._late and peer.has_unread():
                self._late[peer] = None  # we are late, not it: once more as much time
                self._handshakes.put(peer, now)
            else:
                self._desk.close(peer, Reason.HANDSHAKE_TIMEOUT)
            if self._part.is_over():
                break

    def _end_lives(self, now: int) -> None:
        """Close those that were silent for longer than they said that they would be."""
        for peer in tuple(islice(self._mortal, MORTAL_PER_TICK)):
            del self._mortal[peer]
            if now - peer.heard > peer.ttl_ns and not peer.has_unread():
                self._desk.close(peer, Reason.TTL)
                if self._part.is_over():
                    break
            else:
                self._mortal[peer] = None  # behind the others

    def _is_gone(self, peer: Peer, now: int) -> bool:
        """Whether its silence says so, which counts; not of one that gets no PING."""
        # One that never answered is not judged: libzmq before 4.2 ignores PINGs.
        if peer.member.blocked or not peer.answers_pings:
            return False
        silent = is_silent(now, peer.asked, peer.heard, self._timeout_ns)
        return silent and not peer.has_unread()

    def _ping(self, peer: Peer, now: int) -> None:
        if peer.member.blocked:  # no PING gets through, and its silence is judged by `Silence`
            peer.asked = 0
            return
        if peer.asked <= peer.heard:
            peer.asked = now
        peer.session.ping()
        self._desk.say(peer, now)
