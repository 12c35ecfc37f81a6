"""Runs the connections of a subscriber on one thread, by poll. Shell."""

from __future__ import annotations

import os
import select
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from fanout.basics.descriptors import standard_taken
from fanout.subscriber.connections import Connections, addresses_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from fanout.security.records import TlsRecords
    from fanout.subscriber.core import Core
    from fanout.subscriber.events import ReceiverEvent
    from fanout.subscriber.message import Message
    from fanout.transport.endpoints import Endpoint

READ_BYTES = 64 * 1024  # of one connection in a turn; more wakes the garbage collector too often


class Polling:
    """Owned by one thread, but for `wake`.

    Args:
        core, endpoints, on_event, once, wrappings: see `Connections`.

    Attributes:
        connections: to be paused, and closed.
        woken: descriptors of `listen_to` that had something to say in the last turn.
    """

    def __init__(
        self,
        core: Core,
        endpoints: Sequence[Endpoint],
        *,
        on_event: Callable[[ReceiverEvent], None],
        once: bool = False,
        wrappings: Sequence[Callable[[], TlsRecords] | None] = (),
    ) -> None:
        self.woken: set[int] = set()
        self._core = core
        self._poll = select.poll()
        self._numbers: dict[int, int] = {}  # of lines, by the descriptors of their sockets
        with standard_taken():
            self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll.register(self._wake_fd, select.POLLIN)
        self.connections = Connections(
            *(core, endpoints, self),
            on_event=on_event,
            read_bytes=READ_BYTES,
            once=once,
            wrappings=wrappings,
        )

    def listen_to(self, descriptor: int, events: int) -> None:
        """Wait for a descriptor of somebody else's, too; 0 = for its errors alone."""
        self._poll.register(descriptor, events)

    def wake(self) -> None:
        """End the turn that runs, or the next one; any thread, and signal handlers."""
        with suppress(BlockingIOError):  # it is full: then it is awake anyway
            os.eventfd_write(self._wake_fd, 1)

    def turn(self, until: float | None = None) -> list[Message]:
        """Wait for something, and do it; returns what has come.

        Args:
            until: monotonic seconds at which it ends if nothing happens; None = never.

        Raises:
            RefusedError: the system does not let us connect at all.
        """
        now = time.monotonic()
        messages = self.connections.turn(now)
        if messages:
            until = now
        if (due := self._core.next_at()) is not None and not self.connections.paused:
            until = due if until is None else min(until, due)
        # Rounded up: poll counts whole milliseconds, and 0 would spin until the limit.
        timeout = None if until is None else max(0, int((until - now) * 1000) + 1)
        ready = self._poll.poll(timeout)
        now = time.monotonic()
        self.woken.clear()
        for descriptor, events in ready:
            number = self._numbers.get(descriptor)
            if number is None:
                self._take_note(descriptor)
                continue
            if events & select.POLLOUT:
                self.connections.writable(number, now)
            if events & ~select.POLLOUT:
                got = self.connections.readable(number, now)
                messages = messages + got if messages else got
        return messages

    def close(self) -> None:
        """End all connections. Idempotent."""
        self.connections.close()

    def __del__(self) -> None:
        """Nobody can call `wake` any more: its descriptor may go, and be another's."""
        if hasattr(self, "_wake_fd"):
            os.close(self._wake_fd)

    def _take_note(self, descriptor: int) -> None:
        if descriptor == self._wake_fd:
            with suppress(BlockingIOError):
                os.eventfd_read(descriptor)
        else:
            self.woken.add(descriptor)

    # What `Connections` wants of its watcher.

    def watch(self, sock: socket.socket, number: int, *, read: bool, write: bool) -> None:
        events = (select.POLLIN if read else 0) | (select.POLLOUT if write else 0)
        descriptor = sock.fileno()
        if events:
            self._numbers[descriptor] = number
            self._poll.register(descriptor, events)
        else:
            self.forget(
                sock
            )  # else the end of a connection that is not read would be told for ever

    def forget(self, sock: socket.socket) -> None:
        if self._numbers.pop(sock.fileno(), None) is not None:
            self._poll.unregister(sock)

    def resolve(self, number: int, host: str, port: int) -> None:
        try:
            addresses = addresses_of(host, port)
        except OSError as error:
            self.connections.failed(number, error.strerror or str(error), time.monotonic())
        else:
            self.connections.connect(number, addresses, time.monotonic())
