"""nats-server, without its limits on slow consumers: every subscriber must get everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.peers.base import LOOPBACK
from benchmarks.peers.broker import BrokerPeer
from benchmarks.wire import NATS_CONNECT

if TYPE_CHECKING:
    import socket
    from pathlib import Path

CONFIGURATION = """
listen: "{host}:{port}"
max_connections: 65000
max_pending: 1GB
max_payload: 8MB
write_deadline: "600s"
ping_interval: "1h"
"""


class NatsPeer(BrokerPeer):
    """The feeder is a plain client that never asks for acknowledgements."""

    more = ""  # of the configuration

    def command_line(self, port: int, directory: Path) -> list[str]:
        configuration = directory / "nats.conf"
        text = (CONFIGURATION + self.more).format(host=LOOPBACK, port=port, directory=directory)
        configuration.write_text(text)
        return ["nats-server", "--config", str(configuration)]

    def publication(self, topic: bytes, payload: bytes) -> bytes:
        return b"PUB %b %d\r\n%b\r\n" % (topic, len(payload), payload)

    def introduce(self, feed: socket.socket) -> None:
        feed.sendall(NATS_CONNECT)
