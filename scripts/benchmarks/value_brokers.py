"""Brokers that have a last value of each topic: redis as keys, JetStream in a stream."""

from __future__ import annotations

import re
import socket
from abc import ABC, abstractmethod
from contextlib import closing
from typing import TYPE_CHECKING

from benchmarks.peers.base import LOOPBACK, port_of
from benchmarks.peers.jetstream import JetStreamPeer
from benchmarks.peers.redis import RedisPeer, ask
from benchmarks.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.channel import Channel
    from benchmarks.peers.broker import BrokerPeer

PATIENCE_SECONDS = 60.0
HITS = re.compile(rb"keyspace_hits:([0-9]+)\r\n")


class Keeper(ABC):
    """One of them, started."""

    def __init__(self, peer: BrokerPeer) -> None:
        self._peer = peer
        self.port = port_of(peer.start()[0])

    @abstractmethod
    def keep(self, values: Mapping[bytes, bytes]) -> None:
        """Have these; the last of them is kept when it returns."""

    @abstractmethod
    def repeated(self) -> int:
        """How many of them newcomers were sent."""

    def probe(self, topic: bytes, payload: bytes) -> None:
        """Publish something."""
        self._peer.send(topic, payload)

    def close(self) -> None:
        """End it."""
        self._peer.close()


class Redis(Keeper):
    """Newcomers ask for keys; redis counts those that it has found."""

    def __init__(self, payload_bytes: int) -> None:
        peer = self._redis = RedisPeer(Traffic(0, payload_bytes))
        super().__init__(peer)
        self._asking = socket.create_connection((LOOPBACK, self.port), PATIENCE_SECONDS)
        self._before = 0

    def keep(self, values: Mapping[bytes, bytes]) -> None:
        self._redis.keep(values)
        # What was sent on another connection need not be there: wait for the last key.
        while b"$-1" in ask(self._asking, b"GET", next(reversed([*values]))):
            pass
        self._before = hits_of(self._asking)

    def repeated(self) -> int:
        return hits_of(self._asking) - self._before

    def close(self) -> None:
        self._asking.close()
        super().close()


class JetStream(Keeper):
    """Newcomers have a consumer each, of which JetStream knows how much it was sent."""

    def __init__(self, payload_bytes: int) -> None:
        peer = self._jetstream = JetStreamPeer(Traffic(0, payload_bytes), last=1)
        super().__init__(peer)

    def keep(self, values: Mapping[bytes, bytes]) -> None:
        self._jetstream.keep(values)

    def repeated(self) -> int:
        return self._jetstream.delivered


KEEPERS: dict[str, type[Redis | JetStream]] = {"redis": Redis, "jetstream": JetStream}


def serve_by_broker(
    channel: Channel, name: str, values: Mapping[bytes, bytes], probe: tuple[bytes, bytes]
) -> None:
    """Have these values, and do what the harness asks for."""
    with closing(KEEPERS[name](len(probe[1]))) as keeper:
        keeper.keep(values)
        channel.send(port=keeper.port)
        while True:
            if channel.receive()["do"] == "count":
                channel.send(count=keeper.repeated())
            else:
                keeper.probe(*probe)
                channel.send()


def hits_of(connection: socket.socket) -> int:
    """How many keys redis has found that it was asked for."""
    found = HITS.search(ask(connection, b"INFO", b"stats"))
    assert found is not None, "redis does not say how many keys were found"
    return int(found[1])
