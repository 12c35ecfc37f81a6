"""The accept queue of a listening socket: how many wait there to be accepted, and how many may."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

from fanout.transport.kernel import tcp_info

if TYPE_CHECKING:
    from fanout.transport.listener import Listener

# struct tcp_info of linux/tcp.h. Of a socket that listens the kernel says there (tcp_get_info() in
# net/ipv4/tcp.c) how many connections wait in `tcpi_unacked`, and in `tcpi_sacked` how many may.
_LENGTH_AND_LIMIT = struct.Struct("=24x2I")


class AcceptQueue(NamedTuple):
    """It is full when more than `limit` wait: the kernel takes one more than was asked for."""

    length: int
    limit: int

    @property
    def is_full(self) -> bool:
        """Whether who connects now is not answered, and tries again after a second or so."""
        return self.length > self.limit


def accept_queue(listening: socket.socket) -> AcceptQueue | None:
    """Ask the kernel; None = it does not say, as for Unix sockets."""
    if listening.family == socket.AF_UNIX:
        return None
    try:
        return AcceptQueue(*tcp_info(listening, _LENGTH_AND_LIMIT))
    except OSError:  # a sandbox refuses it
        return None


def crowded(listener: Listener) -> str:
    """Before some are accepted: that all places of the queue are taken, for people; else empty.

    Nobody is told of by the kernel whom it has not answered, so this is asked each time, which is
    one system call for as many as are accepted in one turn.
    """
    queue = accept_queue(listener.socket)
    if queue is None or not queue.is_full:
        return ""
    return (
        f"{queue.length:,} connections wait to be accepted at {listener.endpoint}, which is all "
        "that may (backlog, net.core.somaxconn): who connects now waits for a second, or longer"
    )
