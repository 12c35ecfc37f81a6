"""A model of the kernel's side of a Unix socket: it counts no bytes, but those looked at.

It says what `docs/design/takeover.md` relies upon, and shares no code with the product.
`tests/property/test_unix_kernel.py` has it and real sockets take the same steps.
"""

from __future__ import annotations

import errno
import select
import socket
import termios
from contextlib import suppress

from tests.simulation.kernel import CLOSE_WAIT, CLOSED, ESTABLISHED, SOCKET_BUFFER, Connection

SO_PEEK_OFF = 42
MEMORY_EACH = 768  # bytes of memory for what is sent at once, beside what it says; at least
WRITABLE_PART = 4  # it is reported to have room again when 3/4 of it are free


class UnixConnection(Connection):
    """Our end, as the kernel has it. What is sent is at the peer's at once.

    Attributes:
        peek_off: bytes that were looked at and not taken, by all who ever had it; -1 = it is not
            counted, and each look begins at the first byte.
        refuses: whether a sandbox does not let anybody count that.
    """

    family = socket.AF_UNIX

    def __init__(
        self,
        send_buffer: int = SOCKET_BUFFER,
        receive_buffer: int = SOCKET_BUFFER,
        peer_buffer: int = SOCKET_BUFFER,
    ) -> None:
        super().__init__(send_buffer, receive_buffer, peer_buffer)
        self.peek_off = -1
        self.refuses = False
        self._is_shut = self._has_shut_both = self._is_gone = False

    @property
    def room(self) -> int:
        return self.send_buffer - len(self.arrived)

    @property
    def outq(self) -> int:
        """Memory, and not bytes; what nobody reads any more is no more."""
        is_there = self.arrived and not self._is_gone
        return len(self.arrived) + MEMORY_EACH if is_there else 0

    def send(self, data: bytes | memoryview) -> int:
        if self._is_shut or self._is_gone:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        count = min(len(data), self.room)
        self._was_full = self._was_full or count < len(data)
        if count <= 0:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        self.arrived += data[:count]
        return count

    def recv(self, size: int, flags: int = 0) -> bytes:
        looks = bool(flags & socket.MSG_PEEK)
        first = max(self.peek_off, 0) if looks else 0
        data = bytes(self.unread[first : first + size])
        if not data:
            self._raise_error()
            if self.has_ended or self._has_shut_both:
                return b""
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        if looks:
            self.peek_off += len(data) if self.peek_off >= 0 else 0
        else:
            del self.unread[: len(data)]
            self.peek_off = max(self.peek_off - len(data), 0) if self.peek_off >= 0 else -1
        return data

    def shutdown(self, how: int) -> None:
        if how != socket.SHUT_RD:
            self._is_shut = self.peer_saw_end = True
        self._has_shut_both = self._has_shut_both or how == socket.SHUT_RDWR
        if how == socket.SHUT_RDWR:
            self.in_events += 1

    def break_off(self) -> None:
        with suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)

    def info(self) -> bytes:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    def getsockopt(self, level: int, option: int, size: int = 0) -> int | bytes:
        if level == socket.IPPROTO_TCP:
            return self.info()
        if (level, option) == (socket.SOL_SOCKET, SO_PEEK_OFF):
            return self.peek_off
        return super().getsockopt(level, option, size)

    def setsockopt(self, level: int, option: int, value: int) -> None:
        if (level, option) == (socket.SOL_SOCKET, SO_PEEK_OFF):
            if self.refuses:
                raise PermissionError(errno.EPERM, "Operation not permitted")
            self.peek_off = value
        elif (level, option) != (socket.SOL_SOCKET, socket.SO_RCVLOWAT):  # which has no effect
            super().setsockopt(level, option, value)

    def ioctl(self, question: int) -> int:
        return self.outq if question == termios.TIOCOUTQ else self.inq

    @property
    def is_writable(self) -> bool:
        """Whether it is reported to have room."""
        return self.outq * WRITABLE_PART <= max(self.send_buffer, MEMORY_EACH * WRITABLE_PART)

    @property
    def events(self) -> int:
        events = select.EPOLLOUT if self.is_writable else 0
        if self.unread:
            events |= select.EPOLLIN
        if self.has_ended or self._has_shut_both:
            events |= select.EPOLLIN | select.EPOLLRDHUP
        if self._is_gone or self._has_shut_both or (self._is_shut and self.has_ended):
            events |= select.EPOLLHUP
        return events | (select.EPOLLERR if self._error else 0)

    # What the peer does.

    def acknowledge(self, size: int = SOCKET_BUFFER) -> int:
        """There is no network."""
        del size
        self._note_room()
        return 0

    def read(self, size: int = SOCKET_BUFFER) -> bytes:
        data = super().read(size)
        self._note_room()
        return data

    def _note_room(self) -> None:
        if self._was_full and self.is_writable:
            self._was_full = False
            self.room_events += 1

    def say(self, data: bytes) -> int:
        if self.has_ended or self._has_shut_both:
            return 0
        count = min(len(data), self.receive_buffer - len(self.unread))
        self.unread += data[:count]
        self.in_events += count > 0
        return count

    def end(self) -> None:
        if not self.has_ended:
            self.has_ended = True
            self.in_events += 1
            self.state = CLOSE_WAIT if self.state == ESTABLISHED else self.state

    def reset(self) -> None:
        """The peer has closed its end, whatever it has not read."""
        if not self._is_gone:
            self._is_gone = self.has_ended = True
            self._error = errno.ECONNRESET if self.arrived else 0
            self.state = CLOSED
            self.room_events += 1
            self.in_events += 1
