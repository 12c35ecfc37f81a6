"""A crowd of strangers in one process: arrives, and then does what its kind does."""

from __future__ import annotations

import select
import time
from collections import deque

from soaking.crowds.stranger import Gone, Stranger, Where
from soaking.crowds.wire import GREETING, READY

AT_ONCE = 256  # connections that are being made, at most: a listen queue has an end
EVENTS_AT_ONCE = 512
READ = select.EPOLLIN | select.EPOLLRDHUP
WRITE = select.EPOLLOUT
REST_S = 0.2  # before one that was closed comes again


class Crowd:
    """Connects `count` strangers, and again those that are closed, if they return.

    Subclasses say what each wants, and what it does afterwards.
    """

    returns = False  # who is closed comes again
    receive_buffer = 0
    at_once = AT_ONCE

    def __init__(self, host: str, port: int, count: int) -> None:
        self._where = Where(host, port, self.receive_buffer)
        self._epoll = select.epoll()
        self._members: dict[int, Stranger] = {}  # by descriptor
        self._arriving: set[int] = set()  # descriptors of those who are not ready yet
        self._to_come: deque[tuple[float, int]] = deque((0.0, n) for n in range(count))
        self._count = count
        self.tried: set[int] = set()  # who has been ready or was closed, at least once
        self.connected = self.closed = 0  # ever ready; ever ended by the other side

    # ------------------------------------------------------------- what a kind decides

    def opening(self, index: int) -> bytes:
        """What this one says first."""
        return GREETING + READY

    def wants(self, index: int) -> bytes:
        """What this one says after the handshake."""
        return b""

    def settled(self, stranger: Stranger) -> None:
        """It is ready: from now on only its end is told, unless `watch` says otherwise."""
        self.watch(stranger, select.EPOLLRDHUP)

    def readable(self, stranger: Stranger) -> None:
        """There is something to read for one that is ready and watched for it."""

    def writable(self, stranger: Stranger) -> None:
        """There is room for one that is ready, watched for it, and has nothing more to say."""

    def act(self, now: float) -> None:
        """Called each turn: what is done by the clock."""

    # --------------------------------------------------------------------- for all kinds

    @property
    def members(self) -> list[Stranger]:
        """Those who are there and ready."""
        return [one for one in self._members.values() if one.ready]

    @property
    def has_arrived(self) -> bool:
        """Each has been ready, or was closed, once."""
        return len(self.tried) == self._count

    def watch(self, stranger: Stranger, events: int) -> None:
        """Be told of these events."""
        self._epoll.modify(stranger.fileno(), events)

    def turn(self, timeout: float) -> None:
        """One round: those who come, what happens to those who are there, and what they do."""
        now = time.monotonic()
        while self._to_come and len(self._arriving) < self.at_once and self._to_come[0][0] <= now:
            self._connect(self._to_come.popleft()[1])
        for descriptor, events in self._epoll.poll(timeout, EVENTS_AT_ONCE):
            stranger = self._members.get(descriptor)
            if stranger is not None:
                self._attend(stranger, events)
        self.act(time.monotonic())

    def _connect(self, index: int) -> None:
        try:
            stranger = Stranger(self._where, index, self.opening(index), self.wants(index))
        except (Gone, OSError):
            self._again(index)
            return
        self._members[stranger.fileno()] = stranger
        self._arriving.add(stranger.fileno())
        self._epoll.register(stranger.fileno(), READ | WRITE)

    def _attend(self, stranger: Stranger, events: int) -> None:
        try:
            if events & WRITE:
                stranger.send()
            if not stranger.ready:
                self._await_handshake(stranger, events)
            elif stranger.fileno() in self._arriving:
                if not stranger.unsent:
                    self._settle(stranger)
            elif events & (select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR):
                raise Gone
            else:
                if events & select.EPOLLIN:
                    self.readable(stranger)
                if events & WRITE and not stranger.unsent:
                    self.writable(stranger)
        except Gone:
            self.lose(stranger)

    def _await_handshake(self, stranger: Stranger, events: int) -> None:
        if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            stranger.listen()
        if stranger.ready:
            if not stranger.unsent:
                self._settle(stranger)
        elif not stranger.unsent:
            self.watch(stranger, READ)

    def _settle(self, stranger: Stranger) -> None:
        self._arriving.discard(stranger.fileno())
        self.connected += 1
        self.tried.add(stranger.index)
        self.settled(stranger)

    def lose(self, stranger: Stranger) -> None:
        """The other side has ended it: it is closed, and comes again if its kind returns."""
        self.closed += 1
        self.tried.add(stranger.index)
        self._arriving.discard(stranger.fileno())
        del self._members[stranger.fileno()]
        stranger.close()
        self._again(stranger.index)

    def _again(self, index: int) -> None:
        if self.returns:
            self._to_come.append((time.monotonic() + REST_S, index))

    def close(self) -> None:
        """All of them leave."""
        for stranger in self._members.values():
            stranger.close()
        self._epoll.close()
