"""Who is to be read: those that have said something, and those that are spared. Shell."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import select
    from collections.abc import Mapping

    from fanout.workers.connections.peer import Peer

READS_PER_TURN = 32  # sockets read in a turn


class Readable:
    """The sockets of the peers, as far as they are to be read.

    Its mutable state: the level-triggered epoll set, and the attributes.

    Args:
        by_descriptor: the peers; changed by others.

    Attributes:
        polled: those of the last poll who have not had their turn; who is in the handshake is the
            first.
        spared: who is not read for a while, see `Peer.unread_until`.
    """

    def __init__(self, read_set: select.epoll, by_descriptor: Mapping[int, Peer]) -> None:
        self.set = read_set
        self._by_descriptor = by_descriptor
        self.polled: dict[Peer, None] = {}
        self.spared: dict[Peer, None] = {}

    def forget(self, peer: Peer) -> None:
        """Do not read from this peer any more."""
        self.polled.pop(peer, None)
        self.spared.pop(peer, None)

    def poll(self) -> bool:
        """Find who has said something; whether there may be others.

        The kernel puts all whom it has named behind those whom it has not. So all of them have
        their turn before it is asked again, in however many turns of ours: else a few who talk
        for ever would be read again and again, and who stands behind them never.
        """
        found = self.set.poll(0, READS_PER_TURN)
        if not found:
            return False
        by_descriptor = self._by_descriptor
        named = [by_descriptor[one] for one, _events in found if one in by_descriptor]
        if self.spared:  # that one is broken is told of whoever is spared
            named = [peer for peer in named if peer not in self.spared]
        if len(named) > 1:
            named.sort(key=attrgetter("ready"))
        self.polled.update(dict.fromkeys(named))
        return len(found) == READS_PER_TURN

    def spare(self, peer: Peer, until: int) -> None:
        """Leave what it says in its socket until then, in monotonic ns."""
        peer.unread_until = until
        if peer not in self.spared:
            self.polled.pop(peer, None)
            self.spared[peer] = None
            peer.inbox.mute()

    def read_spared(self, now: int) -> None:
        """Read again from peers that were spared for long enough."""
        for peer in [peer for peer in self.spared if peer.unread_until <= now]:
            if peer.inbox.is_full and peer.member.control:
                continue  # it is read again when it has taken the answers to its PINGs
            del self.spared[peer]
            peer.inbox.listen()
