"""The sockets of a subscriber: what ends a connection, by the clock of the test."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from fanout import ReceiverEventKind
from fanout.security.tls import context_of
from fanout.security.tls_client import TlsClient
from fanout.security.tls_error import TlsError
from fanout.subscriber import connections
from fanout.subscriber.backoff import BackOff
from fanout.subscriber.connections import Connections
from fanout.subscriber.core import Core
from fanout.subscriber.heartbeat import LOST_AFTER_S, PING_EACH_S
from fanout.subscriber.line import CONNECT_TIMEOUT_S, SILENT
from fanout.transport.connecting import connected_to
from fanout.transport.endpoints import TcpEndpoint
from fanout.zmtp import encode_message
from tests.helpers.certificates import AUTHORITY, SERVER, SERVER_KEY
from tests.helpers.happenings import Told
from tests.helpers.tls_server import TlsTalk, serving_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

HERE = TcpEndpoint("localhost", 5556, is_encrypted=True)
FAILED, REFUSED = ReceiverEventKind.FAILED, ReceiverEventKind.REFUSED


class Both:
    """A subscriber with one line, and the publisher that it is connected to. Owns the sockets.

    Attributes:
        now: what the subscriber takes for the time, which begins with the line.
        topics: of the messages that have come.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, context: ssl.SSLContext) -> None:
        self.ours, theirs = socket.socketpair()
        self.ours.setblocking(False)
        monkeypatch.setattr(connections, "connected_to", lambda _family, _address: self.ours)
        self.told = Told()
        self.now = 0.0
        self.topics: list[bytes] = []
        self.subscriber = Connections(
            *(Core([BackOff(lambda: 0.5)], [b""]), [HERE], mock.Mock()),
            on_event=self.told,
            read_bytes=65536,
            wrappings=[TlsClient(ca=AUTHORITY).wrapping("localhost")],
        )
        self.subscriber.turn(self.now)
        self.subscriber.connect(0, [(socket.AF_UNIX, "")], self.now)
        self.subscriber.writable(0, self.now)
        self.talk = TlsTalk(theirs, context)

    def read(self) -> None:
        """Have the subscriber read what is there."""
        self.topics += [one.topic for one in self.subscriber.readable(0, self.now)]

    def shake(self) -> None:
        """The handshake of TLS, as far as it goes."""
        while not self.talk.records.is_ready:
            self.talk.hear()
            self.talk.flush()
            self.read()

    def serve(self) -> None:
        """Both handshakes, until it has subscribed."""
        self.shake()
        while not self.talk.session.subscriptions:
            self.talk.say(self.talk.session.data_to_send())
            self.read()
            self.talk.hear()

    def drip(self, data: bytes, pieces: int, seconds: float) -> None:
        """Say this in so many pieces, and take so long, unless the subscriber ends it before."""
        step = -(-len(data) // pieces)
        for at in range(0, len(data), step):
            self.talk.socket.sendall(data[at : at + step])
            self.read()
            self.now += seconds / pieces
            self.subscriber.turn(self.now)
            if self.told.of(FAILED):
                return

    def close(self) -> None:
        self.ours.close()
        self.talk.socket.close()


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Both]]:
    made: list[Both] = []

    def one(context: ssl.SSLContext | None = None) -> Both:
        made.append(Both(monkeypatch, context or serving_context()))
        return made[-1]

    yield one
    for both in made:
        both.close()


def test_what_was_said_last_counts_though_nothing_can_be_written_any_more(
    connected: Callable[..., Both],
) -> None:
    """With TLS 1.3 a subscriber is done before the publisher has seen its certificate."""
    both = connected(context_of([SERVER, SERVER_KEY, AUTHORITY, b""]))
    with pytest.raises(TlsError, match="has shown no certificate"):
        both.shake()
    both.talk.flush()
    both.talk.socket.close()
    both.subscriber.writable(0, both.now)  # its greeting
    [event] = both.told.events
    assert event.kind is REFUSED
    assert "serves only who shows a certificate" in event.text
    assert "certificate" in both.subscriber.violation


def test_who_drips_his_handshake_has_his_time(connected: Callable[..., Both]) -> None:
    both = connected()
    both.talk.hear()
    pieces = 100
    both.drip(both.talk.records.take_output(), pieces, 2 * CONNECT_TIMEOUT_S)
    [event] = both.told.events
    assert (event.kind, event.text) == (FAILED, SILENT)
    assert both.now == pytest.approx(CONNECT_TIMEOUT_S, abs=3 * CONNECT_TIMEOUT_S / pieces)


def test_the_handshakes_of_tls_and_of_zmtp_have_theirs_together(
    connected: Callable[..., Both],
) -> None:
    """Each takes three quarters of what both may."""
    both = connected()
    both.talk.hear()
    pieces, long = 20, 0.75 * CONNECT_TIMEOUT_S
    both.drip(both.talk.records.take_output(), pieces, long)
    both.shake()
    both.drip(both.talk.sealed(both.talk.session.data_to_send()), pieces, long)
    [event] = both.told.events
    assert (event.kind, event.text) == (FAILED, SILENT)
    assert both.now == pytest.approx(CONNECT_TIMEOUT_S, abs=2 * long / pieces)


def test_who_is_slow_within_a_record_is_not_silent(connected: Callable[..., Both]) -> None:
    """As without TLS, where each byte counts that comes."""
    both = connected()
    both.serve()
    both.talk.say(b"\x04\x0d\x04PONG" + b"anything")  # it answers, so its silence counts
    both.read()
    before = len(both.told.events)
    pieces = 100
    data = both.talk.sealed(encode_message((b"A", b"x" * 1_000)))
    both.drip(data, pieces, pieces * PING_EACH_S)
    assert both.topics == [b"A"]
    assert both.told.events[before:] == []
    assert both.now > 10 * LOST_AFTER_S

    both.now += LOST_AFTER_S
    both.subscriber.turn(both.now)
    [event] = both.told.of(ReceiverEventKind.LOST)
    assert event.text == SILENT


class Refusing:
    """Waits for sockets as an event loop does, which may have no place for one more.

    Attributes:
        watched: by socket, whether it is read and written to.
        is_full: whether there is none.
    """

    def __init__(self) -> None:
        self.watched: dict[socket.socket, tuple[bool, bool]] = {}
        self.is_full = False

    def watch(self, sock: socket.socket, number: int, *, read: bool, write: bool) -> None:
        del number
        if not (read or write):
            self.watched.pop(sock, None)
        elif self.is_full and sock not in self.watched:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        else:
            self.watched[sock] = read, write

    def forget(self, sock: socket.socket) -> None:
        self.watched.pop(sock, None)

    def resolve(self, number: int, host: str, port: int) -> None:
        raise AssertionError("the test connects")


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_who_cannot_be_watched_is_tried_again(port: int) -> None:
    """Each address of a host, and all of them after a while; what is open is closed."""
    told, watcher = Told(), Refusing()
    watcher.is_full = True
    core = Core([BackOff(lambda: 0.5)], [b""])
    here = TcpEndpoint("127.0.0.1", port)
    subscriber = Connections(core, [here], watcher, on_event=told, read_bytes=65536)
    core.due(0.0)
    address = socket.AF_INET, ("127.0.0.1", port)
    with mock.patch.object(connections, "connected_to", wraps=connected_to) as tried:
        subscriber.connect(0, [address, address], 0.0)
    assert tried.call_count == 2
    (event,) = told.events
    assert event.kind is FAILED
    assert event.text == (
        "its socket cannot be watched: "
        "this user may watch no more sockets; raise fs.epoll.max_user_watches"
    )
    watcher.is_full = False
    assert core.due(0.0) == []
    assert core.due(CONNECT_TIMEOUT_S) == [0]
    subscriber.connect(0, [address], 0.0)
    (sock,) = watcher.watched
    assert watcher.watched[sock] == (False, True)
    subscriber.close()


def test_who_cannot_be_read_any_more_connects_again(port: int) -> None:
    """Reading had been paused, and nothing else was waited for."""
    told, watcher = Told(), Refusing()
    core = Core([BackOff(lambda: 0.5)], [b""])
    here = TcpEndpoint("127.0.0.1", port)
    subscriber = Connections(core, [here], watcher, on_event=told, read_bytes=65536)
    core.due(0.0)
    subscriber.connect(0, [(socket.AF_INET, ("127.0.0.1", port))], 0.0)
    (sock,) = watcher.watched
    subscriber.writable(0, 0.0)
    assert watcher.watched[sock] == (True, False)
    subscriber.pause(True, 0.0)
    assert watcher.watched == {}
    watcher.is_full = True
    subscriber.pause(False, 0.0)
    assert [event.kind for event in told.events] == [FAILED]
    assert sock.fileno() == -1, "it is closed"
    assert core.due(CONNECT_TIMEOUT_S) == [0]
    subscriber.close()
