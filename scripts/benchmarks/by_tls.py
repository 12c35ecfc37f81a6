"""How a subscriber gets through the handshake of TLS, and how what comes then is counted."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from benchmarks.wire import CERTIFICATE

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.wire import Dialect
    from fanout.security.records import TlsRecords

NAME = "localhost"
READ_BYTES = 64 * 1024
HEADER_BYTES = 5  # of a record (RFC 8446, 5.2): kind, version, and the length in two bytes
OVERHEAD_BYTES = 17  # in what follows: kind and tag


class RecordCount:
    """Counts the plain bytes in whole records of TLS 1.3, which it need not open for that.

    How many records a stream takes depends on how much is sent at once: so bytes on the wire are
    not known before, as they are for what is sent in clear, and by CURVE.
    """

    def __init__(self) -> None:
        self._header = b""
        self._plain = 0  # of the record that is coming
        self._left = 0

    def take(self, data: bytes | memoryview) -> int:
        """Returns how many there are in the records that end in these bytes."""
        at = counted = 0
        while at < len(data):
            if not self._left:
                piece = bytes(data[at : at + HEADER_BYTES - len(self._header)])
                self._header += piece
                at += len(piece)
                if len(self._header) == HEADER_BYTES:
                    self._left = int.from_bytes(self._header[3:], "big")
                    self._plain, self._header = self._left - OVERHEAD_BYTES, b""
                continue
            step = min(self._left, len(data) - at)
            at += step
            self._left -= step
            if not self._left:
                counted += self._plain
        return counted


def connector() -> Callable[[], TlsRecords]:
    """What makes TLS for one connection after another."""
    from fanout.auth import TlsClient  # versions that are compared with this one may not have it

    return TlsClient(ca=CERTIFICATE).wrapping(NAME)


def connect_by_tls(
    address: tuple[str, int], records: TlsRecords, spoken: Dialect, request: bytes, timeout: float
) -> tuple[socket.socket, Callable[[bytes], bytes], RecordCount]:
    """A connection whose handshakes are done and that has said this request.

    Returns:
        It, what makes plain bytes of what comes, and what counts these in place of that.
    """
    count = RecordCount()
    connection = socket.create_connection(address, timeout)

    def opened(data: bytes) -> bytes:
        count.take(data)
        return records.receive(data)

    def came() -> bytes:
        data = connection.recv(READ_BYTES)
        if not data:
            raise ConnectionError("the publisher closed a connection in its handshake")
        return opened(data)

    records.begin()
    connection.sendall(records.take_output())
    plain = b""
    while not records.is_ready:
        plain += came()
        connection.sendall(records.take_output())
    for said in (spoken.hello, request):
        left = bytearray(said)
        while left:
            connection.sendall(records.take(left))
        while spoken.welcome not in plain:
            plain += came()
    return connection, opened, count
