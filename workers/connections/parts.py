"""Parts of frames that are left in the kernel, and may be stuck there without anybody being told.

The sender of a Unix socket may have no room for the rest. So a part that does not get on is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.stream.effects import broken

if TYPE_CHECKING:
    from fanout.workers.connections.desk import Desk
    from fanout.workers.connections.peer import Peer

PART_NS = 30_000_000_000  # the rest of a frame comes within that, or its sender has no room


class Parts:
    """Whose they are, and since when they have not grown; times are monotonic ns."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._since: dict[Peer, int] = {}

    def add(self, peer: Peer, now: int) -> None:
        """There is one of this peer, and it may have grown."""
        self._since[peer] = now

    def forget(self, peer: Peer) -> None:
        """It is being closed."""
        self._since.pop(peer, None)

    def take_stuck(self, now: int) -> None:
        """Take those that have not grown for long; once a tick."""
        for peer, since in list(self._since.items()):
            if now - since < PART_NS:
                continue
            del self._since[peer]
            try:
                peer.inbox.keep()
            except OSError as error:
                self._desk.close(peer, *broken(error, "reading failed"))
