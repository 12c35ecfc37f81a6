"""The end of a worker: deliver what is committed, say goodbye, and leave. Shell.

Order: no handshakes any more; members are served until they have everything or the time is up; each
that has everything is sent end of file; what the kernel still holds is waited for, so that closing
does not destroy it; then everything is closed and reported, as fast as the coordinator reads.

If that is to be spread, each member has its time for the end of file, in an order that has nothing
to do with theirs: all of them connect again, and are not to do so at once.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING
from zlib import crc32

from fanout.basics.units import NS
from fanout.reasons import Reason

if TYPE_CHECKING:
    from fanout.control.channel import Channel
    from fanout.workers.connections.desk import Desk
    from fanout.workers.connections.peer import Peer
    from fanout.workers.stream.turn_part import TurnPart


class Ending:
    """Steps to the end once a turn; the worker's tick makes sure that there are turns.

    Its mutable state: who was sent end of file, and who has still to be looked at.

    Args:
        timeout: seconds that delivery may take; 0.0 = none.
        spread: seconds over which those who have everything are sent end of file, besides.
        now: monotonic ns.

    Attributes:
        is_cut: whether there was no time for all in the last step.
    """

    def __init__(
        self,
        desk: Desk,
        channel: Channel,
        timeout: float,
        now: int,
        part: TurnPart,
        spread: float = 0.0,
    ) -> None:
        self._part = part
        self._left: deque[Peer] = deque()
        self.is_cut = False
        self._desk = desk
        self._channel = channel
        self._deadline = now + int((timeout + spread) * NS)
        self._due = _times(list(desk.peers), now, int(spread * NS)) if spread else {}
        self._said_goodbye: set[Peer] = set()

    def left(self, now: int) -> float:
        """Seconds that it may still take."""
        return (self._deadline - now) / NS

    def step(self, now: int, *, more: bool) -> bool:
        """One look at who is left, for as long as there is time; True if nobody is left.

        Then all is reported, too.

        Args:
            more: there are messages that nobody was sent yet.
        """
        self.is_cut = False
        late = now >= self._deadline
        if more and not late:
            return False
        peers = self._desk.peers
        left = self._left = self._left or deque(peers.values())
        while left:
            if self._channel.pending:
                return False  # what this process has not got rid of when it ends is lost
            peer = left.popleft()
            is_here = peers.get(peer.id) is peer  # or it was closed since the last step
            if is_here and (late or not peer.ready or self._see_off(peer, now)):
                self._desk.close(peer, Reason.PUBLISHER_CLOSED)
            if left and self._part.is_over():
                self.is_cut = True
                return False
        return not peers and not self._channel.pending

    def _see_off(self, peer: Peer, now: int) -> bool:
        """Send end of file to one that has everything; whether its host has acknowledged it all."""
        if peer.member.blocked or now < self._due.get(peer.id, 0):
            return False
        if peer not in self._said_goodbye:
            self._said_goodbye.add(peer)
            peer.finish_sending()
        return peer.unsent_in_kernel() == 0


def _times(identities: list[int], now: int, spread_ns: int) -> dict[int, int]:
    """When each of these is to be sent end of file: at equal distances, shuffled.

    Neighbours have neighbouring ids, since they came together: from one host, perhaps.
    """
    shuffled = sorted(identities, key=lambda one: crc32(one.to_bytes(8)))
    count = len(shuffled)
    return {one: now + spread_ns * place // count for place, one in enumerate(shuffled)}
