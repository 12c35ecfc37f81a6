"""Producers come and go: accepted, greeted, answered and ended. Shell."""

from __future__ import annotations

import errno
import select
import socket
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from fanout.descriptors import standard_taken
from fanout.events import Event, EventKind
from fanout.ingress.admission import ForbiddenTopicError
from fanout.ingress.intake import Intake
from fanout.ingress.poller import HANGUP
from fanout.ingress.sources import Connection
from fanout.reasons import Reason
from fanout.transport.listener import never_block, peer_name
from fanout.zmtp import Ready
from fanout.zmtp.errors import OverLimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fanout.ingress.poller import Poller
    from fanout.ingress.sources import Source
    from fanout.ingress.terms import Terms
    from fanout.zmtp import SessionEvent

ACCEPTS_PER_TURN = 64  # then producers get their turn
PAUSE = 0.5  # seconds without accepting after the system ran out of something
UNSENT_MAX = 64 * 1024  # bytes of answers to PINGs; who does not read them is ended
BEGUN_BYTES_MAX = 256 * 1024 * 1024  # of messages that are not whole, all together: in memory
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Door:
    """The listeners and connections of the ingest thread, which owns it.

    Attributes:
        sources: the endpoints that accept, by their names.
        connections: all that are open, by descriptor.
    """

    def __init__(
        self, poller: Poller, terms: Terms, message_limit: int, tell: Callable[[Event], None]
    ) -> None:
        self.sources: dict[str, Source] = {}
        self.connections: dict[int, Connection] = {}
        self._listening: dict[int, Source] = {}
        self._poller = poller
        self._terms = terms
        self._message_limit = message_limit
        self._tell = tell
        self._handshakes: deque[tuple[float, Connection]] = deque()  # in the order of their ends
        self._paused_until: float | None = None
        self._begun = 0  # bytes of messages that are not whole, of all

    def open(self, source: Source) -> None:
        """Accept producers there."""
        descriptor = source.listener.socket.fileno()
        self.sources[source.endpoint] = source
        self._listening[descriptor] = source
        if self._paused_until is None:
            self._poller.watch(descriptor)

    def shut(self, source: Source) -> None:
        """Accept nobody there any more; who is connected stays."""
        descriptor = source.listener.socket.fileno()
        self.sources.pop(source.endpoint, None)
        self._listening.pop(descriptor, None)
        self._poller.forget(descriptor)
        source.listener.close()

    def look(self, descriptor: int, events: int, now: float) -> Connection | None:
        """Something is ready; returns the connection that is to be read, if it is one."""
        source = self._listening.get(descriptor)
        if source is not None:
            with standard_taken():
                self._accept(source, now)
            return None
        connection = self.connections.get(descriptor)
        if connection is None:
            return None
        if events & select.EPOLLOUT or (connection.is_ready and events & HANGUP):
            self.answer(connection)
        return connection if connection.is_open and not connection.is_ready else None

    def until_next(self, now: float) -> float | None:
        """Seconds until the clock has something to say; None = it has not."""
        times = [one[0] for one in list(self._handshakes)[:1]]
        if self._paused_until is not None:
            times.append(self._paused_until)
        return max(0.0, min(times) - now) if times else None

    def look_at_clock(self, now: float) -> None:
        """End whose handshake takes too long, and accept again after a pause."""
        while self._handshakes:
            due, connection = self._handshakes[0]
            is_over = connection.is_ready or not connection.is_open
            if not is_over and due > now:
                break
            self._handshakes.popleft()
            if not is_over:
                self.end(connection, Reason.HANDSHAKE_TIMEOUT, Reason.HANDSHAKE_TIMEOUT.text)
        if self._paused_until is not None and now >= self._paused_until:
            self._paused_until = None
            for descriptor in self._listening:
                self._poller.watch(descriptor)

    def _accept(self, source: Source, now: float) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            try:
                sock, address = source.listener.socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._pause(error, now)
                    return
                continue  # that one has left already
            source.accepted += 1
            peer = peer_name(sock, address)
            if len(source.connections) >= source.max_producers:
                source.refused += 1
                sock.close()
                text = f"{source.max_producers} producers are connected (max_producers)"
                self._tell(Event(EventKind.CONNECTION_REFUSED, text, peer=peer, cause=Reason.FULL))
                continue
            self._welcome(source, sock, peer, now)

    def _welcome(self, source: Source, sock: socket.socket, peer: str, now: float) -> None:
        terms = self._terms
        intake = Intake(source.admission, self._message_limit, terms.max_command_bytes)
        connection = Connection(source, sock, peer, intake)
        try:
            never_block(sock)
            descriptor = sock.fileno()
            self._poller.watch(descriptor)
        except BaseException:
            sock.close()
            raise
        self.connections[descriptor] = source.connections[descriptor] = connection
        self._handshakes.append((now + terms.handshake_timeout, connection))
        self.answer(connection)

    def _pause(self, error: OSError, now: float) -> None:
        self._paused_until = now + PAUSE
        for descriptor in self._listening:
            self._poller.forget(descriptor)
        text = f"producers: {error.strerror}; again in {PAUSE} s"
        self._tell(Event(EventKind.ACCEPT_PAUSED, text, cause=Reason.NO_RESOURCES))

    def greet(self, connection: Connection, events: Sequence[SessionEvent]) -> None:
        """Note that a handshake is done."""
        for event in events:
            if isinstance(event, Ready):
                connection.is_ready = True
                descriptor = connection.sock.fileno()
                self._poller.forget(descriptor)
                self._poller.watch_producer(descriptor)
                text = f"sends to {connection.source.endpoint} by ZMTP {event.version}"
                self._tell(Event(EventKind.PRODUCER_CONNECTED, text, peer=connection.peer))

    def weigh(self, connection: Connection) -> None:
        """Note what it has begun; end it if all together take too much, and it more than others.

        One message of the largest is everybody's.
        """
        part = connection.intake.part_bytes
        self._begun += part - connection.begun
        connection.begun = part
        limit = max(BEGUN_BYTES_MAX, self._message_limit)
        if self._begun > limit and part * len(self.connections) > limit:
            text = f"messages that are not whole take more than {limit} bytes, of all producers"
            self.end(connection, Reason.LIMIT, text)

    def answer(self, connection: Connection) -> None:
        """Send what there is to say, as far as the socket takes it; end who has violated ZMTP.

        Who reads nothing any more may have sent much before, which waits in our kernel: that is
        read to its end.
        """
        had_unsent = bool(connection.unsent)
        connection.unsent += connection.intake.data_to_send()
        if connection.unsent:
            try:
                sent = connection.sock.send(connection.unsent)
                connection.unsent = connection.unsent[sent:]
            except (BlockingIOError, InterruptedError):
                pass
            except (ConnectionError, TimeoutError):
                connection.unsent = b""
            except OSError as error:
                self.end(connection, Reason.BROKEN, error.strerror or str(error))
                return
        violation = connection.intake.violation
        if violation is not None:
            self.end(connection, _cause_of(violation), str(violation))
        elif len(connection.unsent) > UNSENT_MAX:
            cause = Reason.UNREAD_ANSWERS
            self.end(connection, cause, cause.text)
        elif bool(connection.unsent) != had_unsent:
            self._await_writing(connection)

    def _await_writing(self, connection: Connection) -> None:
        descriptor, wanted = connection.sock.fileno(), bool(connection.unsent)
        if not connection.is_ready:
            self._poller.watch(descriptor, write=wanted)
        elif wanted:
            self._poller.await_writing(descriptor)
        else:
            self._poller.forget_writing(descriptor)

    def end(self, connection: Connection, cause: Reason, text: str) -> None:
        """Close a connection, and tell of it; a message of it that is not whole is dropped."""
        if not connection.is_open:
            return
        connection.is_open = False
        self._begun -= connection.begun
        descriptor = connection.sock.fileno()
        self._poller.forget(descriptor)
        self.connections.pop(descriptor, None)
        source = connection.source
        source.connections.pop(descriptor, None)
        with suppress(OSError):  # for all copies of it, in forked children too
            connection.sock.shutdown(socket.SHUT_RDWR)
        connection.sock.close()
        part = connection.intake.part_bytes
        if part or cause in _OF_MESSAGES:
            source.drop(1, part)
        if part:
            text = f"{text or cause.text}; {part} bytes of a message that is not whole are dropped"
        kind = EventKind.HANDSHAKE_FAILED
        if connection.is_ready:
            is_ours = cause in _FAULTS
            kind = EventKind.PRODUCER_EVICTED if is_ours else EventKind.PRODUCER_DISCONNECTED
            source.evicted += is_ours
        self._tell(Event(kind, text or cause.text, peer=connection.peer, cause=cause))

    def close(self) -> None:
        """End all, if it was not done before."""
        for source in list(self.sources.values()):
            self.shut(source)
        for connection in list(self.connections.values()):
            self.end(connection, Reason.PUBLISHER_CLOSED, "")


_OF_MESSAGES = {Reason.LIMIT, Reason.TOPIC}  # for one that is not published
_FAULTS = {Reason.VIOLATION, Reason.LIMIT, Reason.TOPIC, Reason.UNREAD_ANSWERS}


def _cause_of(error: Exception) -> Reason:
    if isinstance(error, ForbiddenTopicError):
        return Reason.TOPIC
    return Reason.LIMIT if isinstance(error, OverLimitError) else Reason.VIOLATION
