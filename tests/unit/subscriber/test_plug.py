"""The socket of a line inside of TLS: nothing goes out before its handshake, and nothing twice."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from fanout.security.records import TlsRecords
from fanout.security.tls import context_of
from fanout.security.tls_client import TlsClient
from fanout.security.tls_error import TlsError
from fanout.subscriber.plug import Plug
from fanout.transport.endpoints import TcpEndpoint
from tests.helpers.certificates import AUTHORITY, OTHER_AUTHORITY, SERVER, SERVER_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = TcpEndpoint("localhost", 5556, is_encrypted=True)
SIZE = 64 * 1024


class Both:
    """A plug, and a publisher's side of its connection, which takes and says what it is told to."""

    def __init__(self, authority: bytes = AUTHORITY) -> None:
        self.ours, self.theirs = socket.socketpair()
        for one in (self.ours, self.theirs):
            one.setblocking(False)
        self.plug = Plug(HERE, TlsClient(ca=authority).wrapping("localhost"), sock=self.ours)
        self.server = TlsRecords(context_of([SERVER, SERVER_KEY, b"", b""]))
        self.plug.begin()

    def flush(self) -> None:
        """Our side says all that it may, and that the socket takes."""
        while self.plug.has_unsent():
            try:
                self.plug.send(self.ours)
            except BlockingIOError:
                return

    def taken(self) -> bytes:
        """What the publisher gets, in plain bytes."""
        try:
            return self.server.receive(self.theirs.recv(1 << 20))
        except BlockingIOError:
            return b""

    def answer(self) -> None:
        """The publisher says what TLS has to say."""
        self.theirs.sendall(self.server.take_output())

    def shake(self) -> None:
        """The handshake, to its end."""
        while not self.server.is_ready:
            self.flush()
            self.taken()
            self.answer()
            if self.plug.is_wrapping:
                assert self.plug.receive(self.ours, SIZE) is None


@pytest.fixture
def both() -> Iterator[Both]:
    made = Both()
    with made.ours, made.theirs:
        yield made


def test_nothing_but_tls_goes_out_before_its_handshake_is_done(both: Both) -> None:
    plug = both.plug
    plug.unsent += b"greeting"
    steps = 0
    while plug.is_wrapping:
        both.flush()
        assert plug.unsent == b"greeting"
        assert not plug.has_unsent()  # else a poll would wake for ever
        assert both.taken() == b""
        both.answer()
        assert plug.receive(both.ours, SIZE) is None
        steps += 1
    assert steps
    assert plug.has_unsent()
    both.flush()
    assert both.taken() == b"greeting"


def test_what_the_socket_does_not_take_goes_out_later_once(both: Both) -> None:
    both.shake()
    both.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    said = b"".join(b"%07d" % number for number in range(50_000))
    both.plug.unsent += said
    got = b""
    for _ in range(10_000):
        both.flush()
        got += both.taken()
        if not both.plug.has_unsent():
            break
    assert got + both.taken() == said


def test_what_comes_cut_anywhere_comes_out_whole(both: Both) -> None:
    both.shake()
    wire, got = both.server.seal(b"x" * 1000) + both.server.seal(b"y"), b""
    for at in range(0, len(wire), 7):
        both.theirs.sendall(wire[at : at + 7])
        got += both.plug.receive(both.ours, SIZE) or b""
    assert got == b"x" * 1000 + b"y"


def test_an_end_that_is_said_and_one_that_is_not(both: Both) -> None:
    both.shake()
    both.server.end()
    both.answer()
    assert both.plug.receive(both.ours, SIZE) == b""
    both.theirs.close()
    assert both.plug.receive(both.ours, SIZE) == b""


def test_who_is_not_trusted_is_told() -> None:
    both = Both(OTHER_AUTHORITY)
    with both.ours, both.theirs:
        with pytest.raises(TlsError):
            both.shake()
        with pytest.raises(TlsError, match="the peer does not trust our certificate"):
            both.taken()


def test_the_next_connection_has_nothing_of_this_one(both: Both) -> None:
    both.shake()
    both.plug.unsent += b"late"
    assert both.plug.pull() is both.ours
    assert both.plug.records is None
    assert not both.plug.has_unsent()
    both.plug.begin()
    assert both.plug.is_wrapping


def test_without_tls_there_is_nothing_between() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        plug = Plug(TcpEndpoint("localhost", 5556), sock=ours)
        plug.begin()
        plug.unsent += b"said"
        assert plug.has_unsent()
        plug.send(ours)
        assert theirs.recv(10) == b"said"
        theirs.sendall(b"answer")
        assert plug.receive(ours, 3) == b"ans"
