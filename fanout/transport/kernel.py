"""What the publisher asks of the kernel about a subscriber's socket: its options, and its queue."""

from __future__ import annotations

import array
import fcntl
import socket
import struct
import termios
from typing import NamedTuple

from fanout.system_calls import is_refused, needed

# For those that are not asked by PINGs, or have nothing to be sent: TCP asks whether the host is
# there. One that does not answer is given up at the first question after `tcp_user_timeout`.
KEEPALIVE_IDLE_S = 15  # seconds of silence before the first question; PINGs come more often
KEEPALIVE_INTERVAL_S = 15  # seconds between such questions

# In Linux's `struct tcp_info`, which has grown with the years: where things are, in bytes.
_ACKNOWLEDGED = struct.Struct("=120xQ")  # tcpi_bytes_acked
_WINDOW = struct.Struct("=228xI")  # tcpi_snd_wnd, since Linux 5.4


class Taken(NamedTuple):
    """How far a peer's host has come with what it was sent, in bytes since the beginning.

    Attributes:
        acknowledged: so many have arrived there.
        allowed: up to here it may be sent more: what its program has read, and what may wait there
            until it reads. So this stands still when nobody reads, while the host still
            acknowledges what it has room for. None = the kernel does not say.
    """

    acknowledged: int
    allowed: int | None


def prepare_socket(descriptor: int, *, queue_bytes: int, user_timeout_s: float) -> socket.socket:
    """Make a socket of an accepted connection, non-blocking, and set its options.

    The options belong to the connection: every process that holds a duplicate shares them. On a
    system where it has them from its listener, they are not set again (`prepare_listener`).

    Args:
        queue_bytes: for SO_SNDBUF; the kernel doubles it.
        user_timeout_s: for TCP_USER_TIMEOUT, where there is one.

    Raises:
        OSError: the connection is gone already; the descriptor is closed.
    """
    # What kind it is would be asked for otherwise.
    sock = socket.socket(type=socket.SOCK_STREAM, proto=0, fileno=descriptor)
    try:
        with needed("ioctl", "makes sockets that never block"):
            sock.setblocking(False)
        if sock.family == socket.AF_UNIX:
            _set(sock, socket.SOL_SOCKET, socket.SO_SNDBUF, queue_bytes)
        elif not _has_options(sock):
            _set_tcp(sock, queue_bytes, user_timeout_s)
    except OSError:
        sock.close()
        raise
    return sock


def prepare_listener(listening: socket.socket, *, queue_bytes: int, user_timeout_s: float) -> None:
    """Set what every connection that is accepted there shall have; before it listens.

    Linux gives accepted TCP connections the options of their listener, and the size of the buffer:
    so six system calls for each connection are six for all. Those of Unix sockets have their own.

    Args:
        queue_bytes, user_timeout_s: as for `prepare_socket()`.

    Raises:
        OSError: it is no TCP socket.
    """
    _set_tcp(listening, queue_bytes, user_timeout_s)


def unsent_in_kernel(sock: socket.socket) -> int:
    """Bytes that the kernel took and the peer has not acknowledged; 0 if it does not say.

    On a Unix socket it is the memory of what the peer has not read, more than its bytes.
    """
    return _ask(sock, termios.TIOCOUTQ)  # SIOCOUTQ is the same number


def taken_by_host(sock: socket.socket, handed: int) -> Taken:
    """How far the host of the peer has come.

    Args:
        handed: bytes that the socket has taken, in all.
    """
    if sock.family == socket.AF_UNIX:  # what is not read is still queued here
        read = handed - unsent_in_kernel(sock)
        return Taken(read, read)
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _WINDOW.size)
    except OSError:
        info = b""
    if len(info) < _WINDOW.size:
        return Taken(handed - unsent_in_kernel(sock), None)
    (acknowledged,) = _ACKNOWLEDGED.unpack_from(info)
    return Taken(acknowledged, acknowledged + _WINDOW.unpack_from(info)[0])


def unread_in_kernel(sock: socket.socket) -> int:
    """Bytes that have come in and were not read; 0 if the kernel does not say."""
    return _ask(sock, termios.FIONREAD)  # SIOCINQ is the same number


def _ask(sock: socket.socket, question: int) -> int:
    answer = array.array("i", [0])
    try:
        fcntl.ioctl(sock.fileno(), question, answer)
    except OSError:
        return 0
    return answer[0]


def _set(sock: socket.socket, level: int, option: int, value: int) -> None:
    """Set an option, unless the system refuses to set any.

    Raises:
        OSError: the connection is gone.
    """
    try:
        sock.setsockopt(level, option, value)
    except OSError as error:
        if not is_refused(error):
            raise


def _has_options(sock: socket.socket) -> bool:
    """Whether a TCP connection has the options from its listener: one of them stands for all.

    Raises:
        OSError: it is none.
    """
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
    except OSError as error:
        if not is_refused(error):
            raise
        return False


def _set_tcp(sock: socket.socket, queue_bytes: int, user_timeout_s: float) -> None:
    tcp = socket.IPPROTO_TCP
    _set(sock, socket.SOL_SOCKET, socket.SO_SNDBUF, queue_bytes)
    _set(sock, tcp, socket.TCP_NODELAY, 1)  # batches are made in the pump, not in the kernel
    _set(sock, tcp, socket.TCP_USER_TIMEOUT, int(user_timeout_s * 1000))
    _set(sock, socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    _set(sock, tcp, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
    _set(sock, tcp, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
