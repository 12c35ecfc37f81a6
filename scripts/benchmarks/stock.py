"""A stock SUB with a long list of topics, in a process of its own: libzmq by pyzmq.

Raw sockets say all they want in one `send()`. What users have is a SUB, whose own time to put its
list together is the same whoever publishes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import zmq

from benchmarks.children import run_child
from benchmarks.traffic import PROBE_TOPIC, topic_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.channel import Channel, Message

RECONNECT_MS = 1  # so that what is measured is not libzmq's pause of 0.1 s
QUIET_MS = 50  # nothing comes for so long: nothing is under way any more (loopback)


class Stock:
    """One SUB; its last topic is that of the probes, so it sees one when all are in force."""

    def __init__(self, topics: int) -> None:
        self._topics = [*map(topic_name, range(topics - 1)), PROBE_TOPIC]
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        self._socket.setsockopt(zmq.SNDHWM, 0)  # beyond it, subscriptions are dropped
        self._endpoint = ""

    def connect(self, endpoint: str) -> int:
        """Connect and subscribe; when that began, monotonic ns."""
        self._endpoint = f"tcp://{endpoint}"
        began = time.monotonic_ns()
        self._socket.connect(self._endpoint)
        for topic in self._topics:
            self._socket.setsockopt(zmq.SUBSCRIBE, topic)
        return began

    def reconnect(self) -> int:
        """Leave and come back with the same list; when that began."""
        self._socket.disconnect(self._endpoint)
        self.drain()
        began = time.monotonic_ns()
        self._socket.connect(self._endpoint)
        return began

    def drain(self) -> None:
        """Take what is under way."""
        while self._socket.poll(QUIET_MS):
            self._socket.recv_multipart()

    def await_probe(self, seconds: float) -> int:
        """When the next probe came, 0 if none did."""
        if not self._socket.poll(int(seconds * 1000)):
            return 0
        self._socket.recv_multipart()
        return time.monotonic_ns()

    def close(self) -> None:
        """End it."""
        self._context.destroy(linger=0)


def main(channel: Channel, arguments: Sequence[str]) -> None:
    """Serves the harness until it closes the channel."""
    stock = Stock(int(arguments[0]))
    try:
        while True:
            channel.send(**_serve(stock, channel.receive()))
    finally:
        stock.close()


def _serve(stock: Stock, request: Message) -> Message:
    match request["do"]:
        case "connect":
            return {"began_ns": stock.connect(request["endpoint"])}
        case "reconnect":
            return {"began_ns": stock.reconnect()}
        case "drain":
            stock.drain()
            return {}
        case "await-probe":
            return {"arrived_ns": stock.await_probe(request["allowed_seconds"])}
        case other:
            raise ValueError(f"no request {other!r}")


if __name__ == "__main__":
    run_child(main)
