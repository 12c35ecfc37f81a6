"""One descriptor and what it stands for: a listener, an attempt to connect, or a peer."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from fanout.basics.system_calls import dispensable

if TYPE_CHECKING:
    from fanout.sockets.dial import Dial
    from fanout.sockets.peer import Peer
    from fanout.subscriber.plug import Address
    from fanout.transport.listener import Listener


class Plug:
    """Owned by the actor.

    Attributes:
        listener, dial, peer: what it stands for, one of these.
        others: addresses to be tried if this one fails.
        wants_write: its kernel buffer is full.
        is_parting: nothing more is sent, and what comes is not looked at.
        is_closed: it stands for nothing any more.
    """

    __slots__ = (
        "dial",
        "is_closed",
        "is_parting",
        "listener",
        "others",
        "peer",
        "sock",
        "wants_write",
    )

    def __init__(
        self,
        sock: socket.socket,
        *,
        listener: Listener | None = None,
        dial: Dial | None = None,
        peer: Peer | None = None,
        others: list[Address] | None = None,
    ) -> None:
        self.sock = sock
        self.listener = listener
        self.dial = dial
        self.peer = peer
        self.others = others or []
        self.wants_write = False
        self.is_parting = False
        self.is_closed = False

    @property
    def name(self) -> str:
        """For people."""
        return self.listener.endpoint if self.listener is not None else str(self.peer or self.dial)


def hurry(sock: socket.socket) -> None:
    """Have the kernel send at once: a request that waits for the next one's reply takes 40 ms."""
    if sock.family != socket.AF_UNIX:
        with dispensable():
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
