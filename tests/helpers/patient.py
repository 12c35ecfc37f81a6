"""A set of sockets that waits for as much of what is said as it was told to, whatever the machine.

A TCP socket is named by the kernel from SO_RCVLOWAT bytes on. But it is named before that if its
buffer is nearly full, and so is every one while TCP has little memory left on the machine
(`tcp_epollin_ready()` in net/ipv4): other tests, or benchmarks beside them, are enough for that.
What a worker does then is tested by itself; a test of when it is named is not to depend on others.
"""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING

from fanout.transport.socket_queues import unread_in_kernel

if TYPE_CHECKING:
    from typing import Any


class PatientSet:
    """What a `select.epoll` is, for sockets; its mutable state: that, and whom it watches."""

    def __init__(self) -> None:
        self._real = select.epoll()
        self._sockets: dict[int, Any] = {}

    def register(self, sock: Any, events: int) -> None:
        self._real.register(sock, events)
        self._sockets[sock.fileno()] = sock

    def modify(self, sock: Any, events: int) -> None:
        self._real.modify(sock, events)

    def unregister(self, sock: Any) -> None:
        self._real.unregister(sock)
        self._sockets.pop(sock.fileno(), None)

    def poll(self, timeout: float = -1, maxevents: int = -1) -> list[tuple[int, int]]:
        found = self._real.poll(timeout, maxevents)
        return [one for one in found if one[1] != select.EPOLLIN or self._has_enough(one[0])]

    def close(self) -> None:
        self._real.close()

    def fileno(self) -> int:
        return self._real.fileno()

    def _has_enough(self, descriptor: int) -> bool:
        sock = self._sockets[descriptor]
        if sock.family == socket.AF_UNIX:
            return True
        wanted: int = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT)
        return unread_in_kernel(sock) >= wanted
