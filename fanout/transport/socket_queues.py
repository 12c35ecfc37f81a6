"""What a socket's queues hold. Who is asked is handed in: the kernel, or a model of it."""

from __future__ import annotations

import array
import fcntl
import select
import struct
import termios
from socket import SOL_SOCKET
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable


_SO_MEMINFO = 55  # Linux 4.12; the `socket` module has no name for it
_MEMORY = struct.Struct("=8xII4xI")  # wmem_alloc, sndbuf, wmem_queued


def _not_said(_sock: socket.socket) -> bytes:
    raise OSError


class SocketQueues(NamedTuple):
    """Who is asked about the queues of sockets.

    Attributes:
        held: bytes in the queue of a socket that a request of ioctl(2) names, TIOCOUTQ or
            FIONREAD. Raises OSError if they are not known.
        has_ended: whether a peer says no more than what is there.
        memory: what SO_MEMINFO says. Raises OSError if it is not known.
    """

    held: Callable[[socket.socket, int], int]
    has_ended: Callable[[socket.socket], bool]
    memory: Callable[[socket.socket], bytes] = _not_said


def _held(sock: socket.socket, question: int) -> int:
    answer = array.array("i", [0])
    fcntl.ioctl(sock.fileno(), question, answer)
    return answer[0]


def _has_ended(sock: socket.socket) -> bool:
    look = select.poll()
    look.register(sock, select.POLLRDHUP)
    return bool(look.poll(0))


def _memory(sock: socket.socket) -> bytes:
    return sock.getsockopt(SOL_SOCKET, _SO_MEMINFO, _MEMORY.size)


KERNEL = SocketQueues(_held, _has_ended, _memory)


def unsent_in_kernel(sock: socket.socket, queues: SocketQueues = KERNEL) -> int:
    """Bytes that the kernel took and the peer has not acknowledged; 0 if it does not say.

    On a Unix socket it is the memory of what the peer has not read, more than its bytes.

    Args:
        queues: who is asked, here and below.
    """
    return _ask(sock, termios.TIOCOUTQ, queues)  # SIOCOUTQ is the same number


def unread_in_kernel(sock: socket.socket, queues: SocketQueues = KERNEL) -> int:
    """Bytes that have come in and were not read; 0 if the kernel does not say."""
    return _ask(sock, termios.FIONREAD, queues)  # SIOCINQ is the same number


def _ask(sock: socket.socket, question: int, queues: SocketQueues) -> int:
    try:
        return queues.held(sock, question)
    except OSError:
        return 0


def free_in_kernel(sock: socket.socket, queues: SocketQueues = KERNEL) -> int:
    """Bytes of memory that a socket may still have for what it is sent; 0 if it does not say."""
    try:
        allocated, size, queued = map(int, _MEMORY.unpack(queues.memory(sock)))
    except OSError:
        return 0
    return max(0, size - max(allocated, queued))
