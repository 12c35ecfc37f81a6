"""The machine: descriptors of connections, which belong to processes, and what these do with them.

Each system call of a worker is a kill point before it, and one after it where it has an effect:
whoever dies in a system call has done it, and does not know.
"""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING, Any

from fanout.transport.socket_queues import SocketQueues
from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.simulation.kernel import Connection


class Machine:
    """All descriptors; their numbers are of all processes.

    Args:
        step: the network has its turn, on one connection.

    Attributes:
        open: connections by descriptor.
        owner: whose descriptor that is.
    """

    def __init__(self, step: Callable[[Connection], None]) -> None:
        self.open: dict[int, Connection] = {}
        self.owner: dict[int, object] = {}
        self.step = step
        self._next = 100

    def hold(self, connection: Connection, owner: object) -> int:
        """A new descriptor of a connection."""
        descriptor = self._next
        self._next += 1
        self.open[descriptor] = connection
        self.owner[descriptor] = owner
        return descriptor

    def duplicate(self, descriptor: int, owner: object) -> int:
        return self.hold(self.open[descriptor], owner)

    def close(self, descriptor: int) -> None:
        require(descriptor in self.open, "a descriptor is closed twice")
        del self.open[descriptor], self.owner[descriptor]

    def close_all(self, owner: object) -> None:
        """A process is no more."""
        for descriptor in [one for one, whose in self.owner.items() if whose is owner]:
            self.close(descriptor)

    @property
    def queues(self) -> SocketQueues:
        """Who is asked about the queues of its sockets."""
        return SocketQueues(self._count, self._has_ended)

    def _count(self, sock: socket.socket, question: int) -> int:
        """Acknowledgements come meanwhile."""
        connection = self.open[sock.fileno()]
        owner: Any = self.owner[sock.fileno()]
        owner.point("ask")
        self.step(connection)
        return connection.ioctl(question)

    def _has_ended(self, sock: socket.socket) -> bool:
        return self.open[sock.fileno()].events & select.EPOLLRDHUP != 0


class Socket:
    """A connection in the hands of a worker.

    Args:
        point: is called with a name before each system call, and after some.
    """

    def __init__(self, machine: Machine, descriptor: int, point: Callable[[str], None]) -> None:
        self._machine = machine
        self._descriptor = descriptor
        self._point = point
        self.connection = machine.open[descriptor]
        self.family = self.connection.family

    def fileno(self) -> int:
        return self._descriptor

    @property
    def _owner(self) -> Any:
        return self._machine.owner[self._descriptor]

    def send(self, data: bytes | memoryview) -> int:
        self._owner.sends_to = self.connection
        self._point("send")
        self._machine.step(self.connection)
        count = self.connection.send(data)
        self._point("sent")
        return count

    def recv(self, size: int, flags: int = 0) -> bytes:
        what = "peek" if flags & socket.MSG_PEEK else "take"
        self._point(what)
        data = self.connection.recv(size, flags)
        if not flags and data:  # nothing of this was looked at before
            self._owner.unheard.add(self.connection)
        self._point(f"{what}, done")
        return data

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        self._owner.takes_from = self.connection
        data = self.recv(size or len(buffer), flags)
        buffer[: len(data)] = data
        return len(data)

    def getsockopt(self, level: int, option: int, size: int = 0) -> int | bytes:
        self._point("ask")
        self._machine.step(self.connection)
        return self.connection.getsockopt(level, option, size)

    def setsockopt(self, level: int, option: int, value: int) -> None:
        self._point("set an option")
        self.connection.setsockopt(level, option, value)

    def shutdown(self, how: int) -> None:
        self._point("shut down")
        self.connection.shutdown(how)

    def close(self) -> None:
        self._point("close")
        if self._descriptor >= 0:
            self._machine.close(self._descriptor)
        self._descriptor = -1


class PollSet:
    """An epoll set of sockets; in random order, as edges come in any."""

    def __init__(self, rng: Random, point: Callable[[str], None]) -> None:
        self._rng = rng
        self._point = point
        self._watched: dict[int, tuple[Socket, int]] = {}
        self._seen: dict[int, int] = {}  # edges that were reported

    def fileno(self) -> int:
        """Of no descriptor: it is the world that polls."""
        return -1

    def register(self, sock: Any, events: int) -> None:
        if not isinstance(sock, Socket):
            return  # the doorbell
        self._point("watch")
        assert sock.fileno() not in self._watched
        self._watched[sock.fileno()] = sock, events
        self._seen[sock.fileno()] = -1

    def modify(self, sock: Socket, events: int) -> None:
        self._point("watch")
        assert sock.fileno() in self._watched
        self._watched[sock.fileno()] = sock, events
        self._seen[sock.fileno()] = -1

    def unregister(self, sock: Socket) -> None:
        self._point("watch")
        del self._watched[sock.fileno()], self._seen[sock.fileno()]

    def poll(self, _timeout: float = 0, limit: int = -1) -> list[tuple[int, int]]:
        found = [(fd, events) for fd in self._watched if (events := self._events_of(fd))]
        if len(found) > 1:
            self._rng.shuffle(found)
        found = found if limit < 0 else found[:limit]
        for descriptor, _events in found:
            self._seen[descriptor] = self._edges(descriptor)
        return found

    @property
    def has_events(self) -> bool:
        """Whether `poll` would report anything."""
        return any(self._events_of(descriptor) for descriptor in self._watched)

    def _events_of(self, descriptor: int) -> int:
        sock, wanted = self._watched[descriptor]
        connection = sock.connection
        events = connection.events & (wanted | select.EPOLLHUP | select.EPOLLERR)
        if wanted & select.EPOLLET:
            is_new = self._edges(descriptor) != self._seen[descriptor]
            return events if is_new else 0
        return events

    def _edges(self, descriptor: int) -> int:
        """How often there was something new of what is waited for."""
        sock, wanted = self._watched[descriptor]
        connection = sock.connection
        return connection.room_events if wanted & select.EPOLLOUT else connection.in_events
