"""Ways to open listeners, to connect to them, and to see them fail."""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING

import pytest

from fanout.errors import BindError
from fanout.transport.endpoints import TcpEndpoint, parse_endpoint
from fanout.transport.opening import open_listener

if TYPE_CHECKING:
    from fanout.transport.listener import Listener

BACKLOG = 16
ACCEPT_TIMEOUT_S = 60.0


def connect(listener: Listener) -> tuple[socket.socket, socket.socket]:
    """A client of this listener, and the connection accepted for it."""
    endpoint = parse_endpoint(listener.endpoint)
    if isinstance(endpoint, TcpEndpoint):
        client = socket.create_connection((endpoint.host, endpoint.port), ACCEPT_TIMEOUT_S)
    else:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(ACCEPT_TIMEOUT_S)
        client.connect(endpoint.path.replace("@", "\0"))
    return client, accept(listener)


def accept(listener: Listener) -> socket.socket:
    assert select.select([listener.socket], [], [], ACCEPT_TIMEOUT_S)[0]
    return listener.socket.accept()[0]


def leave_stale_file(path: str) -> None:
    """What a killed publisher leaves: a socket file without a socket."""
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(path)
        killed.listen()


def bind_error(endpoint: str) -> BindError:
    with pytest.raises(BindError) as raised:
        open_listener(endpoint, BACKLOG)
    assert raised.value.endpoint == endpoint
    assert str(raised.value).startswith(f"cannot bind {endpoint!r}: ")
    return raised.value
