"""Watched: the sets in which the sockets of peers are. Shell.

Each socket has a place in two sets, both or none, from its adoption on. A place costs the kernel
memory, and the system may have none, or no more for this user (`fs.epoll.max_user_watches`): so it
is had before anything else is done for a peer, and kept until its end. Whoever is not to be read
for a while keeps it, and is not told of: to have it back might fail.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fanout.workers.connections.peer import Peer


class SocketSets:
    """Of one worker.

    Args:
        write_set: edge-triggered; has an event when a socket has room again.
        read_set: level-triggered; has one when there is something to read.
    """

    def __init__(self, write_set: select.epoll, read_set: select.epoll) -> None:
        self._write_set = write_set
        self._read_set = read_set

    def add(self, peer: Peer) -> None:
        """Have both sets tell of this peer.

        Raises:
            OSError: the system has no place for it; none of them does.
        """
        self._write_set.register(peer.socket, select.EPOLLOUT | select.EPOLLET)
        try:
            peer.inbox.watch(self._read_set)
        except OSError:
            self._write_set.unregister(peer.socket)
            raise

    def remove(self, peer: Peer) -> None:
        """Have none of them tell of it; its socket is about to be closed, by us alone."""
        peer.inbox.unwatch()
        self._write_set.unregister(peer.socket)
