"""A raw connection to an endpoint of the publisher: bytes go out, and its end is waited for."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from typing import Self


class RawPeer:
    """Owns its socket, which subclasses connect."""

    socket: socket.socket

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ended(self) -> bool:
        """Whether the publisher closes the connection; waits for it."""
        with contextlib.suppress(ConnectionError):
            while self.socket.recv(65536):
                pass
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
