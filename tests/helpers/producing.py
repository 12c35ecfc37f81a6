"""Producers of bytes for `ingest()`, and what is asked of the publisher about them."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from tests.helpers.raw import command, greeting_3
from tests.helpers.raw_peer import RawPeer
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from fanout import IngestStatistics, Publisher
    from tests.helpers.stock import Socket, Stock

READY_PUSH = command(b"READY", b"\x0bSocket-Type\x00\x00\x00\x04PUSH")


class Raw(RawPeer):
    """A producer of bytes.

    Args:
        eager: what it sends with its READY, without waiting for ours.
    """

    def __init__(self, endpoint: str, minor: int = 1, eager: bytes = b"") -> None:
        if endpoint.startswith("ipc://"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(DEADLINE_S)
            self.socket.connect(endpoint.removeprefix("ipc://"))
        else:
            host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
            self.socket = socket.create_connection((host, int(port)), DEADLINE_S)
        self.socket.sendall(greeting_3(minor) + READY_PUSH + eager)

    def is_greeted(self) -> bool:
        """Whether our READY has come; waits for it."""
        answer = b""
        while b"READY" not in answer:
            data = self.socket.recv(4096)
            assert data, "the connection was closed"
            answer += data
        return True


def figures(publisher: Publisher) -> IngestStatistics:
    [one] = publisher.ingest_statistics()
    return one


def has_dropped(publisher: Publisher, count: int) -> bool:
    return figures(publisher).dropped == count


def subscribed(stock: Stock, publisher: Publisher, *topics: bytes) -> Socket:
    subscriber = stock.connect(publisher.endpoints[0], *topics)
    publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
    return subscriber
