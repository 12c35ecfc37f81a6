"""How a subscriber gets through the handshake of CURVE, and what opens what comes then."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from benchmarks.wire import CLIENT_SECRET, SERVER_PUBLIC
from fanout.security.sodium import Sodium
from fanout.security.z85 import z85_decode
from fanout.zmtp import LONG, FrameReader, SessionState
from fanout.zmtp.boxes import KeyPair
from fanout.zmtp.curve_client import CurveClient
from fanout.zmtp.subscriber import SubscriberSession

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fanout.zmtp.sealer import Sealer

READ_BYTES = 64 * 1024


def connect_secured(
    address: tuple[str, int], topics: Sequence[bytes], timeout: float
) -> tuple[socket.socket, Callable[[bytes], bytes]]:
    """A connection whose handshake is done and that has asked for these topics, none = all.

    Returns:
        It, and what makes plain frames of what comes.
    """
    sodium = Sodium()
    secret = z85_decode(CLIENT_SECRET)
    keys = KeyPair(sodium.public_of(secret), secret)
    client = CurveClient(z85_decode(SERVER_PUBLIC), keys, sodium, os.urandom)
    session = SubscriberSession(topics or (b"",), mechanism=client)
    connection = socket.create_connection(address, timeout)
    connection.sendall(session.data_to_send())
    while session.state is not SessionState.TRAFFIC:
        data = connection.recv(READ_BYTES)
        if not data or session.state is SessionState.CLOSED:
            raise ConnectionError("the publisher closed a connection in its handshake")
        session.receive_data(data)
        if session.sealer is None:
            connection.sendall(session.data_to_send())
    assert session.sealer is not None
    assert session.opener is not None
    connection.sendall(sealed(session.sealer, session.data_to_send()))
    return connection, session.opener.open


def sealed(sealer: Sealer, plain: bytes) -> bytes:
    """The same frames, in boxes."""
    reader = FrameReader(READ_BYTES)
    reader.feed(plain)
    return b"".join([sealer.seal(flags & ~LONG, body) for flags, body in reader.frames()])
