"""DEALER and ROUTER: messages go both ways, to any peer or to the one that is named. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.sockets.addressed import IDENTITY_BYTES_MAX, Addressed, identity_of
from fanout.sockets.errors import NotNowError, RouterError
from fanout.sockets.inbox import Inbox, size_of
from fanout.sockets.peer import Outgoing
from fanout.sockets.pipeline import Spreading
from fanout.subscriber.blame import LostError
from fanout.zmtp import encode_message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fanout.sockets.limits import Limits
    from fanout.sockets.peer import Peer
    from fanout.sockets.problems import Problems
    from fanout.subscriber.parsing import Frames


class Dealer(Spreading):
    """Sends as PUSH, and receives as PULL.

    Args:
        identity: what a ROUTER knows it by; b"" = the ROUTER chooses.
    """

    socket_type = b"DEALER"

    def __init__(self, limits: Limits, problems: Problems, identity: bytes = b"") -> None:
        super().__init__(limits, problems)
        self.inbox: Inbox[Frames] = Inbox(limits)
        self._identity = identity_of(identity)

    def properties(self) -> Mapping[bytes, bytes]:
        return {b"Identity": self._identity}

    def try_recv(self) -> Frames:
        """As that of `Pull`."""
        return self.inbox.take()

    def received(self, peer: Peer, found: Sequence[Frames]) -> None:
        for frames in found:
            self.inbox.put(peer.lane, frames, size_of(frames))

    @property
    def received_count(self) -> int:
        return self.inbox.received

    def is_full(self) -> bool:
        return self.inbox.is_full()


class Router(Addressed):
    """Receives of all its peers in turn, and sends to the one whose identity a message begins with.

    Args:
        mandatory: a message to nobody is an error, and not dropped.
        handover: who comes with the identity of another takes its place, and is not refused.
        identity: what another ROUTER knows it by.

    Attributes:
        peers: by their identities; changed by the actor alone.
    """

    socket_type = b"ROUTER"

    def __init__(
        self,
        limits: Limits,
        problems: Problems,
        *,
        mandatory: bool = False,
        handover: bool = False,
        identity: bytes = b"",
    ) -> None:
        super().__init__(limits, problems)
        self.peers: dict[bytes, Peer] = {}
        self.inbox: Inbox[Frames] = Inbox(limits)
        self._mandatory = mandatory
        self._handover = handover
        self._identity = identity_of(identity)
        self._named = 0  # peers that had no name

    def properties(self) -> Mapping[bytes, bytes]:
        return {b"Identity": self._identity}

    def prepare(self, frames: list[bytes]) -> tuple[bytes, bytes]:
        """Identity, and the message for who has it.

        Raises:
            ValueError: there is no message behind the identity.
        """
        if len(frames) < 2:
            raise ValueError("a message to a peer is its identity, and one frame or more behind it")
        return frames[0], encode_message(frames[1:])

    def try_send(self, message: tuple[bytes, bytes]) -> None:
        """Hand a message over; the last step of it does that.

        Raises:
            NotNowError: there is no room for this peer.
            RouterError: there is none of that identity, and that is an error.
        """
        identity, wire = message
        peer = self.peers.get(identity)
        if peer is None:
            if self._mandatory:
                raise RouterError(identity)
            self.undelivered(repr(identity[:40]), "nobody with this identity is connected")
            return
        if not peer.level.reserve(len(wire)):
            raise NotNowError
        self.outbox.append(Outgoing(wire, peer))

    def try_recv(self) -> Frames:
        """The next message: the identity of its sender, then its frames."""
        return self.inbox.take()

    def joined(self, peer: Peer) -> None:
        identity = peer.own_identity
        if not identity:
            self._named += 1
            identity = b"\0" + (self._named % (1 << 32)).to_bytes(4, "big")
        elif identity.startswith(b"\0") or len(identity) > IDENTITY_BYTES_MAX:
            raise LostError("an identity has 1 to 255 bytes, of which the first is not 0")
        other = self.peers.get(identity)
        if other is not None:
            if not self._handover:
                raise LostError(f"the identity {identity[:40]!r} is taken")
            self.condemn(other, "another peer has come with its identity")
        peer.identity = identity
        self.admit(peer)
        self.peers[identity] = peer

    def left(self, peer: Peer, unsent: list[Outgoing]) -> None:
        if self.peers.get(peer.identity) is peer:
            del self.peers[peer.identity]
        super().left(peer, unsent)

    def received(self, peer: Peer, found: Sequence[Frames]) -> None:
        for frames in found:
            self.inbox.put(peer.lane, (peer.identity, *frames), size_of(frames))

    @property
    def received_count(self) -> int:
        return self.inbox.received

    def is_full(self) -> bool:
        return self.inbox.is_full()
