"""Two ends of a connection."""

from __future__ import annotations

import socket

TIMEOUT_S = 60.0


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """By TCP: the one that was accepted, and the one that has connected."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname(), TIMEOUT_S)
        return listening.accept()[0], client
