"""Whether the host of a peer is there, as TCP knows without the program there."""

from __future__ import annotations

import socket
import struct

from fanout.transport.kernel import tcp_info

SILENT_MS = 10_000  # of TCP: of what is sent each 5 s something was repeated meanwhile
UNANSWERED = 2  # repeated packets or questions for room in a row: one may have been lost

# In Linux's `struct tcp_info`: tcpi_retransmits, tcpi_probes, and tcpi_last_ack_recv in ms.
_QUESTIONS = struct.Struct("=2xBB52xI")


def is_host_there(sock: socket.socket) -> bool:
    """Whether the host at the other end goes on to acknowledge, whatever its program does.

    It acknowledges also what it has no room for. True as well of a Unix socket, and if the system
    does not say.
    """
    if sock.family == socket.AF_UNIX:
        return True
    try:
        return is_answered(*tcp_info(sock, _QUESTIONS))
    except OSError:
        return True  # if the connection is gone, the next call on it says so


def is_answered(repeated: int, probes: int, silent_ms: int) -> bool:
    """Whether TCP has had its answers.

    Args:
        repeated: how often what was sent last was sent again, without an acknowledgement.
        probes: questions for room in a row that had no answer yet.
        silent_ms: since the last acknowledgement of any kind.
    """
    return silent_ms < SILENT_MS or repeated + probes < UNANSWERED
