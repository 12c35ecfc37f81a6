"""A connection to a publisher that comes back: a plain socket around `SubscriberSession`."""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from typing import TYPE_CHECKING

from fanout.system_calls import RefusedError, dispensable, needed
from fanout.transport.endpoints import Endpoint, IpcEndpoint
from fanout.zmtp import MessageReceived, PingReceived, Ready, SubscriberSession, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fanout.subscriber.backoff import BackOff

CONNECT_TIMEOUT_S = 10.0
"""From the first SYN to READY; a publisher that takes longer is tried anew."""

READ_BYTES_MAX = 256 * 1024
"""Bytes taken in one read; what one read returned is printed at once."""

Frames = tuple[bytes, ...]


class Ended(Exception):
    """Nothing more is wanted: a signal, the deadline, or nobody reads the output any more."""


class LostError(Exception):
    """This connection is over, for the reason in the text; the next one may work."""


class Link:
    """Connects, subscribes, and connects again after a loss. Owned by one thread.

    Args:
        target: where the publisher is.
        topics: prefixes; b"" is everything.
        back_off: waits between attempts.
        output_fd: ends the link when it has no reader any more (only pipes and sockets can tell).
        wake_fd: ends the link when it becomes readable.
        deadline: monotonic time at which the link ends; None = never.
        on_note: told, once for each change, why there is no connection.
        once: end when a connection that was ready is lost, instead of connecting again.

    Attributes:
        connections: how often the handshake was completed.
        violation: why the last connection could not be understood; "" if it could.
    """

    def __init__(
        self,
        target: Endpoint,
        topics: Sequence[bytes],
        *,
        back_off: BackOff,
        output_fd: int,
        wake_fd: int,
        deadline: float | None,
        on_note: Callable[[str], None],
        once: bool = False,
    ) -> None:
        self.connections = 0
        self.violation = ""
        self._once = once
        self._target = target
        self._topics = topics
        self._back_off = back_off
        self._output_fd = output_fd
        self._wake_fd = wake_fd
        self._deadline = deadline
        self._on_note = on_note
        self._noted = ""  # the last note, so that a refused connection is told once

    def batches(self) -> Iterator[list[Frames]]:
        """Yields the messages of each read, until nothing more is wanted."""
        while True:
            try:
                with self._connect() as sock:
                    yield from self._converse(sock)
            except Ended:
                return
            except RefusedError:  # it will be no other next time
                raise
            except (OSError, LostError) as error:
                text = (error.strerror if isinstance(error, OSError) else None) or str(error)
                if self._once and self.connections:
                    self._note(text)
                    return
                self._note(f"{text}; trying again")
            try:
                self._wait(None, 0, time.monotonic() + self._back_off.failed())
            except Ended:
                return

    def _connect(self) -> socket.socket:
        if isinstance(self._target, IpcEndpoint):
            path = self._target.path
            name = "\0" + path[1:] if self._target.is_abstract else path
            return self._connect_to(socket.AF_UNIX, name)
        problem: OSError | LostError | None = None
        found = socket.getaddrinfo(self._target.host, self._target.port, type=socket.SOCK_STREAM)
        for family, _, _, _, address in found:
            try:
                return self._connect_to(family, address)
            except (OSError, LostError) as error:
                problem = error
        raise problem or LostError("the host has no address")

    def _connect_to(self, family: int, address: object) -> socket.socket:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            with needed("ioctl", "makes sockets that never block"):
                sock.setblocking(False)
            if family != socket.AF_UNIX:
                # A publisher without heartbeats that vanished is otherwise never missed.
                with dispensable():
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            code = sock.connect_ex(address)  # type: ignore[arg-type]  # as getaddrinfo gave it
            if code == errno.EINPROGRESS:
                if not self._wait(sock, select.POLLOUT, time.monotonic() + CONNECT_TIMEOUT_S):
                    raise LostError("no answer to the connection attempt")
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code))
        except BaseException:
            sock.close()
            raise
        return sock

    def _converse(self, sock: socket.socket) -> Iterator[list[Frames]]:
        session = SubscriberSession(self._topics)
        ready_by = time.monotonic() + CONNECT_TIMEOUT_S
        silent_by: float | None = ready_by
        ttl_s = 0.0  # of the publisher's last PING; 0 = it did not say
        while True:
            self._send(sock, session.data_to_send())
            if not self._wait(sock, select.POLLIN, silent_by):
                raise LostError("the publisher has been silent for too long")
            try:
                data = sock.recv(READ_BYTES_MAX)
            except BlockingIOError:
                continue
            if not data:
                raise LostError("the publisher closed the connection")
            messages: list[Frames] = []
            violation: Violation | None = None
            for event in session.receive_data(data):
                if isinstance(event, MessageReceived):
                    messages.append(event.frames)
                elif isinstance(event, PingReceived):
                    ttl_s = event.ttl_s
                elif isinstance(event, Ready):
                    self._on_ready()
                    ready_by = 0.0
                elif isinstance(event, Violation):
                    violation = event
            if messages:
                yield messages
            if violation is not None:
                self.violation = violation.reason
                raise LostError(f"not a publisher that can be understood: {violation.reason}")
            now = time.monotonic()
            silent_by = ready_by or (now + ttl_s if ttl_s else None)

    def _on_ready(self) -> None:
        self.connections += 1
        self.violation = ""
        self._back_off.succeeded()
        if self._noted:
            self._note("connected")
        self._noted = ""

    def _send(self, sock: socket.socket, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[sock.send(view) :]
            except BlockingIOError:
                if not self._wait(sock, select.POLLOUT, time.monotonic() + CONNECT_TIMEOUT_S):
                    raise LostError("the publisher takes no subscriptions") from None

    def _wait(self, sock: socket.socket | None, events: int, until: float | None) -> bool:
        """Returns True when `sock` is ready for `events`, False when `until` passed.

        Raises:
            Ended: the deadline passed, the output lost its reader, or `wake_fd` is readable.
        """
        poll = select.poll()
        poll.register(self._output_fd, 0)  # 0 = no event but errors: the reader has left
        poll.register(self._wake_fd, select.POLLIN)
        if sock is not None:
            poll.register(sock, events)
        while True:
            limits = [limit for limit in (until, self._deadline) if limit is not None]
            now = time.monotonic()
            if self._deadline is not None and now >= self._deadline:
                raise Ended
            if until is not None and now >= until:
                return False
            # Rounded up: poll counts whole milliseconds, and 0 would spin until the limit.
            timeout = int((min(limits) - now) * 1000) + 1 if limits else None
            ready = poll.poll(timeout)
            if any(fd in (self._output_fd, self._wake_fd) for fd, _ in ready):
                raise Ended
            if ready:
                return True

    def _note(self, text: str) -> None:
        if text != self._noted:
            self._noted = text
            self._on_note(text)
