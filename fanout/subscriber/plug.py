"""The socket of one line, and what stands between both: boxes of CURVE, or records of TLS. Shell.

A record is made once, of bytes that are said thereby. What the socket does not take of one is kept,
and as long as it is, no other is made. Until the handshake of TLS is done nothing else goes out.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from fanout.security.records import TlsRecords
    from fanout.subscriber.boxing import Boxing
    from fanout.transport.endpoints import Endpoint

Address = tuple[int, object]  # family, and address as the system takes it


@dataclass(slots=True)
class Plug:
    """The socket of one line, if there is one. Owned by one thread."""

    endpoint: Endpoint
    wrapping: Callable[[], TlsRecords] | None = None  # makes TLS for one connection; None: none
    sock: socket.socket | None = None
    unsent: bytearray = field(default_factory=bytearray)
    answers: int = 0  # bytes of `unsent` that are answers, or were when some of it was sent last
    others: list[Address] = field(default_factory=list)  # to be tried if this one fails
    boxing: Boxing | None = None  # seals what is unsent; None: it goes out as it is
    sealed: bytes = b""  # goes out before what is unsent
    records: TlsRecords | None = None  # TLS of this connection
    wire: bytes = b""  # of it, goes out before all else

    def begin(self) -> None:
        """There is a connection: TLS begins, if it has that."""
        if self.wrapping is not None:
            self.records = self.wrapping()
            self.records.begin()

    @property
    def is_wrapping(self) -> bool:
        """Whether the handshake of TLS is under way."""
        return self.records is not None and not self.records.is_ready

    @property
    def has_ended(self) -> bool:
        """Whether the publisher has said by TLS that it will send nothing more."""
        return self.records is not None and self.records.has_ended

    def has_unsent(self) -> bool:
        """Whether something waits for the socket to have room."""
        if self.records is None:
            return bool(self.unsent or self.sealed)
        is_due = self.records.has_output or (self.records.is_ready and bool(self.unsent))
        return is_due or bool(self.wire)

    def seal(self, boxing: Boxing | None) -> None:
        """The handshake is done: what is unsent belongs to it, and what follows is sealed."""
        self.boxing = boxing
        if boxing is not None:
            self.sealed, self.unsent = bytes(self.unsent), bytearray()

    def receive(self, sock: socket.socket, size: int) -> bytes | None:
        """What has come; empty = it has ended, None = nothing yet but for TLS.

        Raises:
            RemoteProtocolError: the publisher does not speak TLS, or is refused, or refuses us; it
                was told, if the socket takes that.
            OSError: as `recv` of the socket.
        """
        data = sock.recv(size)
        records = self.records
        if records is None or not data:
            return data
        try:
            plain = records.receive(data)
        except BaseException:
            with suppress(OSError):
                sock.send(self.wire + records.take_output())
            raise
        return plain or (b"" if records.has_ended else None)

    def send(self, sock: socket.socket) -> None:
        """Send what the socket takes; of what is to be sealed only a part at a time.

        Raises:
            OSError: as `send` of the socket.
        """
        if self.records is not None:
            self._send_record(sock, self.records)
        elif self.boxing is None:
            del self.unsent[: sock.send(self.unsent)]
        else:
            if not self.sealed:
                self.sealed = self.boxing.take(self.unsent)
            self.sealed = self.sealed[sock.send(self.sealed) :]

    def _send_record(self, sock: socket.socket, records: TlsRecords) -> None:
        if not self.wire:
            self.wire = records.take_output() or records.take(self.unsent)
        self.wire = self.wire[sock.send(self.wire) :]

    def pull(self) -> socket.socket | None:
        """Begin anew, without a socket; returns the one that there was."""
        sock, self.sock, self.answers = self.sock, None, 0
        self.unsent, self.boxing, self.sealed = bytearray(), None, b""
        self.records, self.wire = None, b""
        return sock
