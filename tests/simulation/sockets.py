"""A fake socket and the fake epoll sets around it."""

from __future__ import annotations

import select
import socket
from collections import deque
from typing import TYPE_CHECKING

from tests.simulation.kernel import CLOSE_WAIT, CLOSED, ESTABLISHED

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random


class FakeSocket:
    """A connection's end in a worker: a send buffer of random size, with a peer that reads it.

    Attributes:
        accepted: bytes it took that no checker has looked at yet.
        queued: bytes in its send buffer.
        edge: whether it has become writable since it was last reported.
        late: whether it has, and that is reported only after it has been read from once more.
        unheard: whether it has, and that is reported late or never.
        said, read: bytes that the peer has sent so far, and that were taken of them.
        inbound: what of them is on its way, in the pieces in which it arrives.
        there: what has arrived, and was not taken.
        is_over: whether the peer, which had ended its side by closing, has answered with a reset.
        is_deaf: whether nothing but that is waited for.
    """

    family = socket.AF_INET

    def __init__(self, descriptor: int, rng: Random, before_send: Callable[[], None]) -> None:
        self.descriptor = descriptor
        self.capacity = rng.choice((1, 3, 50, 700, 5_000, 40_000, 400_000))
        self.partial = rng.choice((0.0, 0.0, 0.1, 0.4))
        self.lossy = rng.choice((0.0, 0.0, 0.0, 0.3))
        self.faulty = rng.choice((0.0, 0.0, 0.0, 0.002))
        self.accepted = bytearray()
        self.queued = 0
        self.edge = True
        self.late = self.unheard = False
        self.full = False
        self.broken = False
        self.failed = False
        self.closed = False
        self.ended = False
        self.stalled = False
        self.is_over = self.is_deaf = False
        self.inbound: deque[bytes] = deque()
        self.there = bytearray()
        self.said = self.read = 0
        self._awaited = 1  # bytes that must be there, or nobody hears of them
        self._room = rng.choice((20, 100, 1 << 20))  # for what is there
        self._rng = rng
        self._before_send = before_send

    # What the worker does.

    def fileno(self) -> int:
        return self.descriptor

    def send(self, data: bytes | memoryview) -> int:
        """Take some of it, none of it, or break."""
        assert not self.closed, "a closed socket was used"
        self._before_send()
        self.unheard = False
        if self.broken or self._rng.random() < self.faulty:
            self.failed = True
            raise ConnectionResetError(104, "Connection reset by peer")
        room = self.capacity - self.queued
        count = min(len(data), room)
        if count > 1 and self._rng.random() < self.partial:
            count = self._rng.randrange(1, count)
        if count < len(data):
            self.full = True
            if count < room:  # the kernel was short of memory: it is writable again at once
                self.edge = True
        if count <= 0:
            raise BlockingIOError
        self.accepted += data[:count]
        self.queued += count
        if self.ended:
            self.broken = self.is_over = True
        return count

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Take what has arrived, or look at it; one more piece has arrived by now."""
        assert not self.closed, "a closed socket was used"
        if self.inbound and len(self.there) < self._room:
            self.there += self.inbound.popleft()
        data = bytes(self.there[:size])
        if data:
            if not flags & socket.MSG_PEEK:
                self._take(len(data))
            return data
        if self.ended:
            return b""
        raise BlockingIOError

    def recv_into(self, _buffer: memoryview, size: int, flags: int) -> int:
        """Take what has arrived, and do not look at it."""
        assert flags == socket.MSG_TRUNC
        size = min(size, len(self.there))
        self._take(size)
        return size

    def _take(self, size: int) -> None:
        del self.there[:size]
        self.read += size

    def setsockopt(self, _level: int, option: int, value: int) -> None:
        assert option == socket.SO_RCVLOWAT
        self._awaited = value

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        """TCP_INFO: nothing is acknowledged that comes for one who has closed."""
        assert (level, option) == (socket.IPPROTO_TCP, socket.TCP_INFO)
        info = bytearray(size)
        info[0] = CLOSED if self.is_over else CLOSE_WAIT if self.ended else ESTABLISHED
        return bytes(info)

    def is_heard(self) -> bool:
        """Whether so much is there as is waited for, or no more can come."""
        if self.is_deaf:
            return self.is_over
        enough = min(self._awaited, self._room)
        while self.inbound and len(self.there) < enough:
            self.there += self.inbound.popleft()
        return len(self.there) >= enough or self.ended

    def shutdown(self, _how: int) -> None:
        self.inbound.clear()

    def close(self) -> None:
        self.closed = True

    # What the peer does.

    def say(self, data: bytes) -> None:
        """The peer sends this, which arrives in as many pieces as it happens to."""
        self.said += len(data)
        while data:
            cut = self._rng.choice((len(data), len(data), self._rng.randint(1, len(data))))
            self.inbound.append(data[:cut])
            data = data[cut:]

    def drain(self, size: int) -> None:
        """The peer reads up to `size` bytes."""
        taken = min(size, self.queued)
        self.queued -= taken
        if taken and self.late:
            self.late, self.edge = False, True
        if taken and self.full:
            self.full = False
            self.edge = self._rng.random() >= self.lossy
            self.unheard = not self.edge
            self.late = self.unheard and self._rng.random() < 0.5

    def drain_unheard(self) -> None:
        """The peer reads all there is, and that is never reported."""
        self.queued = 0
        self.full = self.edge = self.late = False
        self.unheard = True


class FakeEpoll:
    """A set of fake sockets, of which `poll` reports those that are `ready`, in random order."""

    def __init__(self, rng: Random, ready: Callable[[FakeSocket], bool]) -> None:
        self._rng = rng
        self._ready = ready
        self._sockets: dict[int, FakeSocket] = {}

    def fileno(self) -> int:
        """Of no descriptor: it is the world that polls."""
        return -1

    def register(self, sock: FakeSocket, events: int) -> None:
        assert sock.descriptor not in self._sockets
        self._sockets[sock.descriptor] = sock
        sock.is_deaf = not events & (select.EPOLLIN | select.EPOLLOUT)

    def modify(self, sock: FakeSocket, events: int) -> None:
        assert sock.descriptor in self._sockets
        sock.is_deaf = not events & select.EPOLLIN

    def unregister(self, sock: FakeSocket) -> None:
        del self._sockets[sock.descriptor]

    def poll(self, _timeout: float, limit: int) -> list[tuple[int, int]]:
        found = [sock for sock in self._sockets.values() if self._ready(sock)]
        self._rng.shuffle(found)
        for sock in found[:limit]:
            sock.edge = sock.edge and self._ready is not is_writable
        return [(sock.descriptor, select.EPOLLOUT) for sock in found[:limit]]

    def any_ready(self) -> bool:
        """Whether `poll` would report anything."""
        return any(self._ready(sock) for sock in self._sockets.values())

    def ready(self) -> list[int]:
        """All that `poll` would report."""
        return [number for number, sock in self._sockets.items() if self._ready(sock)]


def is_writable(sock: FakeSocket) -> bool:
    """Edge-triggered: reported once."""
    return sock.edge


def is_readable(sock: FakeSocket) -> bool:
    """Level-triggered: reported as long as there is something."""
    return sock.is_heard()
