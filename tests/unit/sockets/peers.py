"""Peers of a socket under test, without I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.sockets.limits import Limits
from fanout.sockets.peer import Peer
from fanout.sockets.problems import Problems
from fanout.zmtp.metadata import ready
from tests.unit.zmtp.wire import GREETING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.sockets.role import Role

LIMITS = Limits(outbox_messages=4, inbox_messages=4, outbox_bytes=4000, inbox_bytes=4000)


def made(kind: type[Role], **arguments: object) -> Role:
    """A role with small limits."""
    return kind(LIMITS, Problems(), **arguments)


def peer_of(role: Role, identity: bytes = b"", name: str = "peer") -> Peer:
    """A peer that has joined, from whom nothing waits to be written."""
    peer = Peer(name, role.zmtp, role.properties(), LIMITS, 0.0)
    other = sorted(role.zmtp.peer_types)[0]
    begin(peer, other, identity)
    role.joined(peer)
    written(peer)
    return peer


def begin(peer: Peer, socket_type: bytes, identity: bytes = b"") -> None:
    """The peer's side of the handshake."""
    more = {b"Identity": identity} if identity else {}
    peer.receive(GREETING + ready(socket_type, more), 0.0, [])


def written(peer: Peer, limit: int = 1 << 30) -> bytes:
    """What is written to a peer now, as far as its socket takes it."""
    data = b""
    while len(data) < limit and (piece := bytes(peer.next_piece())):
        piece = piece[: limit - len(data)]
        peer.wrote(len(piece))
        data += piece
    return data


def dispatched(role: Role, peers: Iterable[Peer]) -> list[bytes]:
    """What each peer is sent."""
    role.dispatch()
    return [written(peer) for peer in peers]
