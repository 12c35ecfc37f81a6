"""libzmq's PUB and fanout's Publisher with the same three verbs, so that one script fits both."""

from __future__ import annotations

from typing import Protocol

import zmq

import fanout
from tests.helpers.waiting import wait_until

LOG_BYTES = 16 * 1024 * 1024


class PublishingSocket(Protocol):
    """What the scripts of tests/interop need of a publisher."""

    def bind(self, endpoint: str) -> str:
        """Listen; returns the endpoint with the real port."""

    def send_multipart(self, frames: list[bytes]) -> None:
        """Publish one message."""

    def close(self) -> None:
        """End it, and all connections."""


ANSWER_MS = 10_000  # that its peers have to answer a PING: one that runs late is no dead one


class LibzmqPublisher:
    """A PUB socket of pyzmq in a context of its own, with queues that drop nothing.

    Args:
        heartbeat_ms: interval of its PINGs; 0 = none.
        workers: of no account; one thread serves all connections.
    """

    def __init__(self, heartbeat_ms: int = 0, workers: int = 1) -> None:
        del workers
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.set(zmq.SNDHWM, 0)
        self._socket.set(zmq.HEARTBEAT_IVL, heartbeat_ms)
        self._socket.set(zmq.HEARTBEAT_TIMEOUT, ANSWER_MS)

    def bind(self, endpoint: str) -> str:
        """Listen; a port that was just left is tried again until it is free."""
        wait_until(lambda: self._try_bind(endpoint), f"{endpoint} is free")
        return self._socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")

    def send_multipart(self, frames: list[bytes]) -> None:
        """Publish one message."""
        self._socket.send_multipart(frames)

    def close(self) -> None:
        """End it, and all connections."""
        self._context.destroy(linger=0)

    def _try_bind(self, endpoint: str) -> bool:
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            if error.errno != zmq.EADDRINUSE:
                raise
            return False
        return True


class FanoutPublisher:
    """fanout's Publisher.

    Args:
        heartbeat_ms: interval of its PINGs; 0 = none.
        workers: how many serve its connections.
    """

    def __init__(self, heartbeat_ms: int = 0, workers: int = 2) -> None:
        self.publisher = fanout.Publisher(
            workers=workers,
            log_bytes=LOG_BYTES,
            heartbeat_interval=heartbeat_ms / 1000,
            allow_zmtp_1=True,
        )

    def bind(self, endpoint: str) -> str:
        """Listen."""
        return self.publisher.bind(endpoint)

    def send_multipart(self, frames: list[bytes]) -> None:
        """Publish one message."""
        self.publisher.send_multipart(frames)

    def close(self) -> None:
        """End it, and all connections."""
        self.publisher.stop()


PUBLISHERS: dict[str, type[LibzmqPublisher] | type[FanoutPublisher]] = {
    "libzmq": LibzmqPublisher,
    "fanout": FanoutPublisher,
}
