"""The sockets of a subscriber: what is told of a connection that ends within its handshakes."""

from __future__ import annotations

import socket
from unittest import mock

import pytest

from fanout.security.records import Records
from fanout.security.tls import context_of
from fanout.security.tls_client import TlsClient
from fanout.security.tls_error import TlsError
from fanout.subscriber import connections
from fanout.subscriber.backoff import BackOff
from fanout.subscriber.connections import Connections
from fanout.subscriber.core import Core
from fanout.subscriber.events import ReceiverEvent, ReceiverEventKind
from fanout.transport.endpoints import TcpEndpoint
from tests.helpers.certificates import AUTHORITY, SERVER, SERVER_KEY

HERE = TcpEndpoint("localhost", 5556, is_encrypted=True)
NOW = 1.0


def _shake(made: Connections, server: Records, theirs: socket.socket) -> None:
    """The handshake, as far as it goes."""
    while not server.is_ready:
        server.receive(theirs.recv(65536))
        theirs.sendall(server.take_output())
        made.readable(0, NOW)


def test_what_was_said_last_counts_though_nothing_can_be_written_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With TLS 1.3 a subscriber is done before the publisher has seen its certificate."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    monkeypatch.setattr(connections, "connected_to", lambda _family, _address: ours)
    told: list[ReceiverEvent] = []
    made = Connections(
        *(Core([BackOff(lambda: 0.5)], [b""]), [HERE], mock.Mock()),
        on_event=told.append,
        read_bytes=65536,
        wrappings=[TlsClient(ca=AUTHORITY).wrapping("localhost")],
    )
    made.turn(NOW)
    made.connect(0, [(socket.AF_UNIX, "")], NOW)
    made.writable(0, NOW)
    server = Records(context_of([SERVER, SERVER_KEY, AUTHORITY, b""]))
    with ours, theirs:
        with pytest.raises(TlsError, match="has shown no certificate"):
            _shake(made, server, theirs)
        theirs.sendall(server.take_output())
        theirs.close()
        made.writable(0, NOW)  # its greeting
    [event] = told
    assert event.kind is ReceiverEventKind.REFUSED
    assert "serves only who shows a certificate" in event.text
    assert "certificate" in made.violation
