"""A model of the kernel's side of a TCP connection: what it counts, and what it takes and gives.

It says what `docs/design/takeover.md` relies upon, and shares no code with the product.
`tests/property/test_kernel.py` has it and real sockets of the loopback take the same steps.
Unix sockets are in `unix_kernel.py`.
"""

from __future__ import annotations

import errno
import select
import socket
import struct
import termios
from contextlib import suppress

# States of a connection, as Linux numbers them. One that waits for late packets says CLOSED, too.
ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSED, CLOSE_WAIT, LAST_ACK, CLOSING = 1, 4, 5, 7, 8, 9, 11

INFO_BYTES = 256
_ACKED, _RECEIVED, _WINDOW = struct.Struct("=Q"), struct.Struct("=Q"), struct.Struct("=I")
_ACKED_AT, _RECEIVED_AT, _WINDOW_AT = 120, 128, 228
SOCKET_BUFFER = 1 << 30  # of a connection of which nothing else is said


class Connection:
    """Our end, as the kernel has it; it outlives the processes that use it.

    What is sent lies in `queue` until the host of the peer acknowledges it, and in `arrived` until
    the peer reads it. What the peer says lies in `unread` until one of us takes it.

    Args:
        send_buffer: bytes that may wait here to be acknowledged.
        receive_buffer: bytes that may wait here to be taken.
        peer_buffer: bytes that may wait there to be read.

    Attributes:
        acked, received: bytes, as the kernel counts them: the end of a stream is one of them.
        lowat: SO_RCVLOWAT.
        options: what was set; it stays whoever has set it.
        room_events: how often it has got room after it had none.
        in_events: how often something has come.
        has_ended: whether the peer has sent the end of its stream.
        peer_saw_end: whether it has got that of ours.
    """

    family = socket.AF_INET

    def __init__(
        self,
        send_buffer: int = SOCKET_BUFFER,
        receive_buffer: int = SOCKET_BUFFER,
        peer_buffer: int = SOCKET_BUFFER,
    ) -> None:
        self.state = ESTABLISHED
        self.send_buffer = send_buffer
        self.receive_buffer = receive_buffer
        self.peer_buffer = peer_buffer
        self.acked = self.received = 0
        self.queue = bytearray()
        self.arrived = bytearray()
        self.unread = bytearray()
        self.lowat = 1
        self.options: dict[tuple[int, int], int] = {}
        self.room_events = self.in_events = 0
        self.has_ended = False
        self.peer_saw_end = False
        self._has_hung_up = False
        self._fin_queued = False
        self._was_full = False
        self._error = 0

    # What a process of ours does.

    @property
    def outq(self) -> int:
        """SIOCOUTQ: what was not acknowledged, the end of our stream with it."""
        return len(self.queue) + self._fin_queued

    @property
    def inq(self) -> int:
        """SIOCINQ."""
        return len(self.unread)

    @property
    def room(self) -> int:
        """Bytes that a send takes now."""
        return self.send_buffer - len(self.queue)

    def send(self, data: bytes | memoryview) -> int:
        """Take as many bytes as there is room for.

        Raises:
            OSError: BlockingIOError if there is none; or the connection has ended.
        """
        self._raise_error()
        if self._fin_queued or self.state not in (ESTABLISHED, CLOSE_WAIT):
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        count = min(len(data), self.room)
        self._was_full = self._was_full or count < len(data)
        if count <= 0:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        self.queue += data[:count]
        return count

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Take, or with MSG_PEEK look at, up to so many bytes; empty = the end of the stream.

        With MSG_TRUNC as many are thrown away; their number counts, not what is returned.

        Raises:
            OSError: BlockingIOError if there are none; or the connection has broken.
        """
        if not self.unread:
            if self.has_ended:
                return b""
            self._raise_error()
            if self.state == CLOSED:
                return b""
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        data = bytes(self.unread[:size])
        if not flags & socket.MSG_PEEK:
            del self.unread[:size]
        return data

    def shutdown(self, how: int) -> None:
        """End our stream, and with SHUT_RDWR take no more of theirs.

        Raises:
            OSError: the connection has ended already.
        """
        if self.state == CLOSED:
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")
        if how != socket.SHUT_RD and self.state in (ESTABLISHED, CLOSE_WAIT):
            self.state = FIN_WAIT1 if self.state == ESTABLISHED else LAST_ACK
            self._fin_queued = True

    def break_off(self) -> None:
        """As `shutdown(SHUT_RDWR)`, however it is."""
        with suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)

    def info(self) -> bytes:
        """TCP_INFO."""
        info = bytearray(INFO_BYTES)
        info[0] = self.state
        _ACKED.pack_into(info, _ACKED_AT, self.acked)
        _RECEIVED.pack_into(info, _RECEIVED_AT, self.received)
        _WINDOW.pack_into(info, _WINDOW_AT, max(self.peer_buffer - len(self.arrived), 0))
        return bytes(info)

    def ioctl(self, question: int) -> int:
        """SIOCOUTQ or SIOCINQ."""
        return self.outq if question == termios.TIOCOUTQ else self.inq

    def getsockopt(self, level: int, option: int, size: int = 0) -> int | bytes:
        """TCP_INFO, or what was set."""
        if (level, option) == (socket.IPPROTO_TCP, socket.TCP_INFO):
            return self.info()[:size]
        if (level, option) == (socket.SOL_SOCKET, socket.SO_RCVLOWAT):
            return self.lowat
        if (level, option) == (socket.SOL_SOCKET, socket.SO_RCVBUF):
            return self.receive_buffer
        return self.options.get((level, option), 1)

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """Set an option, for all who ever have it."""
        if (level, option) == (socket.SOL_SOCKET, socket.SO_RCVLOWAT):
            self.lowat = max(1, min(value, self.receive_buffer // 2))
        self.options[level, option] = value

    @property
    def events(self) -> int:
        """What an epoll set would report of it, level-triggered."""
        events = select.EPOLLOUT if self.room > 0 else 0
        if len(self.unread) >= self.lowat:
            events |= select.EPOLLIN
        if self.has_ended:
            events |= select.EPOLLIN | select.EPOLLRDHUP
        if self.state == CLOSED:
            events |= select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLOUT
        return events | (select.EPOLLERR if self._error else 0)

    def _raise_error(self) -> None:
        if self._error:
            error, self._error = self._error, 0
            raise OSError(error, "Connection reset by peer")

    # What the network and the peer do.

    def acknowledge(self, size: int = SOCKET_BUFFER) -> int:
        """The peer's host takes so many bytes more, if it has room for them; returns how many."""
        if self._has_hung_up and self.queue:
            self.reset()
        count = max(0, min(size, len(self.queue), self.peer_buffer - len(self.arrived)))
        self.arrived += self.queue[:count]
        del self.queue[:count]
        self.acked += count
        if self._was_full and self.room > 0:
            self._was_full = False
            self.room_events += 1
        if self._fin_queued and not self.queue and size > count:
            self._fin_queued = False
            self.acked += 1
            self.peer_saw_end = True
            self.state = FIN_WAIT2 if self.state == FIN_WAIT1 else CLOSED
        return count

    def read(self, size: int = SOCKET_BUFFER) -> bytes:
        """The peer reads."""
        data = bytes(self.arrived[:size])
        del self.arrived[:size]
        return data

    def say(self, data: bytes) -> int:
        """The peer sends; returns how many bytes have come."""
        if self.state not in (ESTABLISHED, FIN_WAIT1, FIN_WAIT2) or self.has_ended:
            return 0
        count = min(len(data), self.receive_buffer - len(self.unread))
        self.unread += data[:count]
        self.received += count
        return count

    def end(self) -> None:
        """The peer ends its stream; it still reads."""
        after = {ESTABLISHED: CLOSE_WAIT, FIN_WAIT1: CLOSING, FIN_WAIT2: CLOSED}
        if not self.has_ended and self.state in after:
            self.has_ended = True
            self.received += 1
            self.state = after[self.state]

    def hang_up(self) -> None:
        """The peer closes, after it has read all: what comes for it from now on resets."""
        self.end()
        self._has_hung_up = True

    def keep_alive(self) -> None:
        """TCP asks the peer's host, as it does of who is silent: where nobody has it, it resets."""
        if self._has_hung_up:
            self.reset()

    def reset(self) -> None:
        """The peer has broken it off."""
        if self.state != CLOSED:
            self._error = errno.EPIPE if self.state == CLOSE_WAIT else errno.ECONNRESET
            self.state = CLOSED
            self.room_events += 1
            self.in_events += 1
