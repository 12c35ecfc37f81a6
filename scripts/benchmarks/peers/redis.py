"""redis-server, without its limits on slow subscribers: every subscriber must get everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.peers.base import BACKLOG, LOOPBACK
from benchmarks.peers.broker import BrokerPeer
from benchmarks.wire import resp_command

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping
    from pathlib import Path

ANSWER_BYTES = 64 * 1024
SETTINGS = {
    "bind": LOOPBACK,
    "save": "",
    "appendonly": "no",
    "maxclients": "16000",
    "tcp-backlog": str(BACKLOG),
    "client-output-buffer-limit": "pubsub 0 0 0",
}


class RedisPeer(BrokerPeer):
    """The feeder turns replies off, which is the fastest way to publish to redis."""

    def command_line(self, port: int, directory: Path) -> list[str]:
        settings = SETTINGS | {"port": str(port), "dir": str(directory)}
        pairs = ((f"--{name}", value) for name, value in settings.items())
        return ["redis-server", *(word for pair in pairs for word in pair)]

    def publication(self, topic: bytes, payload: bytes) -> bytes:
        return resp_command(b"PUBLISH", topic, payload)

    def introduce(self, feed: socket.socket) -> None:
        feed.sendall(resp_command(b"CLIENT", b"REPLY", b"OFF"))

    def keep(self, values: Mapping[bytes, bytes]) -> None:
        """Set keys, for who asks for them later."""
        self._write(b"".join(resp_command(b"SET", *pair) for pair in values.items()))


def ask(connection: socket.socket, *words: bytes) -> bytes:
    """The answer of redis, if it is not longer than what comes at once."""
    connection.sendall(resp_command(*words))
    return connection.recv(ANSWER_BYTES)
