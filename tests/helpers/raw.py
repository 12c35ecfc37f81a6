"""Raw peers: bytes to and from a publisher, written down here and not taken from its codec."""

from __future__ import annotations

import contextlib
import select
import socket
from typing import TYPE_CHECKING, Self

from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from types import TracebackType

SIGNATURE = bytes.fromhex("ff00000000000000017f")
READY_SUB = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB"
READY_HEAD = b"\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB"  # more properties may follow


def greeting_3(minor: int) -> bytes:
    """The greeting of ZMTP 3.x with NULL, 64 bytes."""
    return SIGNATURE + bytes((3, minor)) + b"NULL".ljust(20, b"\0") + bytes(32)


def frame(body: bytes, flags: int = 0) -> bytes:
    """A frame of ZMTP 2.0 and 3.x."""
    if len(body) > 255:
        return bytes((flags | 2,)) + len(body).to_bytes(8, "big") + body
    return bytes((flags, len(body))) + body


def command(name: bytes, data: bytes = b"") -> bytes:
    """A command of ZMTP 3.x."""
    return frame(bytes((len(name),)) + name + data, 4)


class RawPeer:
    """A connection to a publisher; everything it waits for has a deadline.

    Args:
        endpoint: tcp:// with an address, or ipc:// with a path.
        receive_buffer: bytes of SO_RCVBUF; 0 = as the system likes.
        read_ahead: bytes that may be read before anybody asks for them. With 0 nobody who looks at
            the socket misses any; with more, threads that publish in the same process hold up the
            reader once for many messages, and not at each byte.

    Attributes:
        properties: what the publisher has said of itself beside its socket type.
    """

    def __init__(self, endpoint: str, receive_buffer: int = 0, read_ahead: int = 0) -> None:
        scheme, _, rest = endpoint.partition("://")
        address: str | tuple[str | int, ...]
        if scheme == "ipc":
            family, address = socket.AF_UNIX, "\0" + rest[1:] if rest[0] == "@" else rest
        else:
            host, _, port = rest.rpartition(":")
            found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
            family, address = found[0][0], found[0][4]  # type: ignore[assignment]  # no bytes here
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect(address)
        self._read_ahead = read_ahead
        self._ahead = bytearray()
        self.properties = b""

    @classmethod
    def version_3(
        cls,
        endpoint: str,
        *topics: bytes,
        minor: int = 1,
        receive_buffer: int = 0,
        read_ahead: int = 0,
    ) -> Self:
        """A subscriber after the handshake of ZMTP 3.x."""
        peer = cls(endpoint, receive_buffer, read_ahead)
        peer.send(greeting_3(minor) + READY_SUB)
        peer.expect(greeting_3(1))
        peer.properties = peer.expect_ready()
        for topic in topics:
            peer.send(command(b"SUBSCRIBE", topic) if minor else frame(b"\x01" + topic))
        return peer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave, without a word."""
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def send_if_open(self, data: bytes) -> None:
        """Send it, unless the publisher has closed."""
        with contextlib.suppress(ConnectionError):
            self.send(data)

    def say_half(self) -> None:
        """Have its worker take a part of a frame: then nobody can go on with it.

        The frame is larger than what may wait in the kernel until it is whole, and allowed.
        """
        self.send(command(b"PING", b"\0\0half") + b"\x02" + (60_000).to_bytes(8, "big") + b"\0")
        self.expect(command(b"PONG", b"half"))

    def is_readable(self, timeout_s: float) -> bool:
        """Whether there is anything to read, or the publisher has closed."""
        return bool(select.select([self.socket], [], [], timeout_s)[0])

    def read(self, count: int) -> bytes:
        """Exactly so many bytes; the publisher must not close before."""
        ahead = self._ahead
        while len(ahead) < count:
            piece = self.socket.recv(self._read_ahead or count - len(ahead))
            assert piece, f"closed after {bytes(ahead)!r}"
            ahead += piece
        data = bytes(ahead[:count])
        del ahead[:count]
        return data

    def has_more(self) -> bool:
        """Wait for more; False if the publisher has closed, and all was read."""
        return bool(self._ahead or self.socket.recv(1, socket.MSG_PEEK))

    def expect(self, data: bytes) -> None:
        """The next bytes are these."""
        assert self.read(len(data)) == data

    def expect_ready(self) -> bytes:
        """The next frame is the READY of a publisher, of the form that is shortest.

        Returns:
            Its properties behind the socket type.
        """
        assert self.read(1) == b"\x04"
        body = self.read(self.read(1)[0])
        assert body.startswith(READY_HEAD)
        return body[len(READY_HEAD) :]

    def read_to_end(self) -> bytes:
        """Everything until the publisher closes."""
        pieces = []
        try:
            while piece := self.socket.recv(65536):
                pieces.append(piece)
        except ConnectionResetError:
            pass  # it had not read all that we sent
        return b"".join(pieces)

    def read_frame(self) -> tuple[int, bytes]:
        """Flags and body of the next frame of ZMTP 2.0 or 3.x."""
        flags = self.read(1)[0]
        size = int.from_bytes(self.read(8 if flags & 2 else 1), "big")
        return flags & ~2, self.read(size)

    def read_message(self) -> list[bytes]:
        """The frames of the next message; commands between messages are skipped."""
        frames: list[bytes] = []
        while True:
            flags, body = self.read_frame()
            if flags & 4:
                assert not frames, "a command inside a message"
                continue
            frames.append(body)
            if not flags & 1:
                return frames

    def read_message_1(self) -> list[bytes]:
        """The frames of the next message of ZMTP 1.0."""
        frames: list[bytes] = []
        while True:
            length = self.read(1)[0]
            if length == 255:
                length = int.from_bytes(self.read(8), "big")
            flags = self.read(1)[0]
            frames.append(self.read(length - 1))
            if not flags & 1:
                return frames
