"""Stock subscribers with CURVE, and their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import zmq

from tests.helpers.stock import Seen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.helpers.stock import Stock

HEARD_S = 2.5  # for which a busy machine may hold up either side, and it is not taken for dead
BEATING = {
    zmq.HEARTBEAT_IVL: 30,
    zmq.HEARTBEAT_TIMEOUT: int(HEARD_S * 1000),
    zmq.HEARTBEAT_TTL: int(HEARD_S * 1000),
}


class Keys(NamedTuple):
    """A pair, as Z85."""

    public: str
    secret: str


def new_keys() -> Keys:
    """A pair that nobody has."""
    public, secret = zmq.curve_keypair()
    return Keys(public.decode(), secret.decode())


class CurveSeen(Seen):
    """A stock SUB with CURVE, and what its monitor says.

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
        super().__init__(stock, options, topic)
        if server is not None:
            self.socket.curve_serverkey = server.encode()
            self.socket.curve_publickey = self.keys.public.encode()
            self.socket.curve_secretkey = self.keys.secret.encode()
