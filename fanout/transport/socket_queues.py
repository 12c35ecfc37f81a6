"""What a socket's queues hold. Who is asked is handed in: the kernel, or a model of it."""

from __future__ import annotations

import array
import fcntl
import select
import termios
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable


class SocketQueues(NamedTuple):
    """Who is asked about the queues of sockets.

    Attributes:
        held: bytes in the queue of a socket that a request of ioctl(2) names, TIOCOUTQ or
            FIONREAD. Raises OSError if they are not known.
        has_ended: whether a peer says no more than what is there.
    """

    held: Callable[[socket.socket, int], int]
    has_ended: Callable[[socket.socket], bool]


def _held(sock: socket.socket, question: int) -> int:
    answer = array.array("i", [0])
    fcntl.ioctl(sock.fileno(), question, answer)
    return answer[0]


def _has_ended(sock: socket.socket) -> bool:
    look = select.poll()
    look.register(sock, select.POLLRDHUP)
    return bool(look.poll(0))


KERNEL = SocketQueues(_held, _has_ended)


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
