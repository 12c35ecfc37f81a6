"""libzmq's PUB socket by pyzmq, lossless: a full subscriber makes `send` wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import zmq

from benchmarks.peers.base import BACKLOG, LOOPBACK, Peer
from benchmarks.wire import SERVER_SECRET

if TYPE_CHECKING:
    from benchmarks.traffic import Traffic

SEND_HWM = 1000  # messages queued for each subscriber: libzmq's default


class LibzmqPeer(Peer):
    """One PUB socket; two frames a message, as fanout sends them."""

    def __init__(
        self,
        traffic: Traffic,
        io_threads: int,
        send_hwm: int = SEND_HWM,
        nodrop: int = 1,
        send_bytes: int = -1,
        port: int = 0,
        curve: int = 0,
    ) -> None:
        super().__init__(traffic)
        self._context = zmq.Context(io_threads)
        self._context.set(zmq.MAX_SOCKETS, 65_000)
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.XPUB_NODROP, nodrop)
        self._socket.setsockopt(zmq.SNDHWM, send_hwm)
        self._socket.setsockopt(zmq.SNDBUF, send_bytes)  # -1 = as the system likes
        self._socket.setsockopt(zmq.BACKLOG, BACKLOG)
        self._socket.setsockopt(zmq.LINGER, 0)
        if curve:  # whoever connects is served: nobody is asked
            self._socket.setsockopt(zmq.CURVE_SERVER, 1)
            self._socket.setsockopt(zmq.CURVE_SECRETKEY, SERVER_SECRET.encode())
        self._port = port

    def start(self) -> list[str]:
        port = self._port
        if port:
            self._socket.bind(f"tcp://{LOOPBACK}:{port}")
        else:
            port = self._socket.bind_to_random_port(f"tcp://{LOOPBACK}")
        return [f"{LOOPBACK}:{port}"]

    def send(self, topic: bytes, payload: bytes) -> None:
        self._socket.send(topic, zmq.SNDMORE)
        self._socket.send(payload)

    def publish(self, count: int) -> None:
        # Two sends are what send_multipart does, without its checks: the fastest way in pyzmq.
        send, more, payload = self._socket.send, zmq.SNDMORE, self.traffic.payload
        for topic in self.traffic.topics_of(count):
            send(topic, more)
            send(payload)

    def close(self) -> None:
        self._context.destroy(linger=0)
