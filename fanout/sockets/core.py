"""A socket without I/O: connections, bytes and the clock in; bytes and messages out. Pure.

It knows the peers and what is connected to; what becomes of messages is its role's affair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.reasons import Reason
from fanout.sockets.dial import Dial, DialState
from fanout.sockets.peer import Peer, earliest
from fanout.sockets.problems import ProblemKind, Problems
from fanout.subscriber.blame import LostError
from fanout.terms.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.sockets.limits import Limits
    from fanout.sockets.role import Role
    from fanout.subscriber.backoff import BackOff
    from fanout.subscriber.parsing import Frames
    from fanout.transport.endpoints import Endpoint
TOO_MUCH = "Limits.inbox_bytes together"


class Core:
    """Owned by the actor, but for `connect`.

    Args:
        role: what the socket does with messages.
        back_off: makes one for each endpoint that is connected to.

    Attributes:
        dials: endpoints that are connected to; only added to.
        peers: connections that are not over, whether ready or not.
        joined: how many handshakes were done, ever.
        is_closing: nobody is let in any more, and what waits is sent.
    """

    def __init__(
        self, role: Role, limits: Limits, problems: Problems, back_off: Callable[[], BackOff]
    ) -> None:
        self.role = role
        self.dials: list[Dial] = []
        self.peers: dict[Peer, Dial | None] = {}
        self.joined = 0
        self.is_closing = False
        # Who connects to us.
        self._places = Places(limits.places, role.peers_are, role.peers_option)
        self._begun = 0  # bytes of messages that are not whole
        self._sent = 0  # messages sent to peers that are gone
        self._limits = limits
        self._problems = problems
        self._back_off = back_off
        role.has_way = lambda: bool(self.dials)

    def connect(self, endpoint: Endpoint) -> None:
        """Connect to this from now on; done by the last step, or not at all."""
        dial = Dial(endpoint, self._back_off())
        self.dials.append(dial)

    # Connections.

    def due(self, now: float) -> list[Dial]:
        """What is to be connected now; it is taken to be, from here on."""
        due = [dial for dial in self._wanted if dial.is_due(now)]
        for dial in due:
            dial.connecting(now)
        return due

    @property
    def _wanted(self) -> list[Dial]:
        """What is to be connected: at the end only as long as messages wait for it."""
        is_over = self.is_closing and not self.role.waiting_count
        return [] if is_over else self.dials.copy()

    def late(self, now: float) -> list[Dial]:
        """The dials that have been connecting for as long as `CONNECT_TIMEOUT_S`."""
        return [dial for dial in self.dials if dial.is_too_late(now)]

    def connected(self, dial: Dial, now: float) -> Peer:
        """There is a connection that we have made."""
        dial.up()
        return self._add(str(dial.endpoint), dial, now)

    def failed(self, dial: Dial, text: str, now: float) -> None:
        """There is none."""
        dial.lost(now)
        self._problems.put(ProblemKind.FAILED, str(dial.endpoint), text)

    def accepted(self, name: str, now: float) -> Peer | Reason:
        """Somebody has connected to us; a reason: it is one too many, and to be closed."""
        if self.is_closing:
            return Reason.LEFT
        refusal = self._places.refusal(name, now)
        if refusal is not None:
            self._problems.put(ProblemKind.REFUSED, name, refusal.text)
            self.role.turned_away(name, refusal)
            return refusal.cause
        self._places.enter(name, now)
        return self._add(name, None, now)

    def _add(self, name: str, dial: Dial | None, now: float) -> Peer:
        peer = Peer(name, self.role.zmtp, self.role.properties(), self._limits, now)
        self.peers[peer] = dial
        return peer

    def lost(self, peer: Peer, text: str, now: float, *, refused: bool = False) -> None:
        """A connection is over."""
        if peer.is_gone:
            return
        peer.is_gone = True
        dial = self.peers[peer]
        if dial is None:
            self._places.left(peer.name, half_open=not peer.is_ready)
        else:
            dial.lost(now)
        if peer.is_ready:
            self.role.left(peer, peer.unsent)
        self.role.ended(peer, text, refused=refused)
        self._sent += peer.sent
        self._begun -= peer.begun
        # Last: its messages were added up before, so that another thread that counts at the same
        # time finds each of them with this peer or in the sums, and never nowhere.
        del self.peers[peer]
        kind = ProblemKind.REFUSED if refused else ProblemKind.LOST
        if not self.is_closing:
            self._problems.put(kind, peer.name, text)

    def refused(self, name: str, text: str) -> None:
        """Somebody could not be let in."""
        self._problems.put(ProblemKind.REFUSED, name, text)
        self.role.cannot_accept(text)

    # What comes and goes.

    def is_full(self) -> bool:
        """Whether nothing should be read for now: too much waits for the program."""
        return self.role.is_full()

    def received(self, peer: Peer, data: bytes, now: float) -> LostError | None:
        """Take bytes of a peer; returns why it is to be given up, if it is."""
        found: list[Frames] = []
        problem: LostError | None = None
        was_ready = peer.is_ready
        self._begun -= peer.begun
        try:
            peer.receive(data, now, found)
        except LostError as error:
            problem = error
        self._begun += peer.begun
        if problem is None and self._takes_too_much(peer):
            problem = LostError(f"messages that are not whole yet take more than {TOO_MUCH}")
        if peer.is_ready and not was_ready:  # even if it has violated ZMTP right behind that
            try:
                self.role.joined(peer)
            except LostError as error:
                peer.is_ready = False
                return error
            self.joined += 1
            dial = self.peers[peer]
            if dial is not None:
                dial.of_use()
            else:
                self._places.connected(peer.name)
        if found:
            if peer.is_ready:
                self.role.received(peer, found)
            else:
                self.role.discarded += len(found)
        return problem

    def _takes_too_much(self, peer: Peer) -> bool:
        """Whether what all have begun is more than may wait, and this one's share is too large."""
        limit = self._limits.inbox_bytes
        return self._begun > limit and peer.begun * len(self.peers) > limit

    @property
    def is_through(self) -> bool:
        """Whether all that was handed over is in the hands of the kernel."""
        return not self.role.waiting_count and not self.pending

    @property
    def pending(self) -> int:
        """Messages that were given to connections, and are not written whole."""
        return sum(map(_messages_of, self.peers.copy()))

    @property
    def sent(self) -> int:
        """Messages that were handed to the kernel whole."""
        return self._sent + sum(peer.sent for peer in self.peers.copy())

    @property
    def ready(self) -> int:
        """How many peers there are."""
        return sum(peer.is_ready for peer in self.peers.copy())

    # The clock.

    def silent(self, now: float) -> list[tuple[Peer, str]]:
        """Do what is due by now; returns the peers that are to be given up, and why."""
        lost = []
        for peer in self.peers:
            try:
                peer.tick(now)
            except LostError as error:
                lost.append((peer, str(error)))
        return lost

    def next_at(self) -> float | None:
        """When there is something to do by the clock; None: nothing."""
        up = DialState.UP
        return earliest(
            [
                *(peer.next_at() for peer in self.peers),
                *(dial.next_at() for dial in self._wanted if dial.state is not up),
            ]
        )


def _messages_of(peer: Peer) -> int:
    return sum(outgoing.is_message for outgoing in peer.entries.copy())
