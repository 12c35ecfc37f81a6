"""One connection of a crowd: greets, waits for the answer, says what it wants."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass

from soaking.crowds.wire import GREETING

DISCARD_BYTES = 1 << 20  # at once
READY_BYTES = 100  # at most, with all that a publisher adds
_waste = bytearray(DISCARD_BYTES)  # nothing is written to it: MSG_TRUNC discards in the kernel


@dataclass(frozen=True)
class Where:
    """Whom to connect to, and with which receive buffer; 0 = as the system likes."""

    host: str
    port: int
    receive_buffer: int = 0


class Gone(Exception):
    """The connection has ended."""


class Stranger:
    """A non-blocking connection.

    Args:
        index: which one of its crowd it is.
        opening: what it says first.
        wants: what it says after the handshake.
    """

    def __init__(self, where: Where, index: int, opening: bytes, wants: bytes) -> None:
        self.index = index
        self.ready = False  # the handshake is done, and all that it wants is said
        self.read_bytes = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        if where.receive_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, where.receive_buffer)
        self._wants = wants
        self._to_send = opening
        self._heard = b""
        error = self._socket.connect_ex((where.host, where.port))
        if error not in (0, errno.EINPROGRESS):
            self._socket.close()
            raise Gone(os.strerror(error))

    def fileno(self) -> int:
        """For epoll."""
        return self._socket.fileno()

    @property
    def unsent(self) -> int:
        """Bytes that wait for room."""
        return len(self._to_send)

    def say(self, data: bytes) -> None:
        """Send this when there is room, after what is to be sent."""
        self._to_send += data
        self.send()

    def send(self) -> None:
        """Send what there is room for.

        Raises:
            Gone: the connection has ended.
        """
        while self._to_send:
            try:
                sent = self._socket.send(self._to_send)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno == errno.ENOTCONN:
                    return  # not yet
                raise Gone(str(error)) from error
            self._to_send = self._to_send[sent:]

    def listen(self) -> None:
        """Read the handshake; what comes later is left where it is.

        Raises:
            Gone: the connection has ended.
        """
        if self.ready:
            return
        self._heard += self._receive(len(GREETING) + READY_BYTES - len(self._heard))
        if b"READY" in self._heard:
            self.ready = True
            self.say(self._wants)

    def discard(self, size: int = DISCARD_BYTES) -> int:
        """Read up to so many bytes of what is there, and forget them; returns how many.

        Raises:
            Gone: the connection has ended.
        """
        try:
            count = self._socket.recv_into(_waste, size, socket.MSG_TRUNC)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise Gone(str(error)) from error
        if not count:
            raise Gone("closed")
        self.read_bytes += count
        return count

    def _receive(self, size: int) -> bytes:
        try:
            data = self._socket.recv(size)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise Gone(str(error)) from error
        if not data:
            raise Gone("closed")
        return data

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()
