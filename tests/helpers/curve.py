"""Stock subscribers with CURVE, and their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import zmq
from zmq.utils.monitor import recv_monitor_message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.helpers.stock import Stock

RECONNECT_MS = 20


class Keys(NamedTuple):
    """A pair, as Z85."""

    public: str
    secret: str


def new_keys() -> Keys:
    """A pair that nobody has."""
    public, secret = zmq.curve_keypair()
    return Keys(public.decode(), secret.decode())


class CurveSeen:
    """A stock SUB with CURVE, which takes everything, and what its monitor says.

    Args:
        server: the public key that it expects; None = it speaks NULL.
        keys: its own; None = new ones.
    """

    def __init__(
        self,
        stock: Stock,
        server: str | None,
        keys: Keys | None = None,
        options: Mapping[zmq.SocketOption, int] | None = None,
        topic: bytes = b"",
    ) -> None:
        self.keys = keys or new_keys()
        self.socket = stock.socket(zmq.SUB, {zmq.RECONNECT_IVL: RECONNECT_MS, **(options or {})})
        if server is not None:
            self.socket.curve_serverkey = server.encode()
            self.socket.curve_publickey = self.keys.public.encode()
            self.socket.curve_secretkey = self.keys.secret.encode()
        self._monitor = self.socket.get_monitor_socket()
        self.events: list[zmq.Event] = []
        self.socket.subscribe(topic)

    def connect(self, endpoint: str) -> CurveSeen:
        self.socket.connect(endpoint)
        return self

    def saw(self, kind: zmq.Event) -> int:
        """How often it has seen this by now."""
        while self._monitor.poll(0):
            self.events.append(zmq.Event(recv_monitor_message(self._monitor)["event"]))
        return self.events.count(kind)

    def close(self) -> None:
        self.socket.disable_monitor()
        self._monitor.close(linger=0)
        self.socket.close(linger=0)
