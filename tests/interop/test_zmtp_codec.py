"""Both halves of the codec against libzmq, over TCP, with nothing of fanout but the codec."""

from __future__ import annotations

import select
import socket
import time
from typing import TYPE_CHECKING

import pytest
import zmq

from fanout.zmtp import (
    MessageReceived,
    PingReceived,
    PongReceived,
    Session,
    SessionEvent,
    SessionState,
    SubscriberSession,
    Violation,
    encode_message,
)
from fanout.zmtp.greeting import GREETING_BYTES
from tests.helpers.limits import LIMITS
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZES = (0, 1, 244, 245, 246, 247, 248, 249, 254, 255, 256, 257, 4000)


class Shell:
    """The thinnest shell that a session can have: a blocking socket and a deadline."""

    def __init__(self, half: Session | SubscriberSession, connection: socket.socket) -> None:
        self.half = half
        self.connection = connection
        self.events: list[SessionEvent] = []

    def run_until(self, condition: Callable[[], bool]) -> None:
        """Carry bytes until the condition holds; fails at the deadline or when the peer closes."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            self.connection.sendall(self.half.data_to_send())
            if condition():
                return
            left = deadline - time.monotonic()
            assert left > 0, f"too late; so far: {self.events}"
            readable, _, _ = select.select([self.connection], [], [], left)
            if readable:
                data = self.connection.recv(65536)
                assert data, f"the peer closed; so far: {self.events}"
                self.events += self.half.receive_data(data)

    def run_until_event(self, kind: type) -> None:
        """Carry bytes until an event of this kind came."""
        self.run_until(lambda: any(isinstance(event, kind) for event in self.events))


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    context = zmq.Context()
    context.setsockopt(zmq.LINGER, 0)
    yield context
    context.destroy(linger=0)


def serve(
    context: zmq.Context[zmq.Socket[bytes]], kind: int, options: dict[int, int]
) -> tuple[zmq.Socket[bytes], Shell]:
    """A libzmq subscriber that is connected to a `Session`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = context.socket(kind)
        peer.setsockopt(zmq.RCVTIMEO, int(DEADLINE_S * 1000))
        for option, value in options.items():
            peer.setsockopt(option, value)
        peer.connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        listener.settimeout(DEADLINE_S)
        connection, _ = listener.accept()
    shell = Shell(Session(LIMITS), connection)
    shell.run_until(lambda: shell.half.state is SessionState.TRAFFIC)
    return peer, shell


def test_subscriptions_of_all_sizes(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    peer, shell = serve(context, zmq.SUB, {})
    topics = {b"t" * size for size in SIZES}
    with peer, shell.connection:
        for topic in topics:
            peer.subscribe(topic)
            peer.subscribe(topic)
        shell.run_until(lambda: shell.half.subscriptions == topics)
        for topic in topics:
            peer.unsubscribe(topic)
            peer.unsubscribe(topic)  # libzmq sends CANCEL for this one only
        shell.run_until(lambda: shell.half.subscriptions == set())
    assert shell.half.version == "3.1"
    assert shell.half.metadata == {"socket-type": b"SUB"}


def test_messages(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    peer, shell = serve(context, zmq.SUB, {})
    messages = [[b"A" * size, b"", b"x" * size] for size in SIZES[1:]]
    with peer, shell.connection:
        peer.subscribe(b"A")
        shell.run_until(lambda: bool(shell.half.subscriptions))
        for message in messages:
            shell.connection.sendall(encode_message(message))
        assert [peer.recv_multipart() for _ in messages] == messages


def test_heartbeat_of_libzmq_is_answered(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    """It would close the connection a second after the first lost PONG."""
    times: dict[int, int] = {
        zmq.HEARTBEAT_IVL: 50,
        zmq.HEARTBEAT_TIMEOUT: 1000,
        zmq.HEARTBEAT_TTL: 1500,
    }
    peer, shell = serve(context, zmq.SUB, times)
    over = time.monotonic() + 1.5
    with peer, shell.connection:
        shell.run_until(lambda: time.monotonic() > over)
        assert sum(isinstance(e, PingReceived) for e in shell.events) >= 5
        assert PingReceived(1.5, b"") in shell.events


def test_our_ping_is_answered(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    peer, shell = serve(context, zmq.SUB, {})
    assert isinstance(shell.half, Session)
    with peer, shell.connection:
        shell.half.ping(b"context", 655)
        shell.run_until_event(PongReceived)
    assert PongReceived(b"context") in shell.events


def test_xsub_subscribes_by_message(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    peer, shell = serve(context, zmq.XSUB, {})
    with peer, shell.connection:
        for message in (b"\x01A", b"\x01B", b"\x00A", b"user message"):
            peer.send(message)
        shell.run_until(lambda: shell.half.subscriptions == {b"B"})


def test_wrong_socket_type_is_refused(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    """Our READY is held back: libzmq would refuse us by it, maybe before it has sent its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = context.socket(zmq.PULL)
        peer.connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        listener.settimeout(DEADLINE_S)
        connection, _ = listener.accept()
    session = Session(LIMITS)
    events: list[SessionEvent] = []
    output, sent = b"", 0
    with peer, connection:
        connection.settimeout(DEADLINE_S)
        while not events:
            output += session.data_to_send()
            connection.sendall(output[sent:GREETING_BYTES])
            sent = min(len(output), GREETING_BYTES)
            data = connection.recv(65536)
            assert data, "libzmq closed before it sent its READY"
            events += session.receive_data(data)
    assert [type(event) for event in events] == [Violation]
    assert session.data_to_send().endswith(b"Invalid socket type")


def test_subscriber_half_with_a_libzmq_publisher(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    publisher = context.socket(zmq.XPUB)
    publisher.setsockopt(zmq.RCVTIMEO, int(DEADLINE_S * 1000))
    port = publisher.bind_to_random_port("tcp://127.0.0.1")
    subscriber = SubscriberSession([b"A", b"t" * 255])
    with publisher, socket.create_connection(("127.0.0.1", port), DEADLINE_S) as connection:
        shell = Shell(subscriber, connection)
        shell.run_until(lambda: subscriber.state is SessionState.TRAFFIC)
        assert {publisher.recv(), publisher.recv()} == {b"\x01A", b"\x01" + b"t" * 255}
        for message in ([b"A1", b"x" * 300, b""], [b"B"], [b"t" * 256]):
            publisher.send_multipart(message)
        shell.run_until(
            lambda: len([e for e in shell.events if isinstance(e, MessageReceived)]) == 2
        )
        subscriber.cancel(b"A")
        subscriber.ping(b"still there")
        shell.run_until_event(PongReceived)
        assert publisher.recv() == b"\x00A"
    assert [event.frames for event in shell.events if isinstance(event, MessageReceived)] == [
        (b"A1", b"x" * 300, b""),
        (b"t" * 256,),
    ]
