"""Producers come and go: accepted, greeted, answered and ended. Shell."""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from fanout.basics.descriptors import standard_taken
from fanout.basics.system_calls import explain
from fanout.events import Event, EventKind
from fanout.ingress.admission import ForbiddenTopicError
from fanout.ingress.intake import ProducerHalf
from fanout.ingress.leftovers import COUNT_SECONDS, left_of
from fanout.ingress.poller import HANGUP
from fanout.ingress.sources import Connection
from fanout.reasons import Reason
from fanout.terms.addresses import OF_ADDRESS, REFUSED_HELD
from fanout.transport.accept_queue import crowded
from fanout.transport.accepting import ExhaustedError, explain_exhausted, sparing
from fanout.transport.held import HeldBack
from fanout.transport.listener import never_block, peer_name
from fanout.zmtp import Ready
from fanout.zmtp.errors import NoHandshakeError, OverLimitError, Refusal
from fanout.zmtp.greeting import hung_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from fanout.ingress.poller import Poller
    from fanout.ingress.sources import Source
    from fanout.ingress.terms import Terms
    from fanout.terms.addresses import AddressRefusal
    from fanout.zmtp import SessionEvent

LEFT = "closed by the producer"
PAUSE = 0.5  # seconds without accepting after the system ran out of something
UNSENT_MAX = 64 * 1024  # bytes of answers to PINGs; who does not read them is ended
BEGUN_BYTES_MAX = 256 * 1024 * 1024  # of messages that are not whole, all together: in memory


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
        self._held = HeldBack()
        self._begun = 0  # bytes of messages that are not whole, of all

    def open(self, source: Source) -> None:
        """Accept producers there."""
        descriptor = source.listener.socket.fileno()
        self.sources[source.endpoint] = source
        self._listening[descriptor] = source
        self._poller.watch(descriptor, read=self._paused_until is None)

    def shut(self, source: Source) -> None:
        """Accept nobody there any more; who is connected stays. Interrupted, it can be repeated."""
        descriptor = source.listener.socket.fileno()
        self._poller.forget(descriptor)
        source.listener.close()
        self._listening.pop(descriptor, None)
        self.sources.pop(source.endpoint, None)

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
        if (held_until := self._held.next_at()) is not None:
            times.append(held_until)
        if self._paused_until is not None:
            times.append(self._paused_until)
        return max(0.0, min(times) - now) if times else None

    def look_at_clock(self, now: float) -> None:
        """End whose handshake takes too long, and who was held; accept again after a pause."""
        self._held.end(now)
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
        text = crowded(source.listener)
        if text:
            source.accept_queue_full += 1
            self._tell(Event(EventKind.ACCEPT_QUEUE_FULL, f"producers: {text}"))
        try:
            for sock, address in sparing(source.listener.socket):
                self._welcome(source, sock, peer_name(sock, address), now)
                if self._paused_until is not None:
                    break  # the rest waits in the listen queue
        except ExhaustedError as error:
            if not self._held.make_room():
                self._pause(source, error, now)

    def _welcome(self, source: Source, sock: socket.socket, peer: str, now: float) -> None:
        source.accepted += 1
        refusal = source.places.refusal(peer, now)
        if refusal is not None:
            self._refuse(source, sock, peer, refusal, now)
            return
        terms = self._terms
        intake = ProducerHalf(source.admission, self._message_limit, terms.max_command_bytes)
        connection = Connection(source, sock, peer, intake)
        try:
            never_block(sock)
            descriptor = sock.fileno()
            self._poller.watch(descriptor)
        except BaseException as error:
            sock.close()
            if isinstance(error, OSError):
                self._pause(source, error, now)
                return
            raise
        source.places.enter(peer, now)
        self.connections[descriptor] = source.connections[descriptor] = connection
        self._handshakes.append((now + terms.handshake_timeout, connection))
        self.answer(connection)

    def _refuse(
        self, source: Source, sock: socket.socket, peer: str, refusal: AddressRefusal, now: float
    ) -> None:
        source.refused += 1
        if refusal.cause in OF_ADDRESS:
            self._held.hold(sock.detach(), now + REFUSED_HELD)
        else:
            sock.close()
        kind = EventKind.CONNECTION_REFUSED
        self._tell(Event(kind, refusal.text, peer=peer, cause=refusal.cause))

    def _pause(self, source: Source, error: OSError, now: float) -> None:
        """Accept nobody for a while, at no endpoint; it is counted where it was met."""
        source.accept_pauses += 1
        self._paused_until = now + PAUSE
        for descriptor in self._listening:
            self._poller.watch(descriptor, read=False)
        text = f"producers: {explain_exhausted(error)}; again in {PAUSE} s"
        self._tell(Event(EventKind.ACCEPT_PAUSED, text, cause=Reason.NO_RESOURCES))

    def greet(self, connection: Connection, events: Sequence[SessionEvent]) -> None:
        """Note that a handshake is done."""
        for event in events:
            if isinstance(event, Ready):
                descriptor = connection.sock.fileno()
                self._poller.forget(descriptor)
                try:
                    self._poller.watch_producer(descriptor)
                except OSError as error:
                    self.end(connection, Reason.NO_RESOURCES, explain(error))
                    return
                connection.is_ready = True
                connection.source.places.connected(connection.peer)
                text = f"sends to {connection.source.endpoint} by ZMTP {event.version}"
                self._tell(Event(EventKind.PRODUCER_CONNECTED, text, peer=connection.peer))

    def weigh(self, connection: Connection) -> None:
        """Note what it has begun; end it if all together take too much, and it more than others.

        One message of the largest is everybody's.
        """
        part = connection.intake.part_bytes
        self._begun, connection.begun = self._begun + part - connection.begun, part
        limit = max(BEGUN_BYTES_MAX, self._message_limit)
        if self._begun > limit and part * len(self.connections) > limit:
            text = f"messages that are not whole take more than {limit} bytes, of all producers"
            self.end(connection, Reason.LIMIT, text)

    def answer(self, connection: Connection) -> None:
        """Send what there is to say, as far as the socket takes it; end who has violated ZMTP.

        Who reads nothing any more may have sent much before, which waits in our kernel: that is
        read to its end.
        """
        if not connection.is_open:
            return
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

    def read_failed(self, connection: Connection, error: OSError) -> None:
        """There was nothing to read, or there is nobody any more."""
        if isinstance(error, ConnectionResetError):
            self._end_by_peer(connection, Reason.BROKEN, error.strerror or str(error))
        elif not isinstance(error, BlockingIOError | InterruptedError):
            self.end(connection, Reason.BROKEN, error.strerror or str(error))

    def left(self, connection: Connection) -> None:
        """It has ended its side."""
        self._end_by_peer(connection, Reason.LEFT, connection.intake.cut_short or LEFT)

    def _end_by_peer(self, connection: Connection, cause: Reason, text: str) -> None:
        if connection.intake.knows_our_mechanism_only:
            cause, text = Reason.MECHANISM, hung_up(connection.intake.our_mechanism)
        self.end(connection, cause, text)

    def _await_writing(self, connection: Connection) -> None:
        descriptor, wanted = connection.sock.fileno(), bool(connection.unsent)
        if not connection.is_ready:
            self._poller.watch(descriptor, write=wanted)
        elif wanted:
            try:
                self._poller.await_writing(descriptor)
            except OSError as error:
                self.end(connection, Reason.NO_RESOURCES, explain(error))
        else:
            self._poller.forget_writing(descriptor)

    def end(
        self, connection: Connection, cause: Reason, text: str, count_until: float = 0.0
    ) -> None:
        """Close a connection, and tell of it; what it has sent and is not published is counted.

        Args:
            count_until: until when what its socket still holds is read for that; 0 = it is not.
        """
        was_open = connection.is_open
        if was_open:
            text = self._count(connection, text or cause.text, count_until)
        self._let_go(connection)
        if not was_open:
            return
        kind = EventKind.HANDSHAKE_FAILED
        if connection.is_ready:
            is_ours = cause in _FAULTS
            kind = EventKind.PRODUCER_EVICTED if is_ours else EventKind.PRODUCER_DISCONNECTED
            connection.source.evicted += is_ours
        self._tell(Event(kind, text, peer=connection.peer, cause=cause))

    def _count(self, connection: Connection, text: str, until: float) -> str:
        """Count what is lost with a connection; returns the text that tells of it."""
        source, messages, size = connection.source, 0, 0
        if connection.is_ready:
            messages, size = left_of(connection, until)
            messages = max(messages, connection.intake.has_lost_message)
        connection.is_open, self._begun, source.dropped, source.dropped_bytes = (
            *(False, self._begun - connection.begun),
            *(source.dropped + messages, source.dropped_bytes + size),
        )
        if messages > 1 or (messages and until):
            return f"{text}; {messages} messages that are not published, {size} bytes, are dropped"
        return f"{text}; {size} bytes of a message that is not whole are dropped" if size else text

    def _let_go(self, connection: Connection) -> None:
        """Close it; idempotent."""
        descriptor = connection.sock.fileno()
        if descriptor >= 0:
            self._poller.forget(descriptor)
            with suppress(OSError):  # for all copies of it, in forked children too
                connection.sock.shutdown(socket.SHUT_RDWR)
            connection.sock.close()
            self.connections.pop(descriptor, None)
            if connection.source.connections.pop(descriptor, None) is not None:
                half_open = not connection.is_ready
                connection.source.places.left(connection.peer, half_open=half_open)

    def end_all(self, connections: Iterable[Connection], cause: Reason, text: str = "") -> None:
        """End these, which is none of their faults: what their sockets hold is counted, too."""
        until = time.monotonic() + COUNT_SECONDS
        for connection in list(connections):
            self.end(connection, cause, text, until)

    def end_held(self) -> None:
        """Hold nobody any more who was refused."""
        self._held.end()

    def close(self) -> None:
        """End all, if it was not done before. Interrupted, it can be called again."""
        for source in list(self.sources.values()):
            self.shut(source)
        self.end_held()
        self.end_all(self.connections.values(), Reason.PUBLISHER_CLOSED)


_OTHER_SETTINGS = {Refusal.MECHANISM, Refusal.TLS}
_FAULTS = {Reason.VIOLATION, Reason.LIMIT, Reason.TOPIC, Reason.UNREAD_ANSWERS}


def _cause_of(error: Exception) -> Reason:
    if isinstance(error, ForbiddenTopicError):
        return Reason.TOPIC
    if isinstance(error, NoHandshakeError) and error.refusal in _OTHER_SETTINGS:
        return Reason.MECHANISM
    return Reason.LIMIT if isinstance(error, OverLimitError) else Reason.VIOLATION
