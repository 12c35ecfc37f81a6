"""Who gets the next message, of peers that are all as good: one after another. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.sockets.outbox import Outbox
    from fanout.sockets.peer import Outgoing, Peer


class Ring:
    """The peers of a socket, in turn. Owned by the actor; others may ask whether there are any."""

    def __init__(self) -> None:
        self._peers: deque[Peer] = deque()

    def __len__(self) -> int:
        return len(self._peers)

    @property
    def only(self) -> Peer | None:
        """The one that is there, if there is one."""
        return self._peers[0] if len(self._peers) == 1 else None

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

    def spread(
        self,
        outbox: Outbox,
        largest: int | None = None,
        give_up: Callable[[Outgoing], None] = lambda _: None,
    ) -> list[Peer]:
        """Give messages out as long as somebody has room; returns who has got some.

        Args:
            largest: bytes of a message that is given out; None: it may have any.
            give_up: told of each that is larger, before it is dropped.
        """
        waiting = outbox.waiting
        given: dict[Peer, None] = {}
        while waiting and (peer := self.next()) is not None:
            first = waiting[0]
            if largest is not None and len(first.wire) > largest:
                give_up(first)
            else:
                peer.give(first)  # first: others see each message here or there
                given[peer] = None
            waiting.popleft()
        return list(given)
