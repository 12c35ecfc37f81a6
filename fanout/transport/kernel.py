"""What the publisher asks of the kernel about a subscriber's socket: options, and its stream."""

from __future__ import annotations

import socket
import struct
import termios
from contextlib import suppress
from typing import NamedTuple

from fanout.basics.descriptors import duplicate
from fanout.basics.system_calls import is_refused, needed
from fanout.transport.socket_queues import KERNEL, SocketQueues, unsent_in_kernel

# For those that are not asked by PINGs, or have nothing to be sent: TCP asks whether the host is
# there. One that does not answer is given up at the first question after `tcp_user_timeout`.
KEEPALIVE_IDLE_S = 15  # seconds of silence before the first question; PINGs come more often
KEEPALIVE_INTERVAL_S = 15  # seconds between such questions

# Of Linux's `struct tcp_info`, which has grown with the years, and states of a connection.
_STREAM = struct.Struct("=B119xQQ")  # tcpi_state, tcpi_bytes_acked, _received: since Linux 4.1
_ACKED_AND_WINDOW = struct.Struct("=120xQ100xI")  # tcpi_bytes_acked, tcpi_snd_wnd: Linux 5.4
_ESTABLISHED, _CLOSE_WAIT, _LAST_ACK = 1, 8, 9

_SO_PEEK_OFF = 42  # Linux 3.4; the `socket` module has no name for it
_READINGS_MAX = 1_000  # one in six has to be taken again from a peer that acknowledges at full rate


def cut_off(descriptor: int) -> None:
    """End a connection at once, for all who hold it; the descriptor stays open.

    Of TCP the peer is sent a reset, and nothing that the kernel still held for it: connect(2) to no
    address does that, where to close the socket would not, as long as somebody else holds it. What
    a Unix socket was handed is with its peer already.
    """
    import ctypes

    nowhere = bytes(16)  # a sockaddr of the family AF_UNSPEC
    ctypes.CDLL(None).connect(descriptor, nowhere, len(nowhere))
    with suppress(OSError):  # it is, if that was done
        shared = socket.socket(fileno=duplicate(descriptor))
        try:
            shared.shutdown(socket.SHUT_RDWR)
        finally:
            shared.close()


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


class QuietConnection(NamedTuple):
    """Of a TCP connection whose peer says no more.

    Attributes:
        acknowledged: bytes that have arrived at the peer's host.
        is_ending: whether we have ended our own side.
    """

    acknowledged: int
    is_ending: bool


class Counts(NamedTuple):
    """What the kernel has counted of a TCP connection since it was accepted, in bytes."""

    written: int  # handed to it by us, whoever of us that was
    read: int  # of what has come in: taken by us


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
            set_queue(sock, queue_bytes)
        elif not _has_options(sock):
            _set_tcp(sock, queue_bytes, user_timeout_s)
    except OSError:
        sock.close()
        raise
    return sock


def set_queue(sock: socket.socket, size: int) -> None:
    """Let the kernel hold so many bytes of what a connection is sent (SO_SNDBUF, which it doubles).

    Raises:
        OSError: the connection is gone.
    """
    _set(sock, socket.SOL_SOCKET, socket.SO_SNDBUF, size)


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


def taken_by_host(sock: socket.socket, handed: int, queues: SocketQueues = KERNEL) -> Taken:
    """How far the host of the peer has come.

    Args:
        handed: bytes that the socket has taken, in all.
        queues: who is asked about its queues, here and below.
    """
    if sock.family == socket.AF_UNIX:  # what is not read is still queued here
        read = handed - unsent_in_kernel(sock, queues)
        return Taken(read, read)
    try:
        acknowledged, window = tcp_info(sock, _ACKED_AND_WINDOW)
    except OSError:
        return Taken(handed - unsent_in_kernel(sock, queues), None)
    return Taken(acknowledged, acknowledged + window)


def await_bytes(sock: socket.socket, count: int) -> bool:
    """Have a TCP connection be reported as readable from so many bytes on; 1 is the default.

    It is so for all who have the connection, now and later. The end of its input is reported in any
    case, and so is that there is no room for more.

    Returns:
        False: the system refuses that, or the connection is gone.
    """
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)
    except OSError:
        return False
    return True


def make_room(sock: socket.socket, size: int, awaited: int) -> None:
    """Have room for so many bytes of the input of a TCP connection, unless its room was set.

    To wait for so many makes that room (tcp_set_rcvlowat in net/ipv4/tcp.c, since Linux 4.18), and
    it stays. SO_RCVBUF is limited by `rmem_max`, and would end the kernel's own tuning.

    Args:
        awaited: what it is to wait for, as of `await_bytes`, before and after.
    """
    await_bytes(sock, size)
    await_bytes(sock, awaited)


def half_closed(sock: socket.socket) -> QuietConnection | None:
    """How a TCP connection stands of which the peer has ended its side.

    Returns:
        None: the connection is over, or the kernel does not say.
    """
    if sock.family == socket.AF_UNIX:
        return None
    try:
        state, acknowledged, _received = tcp_info(sock, _STREAM)
    except OSError:
        return None
    if state not in (_CLOSE_WAIT, _LAST_ACK):
        return None
    return QuietConnection(acknowledged, state == _LAST_ACK)


def acknowledged(sock: socket.socket) -> int:
    """Bytes that have arrived at the peer's host by TCP; 0 if the kernel does not say."""
    try:
        return tcp_info(sock, _STREAM)[1]
    except OSError:
        return 0


def look_from_start(sock: socket.socket) -> bool:
    """Have looks at what a Unix socket has begin at its first byte, and be counted from now on.

    It is so for all who have the connection, now and later. What is looked at is looked over the
    next time, until it is taken or this is called again.

    Returns:
        False: the system refuses that, or does not know it.
    """
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_PEEK_OFF, 0)
    except OSError:
        return False
    return True


def looked_at(sock: socket.socket) -> int | None:
    """Bytes of a Unix socket that were looked at and not taken, by all who ever had it.

    Returns:
        None: that was never counted, or the system does not say.
    """
    try:
        count = sock.getsockopt(socket.SOL_SOCKET, _SO_PEEK_OFF)
    except OSError:
        return None
    return count if count >= 0 else None


def stream_counts(sock: socket.socket, queues: SocketQueues = KERNEL) -> Counts | None:
    """What was written to a connection and read from it, by all who ever had it.

    Nobody else may write or read meanwhile. That what was written is the sum of two numbers, which
    are asked for one after the other, and that the peer acknowledges meanwhile, is seen to.

    Returns:
        None: it is no TCP connection, or its end has begun on our side, or the kernel is too old.
    """
    try:
        state, acknowledged, received = tcp_info(sock, _STREAM)
        for _ in range(_READINGS_MAX):
            if state not in (_ESTABLISHED, _CLOSE_WAIT):
                return None
            unsent = queues.held(sock, termios.TIOCOUTQ)
            unread = queues.held(sock, termios.FIONREAD)
            again = tcp_info(sock, _STREAM)
            if again == (state, acknowledged, received):
                # The end of its stream counts as a byte that came in, and is not there to be read.
                return Counts(acknowledged + unsent, received - unread - (state == _CLOSE_WAIT))
            state, acknowledged, received = again
    except OSError:
        pass
    return None


def tcp_info(sock: socket.socket, fields: struct.Struct) -> tuple[int, ...]:
    """What the kernel knows of a TCP socket.

    Args:
        fields: which, of Linux's `struct tcp_info` from its beginning.

    Raises:
        OSError: it is no TCP socket, or the system does not say that.
    """
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, fields.size)
    if len(info) < fields.size:
        raise OSError("this kernel does not say that of a TCP socket")
    return fields.unpack(info)


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
    set_queue(sock, queue_bytes)
    _set(sock, tcp, socket.TCP_NODELAY, 1)  # batches are made in the pump, not in the kernel
    _set(sock, tcp, socket.TCP_USER_TIMEOUT, int(user_timeout_s * 1000))
    _set(sock, socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # An urgent byte is one like others: else it is in no `recv`, and counted as if it had been.
    _set(sock, socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
    _set(sock, tcp, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
    _set(sock, tcp, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
