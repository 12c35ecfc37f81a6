"""What ROUTER and REP have in common: each message is for one peer, and no other may have it. Pure.

Users append to one queue, whoever it is for; the actor moves that on at once. How much may wait for
a peer is up to that peer's level, which whoever appends has asked.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from fanout.sockets.role import Role
from fanout.terms.arguments import as_bytes

if TYPE_CHECKING:
    from fanout.sockets.limits import Limits
    from fanout.sockets.peer import Outgoing, Peer
    from fanout.sockets.problems import Problems

IDENTITY_BYTES_MAX = 255


def identity_of(identity: object) -> bytes:
    """An identity that a user gives its socket; b"" = none.

    Raises:
        TypeError: it is no bytes.
        ValueError: it is too long, or one of those that a ROUTER gives.
    """
    given = as_bytes(identity, "identity")
    if len(given) > IDENTITY_BYTES_MAX or given.startswith(b"\0"):
        raise ValueError(
            f"an identity has up to {IDENTITY_BYTES_MAX} bytes, of which the first is not 0"
        )
    return given


class Addressed(Role):
    """Sends to who is named.

    Attributes:
        outbox: what was handed over.
    """

    def __init__(self, limits: Limits, problems: Problems) -> None:
        super().__init__(limits, problems)
        self.outbox: deque[Outgoing] = deque()

    def admit(self, peer: Peer) -> None:
        """Messages for this one may be appended from now on."""
        peer.others = self.outbox

    def left(self, peer: Peer, unsent: list[Outgoing]) -> None:
        for _ in unsent:
            self.undelivered(peer.name, "the connection was lost before the message was sent")

    def dispatch(self) -> list[Peer]:
        waiting = self.outbox
        given: dict[Peer, None] = {}
        while waiting:
            outgoing = waiting[0]
            peer = outgoing.peer
            assert peer is not None, "each is for somebody"
            if peer.is_gone:
                self.undelivered(peer.name, "the connection was lost before the message was sent")
            else:
                # Before it is taken out of `waiting`: another thread that counts at the same time
                # finds it with the peer or here, and never nowhere.
                peer.give(outgoing)
                given[peer] = None
            waiting.popleft()
        return list(given)

    @property
    def waiting_count(self) -> int:
        return len(self.outbox)

    @property
    def may_dispatch(self) -> bool:
        return bool(self.outbox)

    def clear(self) -> int:
        dropped = len(self.outbox)
        self.outbox.clear()
        return dropped
