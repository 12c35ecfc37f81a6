"""Who gets the next message, of peers that are all as good: one after another. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fanout.sockets.outbox import Outbox
    from fanout.sockets.peer import Peer


class Ring:
    """The peers of a socket, in turn. Owned by the actor; others may ask whether there are any."""

    def __init__(self) -> None:
        self._peers: deque[Peer] = deque()

    def __len__(self) -> int:
        return len(self._peers)

    @property
    def has_room(self) -> bool:
        """Whether somebody has."""
        return any(peer.has_room for peer in self._peers)

    def join(self, peer: Peer) -> None:
        """It may be given messages from now on."""
        self._peers.append(peer)

    def leave(self, peer: Peer) -> None:
        """It is gone."""
        if peer in self._peers:
            self._peers.remove(peer)

    def next(self) -> Peer | None:
        """Whose turn it is, of those that have room; None: nobody has."""
        for _ in range(len(self._peers)):
            peer = self._peers[0]
            self._peers.rotate(-1)
            if peer.has_room:
                return peer
        return None

    def spread(self, outbox: Outbox) -> list[Peer]:
        """Give messages out as long as somebody has room; returns who has got some."""
        waiting = outbox.waiting
        given: dict[Peer, None] = {}
        while waiting and (peer := self.next()) is not None:
            peer.give(waiting[0])  # first: others see each message here or there
            waiting.popleft()
            given[peer] = None
        return list(given)
