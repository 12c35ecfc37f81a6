"""The end of a worker: deliver what is committed, say goodbye, and leave. Shell.

Order: no handshakes any more; members are served until they have everything or the time is up; each
that has everything is sent end of file; what the kernel still holds is waited for, so that closing
does not destroy it; then everything is closed and reported, as fast as the coordinator reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.reasons import Reason

if TYPE_CHECKING:
    from fanout.control.channel import Channel
    from fanout.workers.connections.desk import Desk
    from fanout.workers.connections.peer import Peer

NS = 1_000_000_000


class Ending:
    """Steps to the end once a turn; the worker's tick makes sure that there are turns.

    Args:
        timeout: seconds that delivery may take; 0.0 = none.
        now: monotonic ns.
    """

    def __init__(self, desk: Desk, channel: Channel, timeout: float, now: int) -> None:
        self._desk = desk
        self._channel = channel
        self._deadline = now + int(timeout * NS)
        self._said_goodbye: set[Peer] = set()

    def step(self, now: int, *, more: bool) -> bool:
        """One look at who is left; True if nobody is, and all is reported.

        Args:
            more: there are messages that nobody was sent yet.
        """
        late = now >= self._deadline
        if more and not late:
            return False
        peers = self._desk.peers
        for peer in list(peers.values()):
            if self._channel.pending:
                return False  # what this process has not got rid of when it ends is lost
            if late or not peer.ready or self._is_through(peer):
                self._desk.close(peer, Reason.PUBLISHER_CLOSED)
        return not peers and not self._channel.pending

    def _is_through(self, peer: Peer) -> bool:
        if peer.member.blocked:
            return False
        if peer not in self._said_goodbye:
            self._said_goodbye.add(peer)
            peer.finish_sending()
        return peer.unsent_in_kernel() == 0
