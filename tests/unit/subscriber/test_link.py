"""The link: what it says to a publisher and yields, when it comes back, and when it ends."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from contextlib import suppress
from itertools import chain, repeat
from typing import TYPE_CHECKING, Self

import pytest

from fanout.subscriber import connections, line
from fanout.subscriber.backoff import BackOff
from fanout.subscriber.link import Link
from fanout.transport.endpoints import IpcEndpoint, TcpEndpoint
from fanout.zmtp import Session, Subscribed, Violation, encode_message
from fanout.zmtp.commands import ping
from tests.helpers.limits import LIMITS
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

    from fanout.subscriber.parsing import Frames
    from fanout.transport.endpoints import Endpoint

FRAME_WITHOUT_END = b"\x02" + b"\xff" * 8
SILENT_S = 0.1  # what is too long in tests that wait for it


class ShortOnce:
    """A time that is short for the first attempt; the next one is to succeed, however slowly."""

    def __init__(self) -> None:
        self._times = chain([SILENT_S], repeat(DEADLINE_S))

    def __radd__(self, now: float) -> float:
        return now + next(self._times)


class Prompt(BackOff):
    """Waits for next to nothing; counts."""

    def __init__(self) -> None:
        super().__init__(lambda: 0.0)
        self.failures = 0

    def failed(self) -> float:
        self.failures += 1
        return 0.001


class Running:
    """A link on a thread of its own; a context manager that ends it.

    Attributes:
        reads: the messages that it has yielded, read by read.
        notes: what it has said.
        over: set when it has ended.
    """

    def __init__(
        self,
        target: Endpoint,
        *topics: bytes,
        deadline: float | None = None,
        once: bool = False,
    ) -> None:
        self.reads: list[list[Frames]] = []
        self.notes: list[str] = []
        self.over = threading.Event()
        self.back_off = Prompt()
        self.reader, self._output = os.pipe()
        self._wake = os.eventfd(0)
        self.link = Link(
            target,
            topics or (b"",),
            back_off=self.back_off,
            output_fd=self._output,
            wake_fd=self._wake,
            deadline=deadline,
            on_note=self.notes.append,
            once=once,
        )
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.wake()
        self._thread.join(DEADLINE_S)
        assert self.over.is_set()
        self.leave()
        for descriptor in (self._output, self._wake):
            os.close(descriptor)

    def _run(self) -> None:
        for read in self.link.batches():
            self.reads.append([message.frames for message in read])
        self.over.set()

    @property
    def messages(self) -> list[Frames]:
        return [frames for read in self.reads for frames in read]

    def said(self, count: int) -> None:
        """Wait until it has said so much."""
        wait_until(lambda: len(self.notes) >= count, "what it says")

    def wake(self) -> None:
        """What a signal does."""
        os.eventfd_write(self._wake, 1)

    def leave(self) -> None:
        """Have nobody read its output any more."""
        if self.reader >= 0:
            os.close(self.reader)
            self.reader = -1


class Connection:
    """The publisher's end of one connection; everything it waits for has a deadline."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.session = Session(LIMITS)
        sock.settimeout(DEADLINE_S)

    def subscribed(self, count: int) -> list[bytes]:
        """Shake hands, and wait for so many subscriptions."""
        prefixes: list[bytes] = []
        while len(prefixes) < count:
            self.socket.sendall(self.session.data_to_send())
            data = self.socket.recv(4096)
            assert data, "it hung up"
            events = self.session.receive_data(data)
            assert not [event for event in events if isinstance(event, Violation)]
            prefixes += [event.prefix for event in events if isinstance(event, Subscribed)]
        return prefixes

    def send(self, *messages: list[bytes]) -> None:
        self.socket.sendall(b"".join(map(encode_message, messages)))

    def hung_up(self) -> bool:
        """Wait until the other end is closed."""
        try:
            while self.socket.recv(4096):
                pass
        except ConnectionResetError:
            pass
        return True


class Publisher:
    """Listens; a context manager that ends everything."""

    def __init__(self, family: int, address: object) -> None:
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.bind(address)  # type: ignore[arg-type]
        self.listener.listen()
        self.listener.settimeout(DEADLINE_S)
        self._connections: list[Connection] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for connection in self._connections:
            connection.socket.close()
        self.listener.close()

    @property
    def endpoint(self) -> TcpEndpoint:
        host, port = self.listener.getsockname()[:2]
        return TcpEndpoint(host, port)

    def accept(self) -> Connection:
        self._connections.append(Connection(self.listener.accept()[0]))
        return self._connections[-1]


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher(socket.AF_INET, ("127.0.0.1", 0)) as publisher:
        yield publisher


def test_it_subscribes_and_yields_the_messages_of_each_read(publisher: Publisher) -> None:
    with Running(publisher.endpoint, b"b", b"a") as running:
        connection = publisher.accept()
        assert connection.subscribed(2) == [b"a", b"b"]
        connection.send([b"a", b"1"], [b"other", b"2"], [b"bee"])
        wait_until(lambda: running.reads, "what was sent together")
        connection.send([b"a", b"", b"3"])
        wait_until(lambda: len(running.reads) > 1, "the next one")

    assert running.reads == [[(b"a", b"1"), (b"bee",)], [(b"a", b"", b"3")]]
    assert (running.link.connections, running.link.violation, running.notes) == (1, "", [])


@pytest.mark.parametrize("is_abstract", [True, False])
def test_it_connects_to_unix_sockets(is_abstract: bool, tmp_path: Path) -> None:
    name = f"fanout-test-link-{os.getpid()}" if is_abstract else str(tmp_path / "socket")
    address, path = ("\0" + name, "@" + name) if is_abstract else (name, name)
    with (
        Publisher(socket.AF_UNIX, address) as publisher,
        Running(IpcEndpoint(path)) as running,
    ):
        publisher.accept().subscribed(1)
        wait_until(lambda: running.link.connections, "a connection")


def test_it_tries_every_address_of_a_host(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the first refuses, as that of IPv6 does where a publisher listens on IPv4 only."""
    with Publisher(socket.AF_INET, ("127.0.0.1", 0)) as other:
        addresses = [one.listener.getsockname() for one in (other, publisher)]
        other.listener.close()
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with Running(TcpEndpoint("name", 1)) as running:
            publisher.accept().subscribed(1)

    assert (running.back_off.failures, running.notes) == (0, [])


@pytest.mark.parametrize("says", [b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(64), b""])
def test_an_address_at_which_another_or_nobody_answers_is_not_the_last_that_is_tried(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, says: bytes
) -> None:
    """What listens at the first is no publisher: it says something else, or nothing in time."""
    monkeypatch.setattr(line, "CONNECT_TIMEOUT_S", DEADLINE_S if says else ShortOnce())
    with Publisher(socket.AF_INET, ("127.0.0.1", 0)) as other:
        addresses = [one.listener.getsockname() for one in (other, publisher)]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with Running(TcpEndpoint("name", 1)) as running:
            other.accept().socket.sendall(says)
            publisher.accept().subscribed(1)

    assert running.link.connections == 1


def test_a_host_of_which_no_address_serves_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        Publisher(socket.AF_INET, ("127.0.0.1", 0)) as one,
        Publisher(socket.AF_INET, ("127.0.0.1", 0)) as other,
    ):
        addresses = [each.listener.getsockname() for each in (one, other)]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        one.listener.close()
        other.listener.close()
        with Running(TcpEndpoint("name", 1)) as running:
            wait_until(lambda: running.back_off.failures >= 3, "some attempts")

    assert running.notes == ["Connection refused; trying again"]


@pytest.mark.unmeasured
def test_who_sends_pings_and_takes_no_answers_is_lost(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 4096
    monkeypatch.setattr(connections, "ANSWERS_BYTES_MAX", most)
    publisher.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with Running(publisher.endpoint) as running:
        connection = publisher.accept()
        connection.subscribed(1)
        pings = ping(b"x" * 16, 0) * 512
        sent = 0
        with suppress(ConnectionError):
            for _ in range(4_000):  # more than all buffers of the kernel take
                connection.socket.sendall(pings)
                sent += 1
        assert sent < 4_000
        running.said(1)

    assert running.notes[0] == (
        "the publisher sends PINGs and does not read the answers; trying again"
    )


def test_it_comes_back_after_a_loss(publisher: Publisher) -> None:
    with Running(publisher.endpoint) as running:
        for number in range(3):
            connection = publisher.accept()
            assert connection.subscribed(1) == [b""]
            connection.socket.close()
            running.said(2 * number + 1)

    lost = "the publisher closed the connection; trying again"
    assert running.notes == [lost, "connected", lost, "connected", lost]
    assert running.link.connections == 3


def test_why_there_is_no_connection_is_told_once() -> None:
    with Publisher(socket.AF_UNIX, "") as publisher:  # any free abstract name
        name = publisher.listener.getsockname().decode()[1:]
        publisher.listener.close()
        with Running(IpcEndpoint("@" + name)) as running:
            wait_until(lambda: running.back_off.failures >= 3, "some attempts")
            assert running.notes == ["Connection refused; trying again"]
            with Publisher(socket.AF_UNIX, "\0" + name) as again:
                again.accept().subscribed(1)
                wait_until(lambda: len(running.notes) == 2, "what it says then")

    assert running.notes[1] == "connected"


def test_once_it_ends_with_its_connection_but_waits_for_the_first(publisher: Publisher) -> None:
    with Running(publisher.endpoint, once=True) as running:
        publisher.accept().socket.close()  # before the handshake
        connection = publisher.accept()
        connection.subscribed(1)
        connection.socket.close()
        assert running.over.wait(DEADLINE_S)

    assert running.link.connections == 1
    lost = "the publisher closed the connection"
    assert [note for note in running.notes if "reset" not in note][-2:] == ["connected", lost]


def test_what_cannot_be_understood_is_told_after_what_could(publisher: Publisher) -> None:
    with Running(publisher.endpoint) as running:
        connection = publisher.accept()
        connection.subscribed(1)
        connection.socket.sendall(
            encode_message([b"good"]) + b"\x02" + b"\xff" * 8
        )  # a frame without end
        assert connection.hung_up()
        wait_until(lambda: running.notes, "why")
        reason = running.link.violation
        assert reason
        assert running.messages == [(b"good",)]
        publisher.accept().subscribed(1)
        wait_until(lambda: running.link.connections == 2, "the next connection")
        assert running.link.violation == "", "this one could be understood"

    told = f"not a publisher that can be understood: {reason}; trying again"
    assert running.notes[0] == told


def test_another_protocol_is_never_a_connection(publisher: Publisher) -> None:
    with Running(publisher.endpoint) as running:
        publisher.accept().socket.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(64))
        wait_until(lambda: running.notes, "why")
        assert running.link.violation

    assert running.link.connections == 0


def test_who_says_how_long_it_may_be_silent_is_lost_when_it_is_silent_longer(
    publisher: Publisher,
) -> None:
    with Running(publisher.endpoint) as running:
        connection = publisher.accept()
        connection.subscribed(1)
        begun = time.monotonic()
        connection.socket.sendall(ping(b"context", int(SILENT_S * 10)))
        assert connection.hung_up()
        assert time.monotonic() - begun >= SILENT_S
        publisher.accept()

    assert running.notes[0] == "the publisher has been silent for too long; trying again"


def test_who_does_not_shake_hands_in_time_is_tried_anew(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "CONNECT_TIMEOUT_S", SILENT_S)
    with Running(publisher.endpoint) as running:
        connection = publisher.accept()
        assert connection.hung_up()
        publisher.accept()

    assert running.notes[0] == "the publisher has been silent for too long; trying again"
    assert running.link.connections == 0


# ------------------------------------------------------------------ its end


def end_by_signal(running: Running) -> None:
    running.wake()


def end_by_reader(running: Running) -> None:
    running.leave()


ENDS = pytest.mark.parametrize("end", [end_by_signal, end_by_reader])


@ENDS
def test_it_ends_while_it_is_connected(
    publisher: Publisher, end: Callable[[Running], None]
) -> None:
    with Running(publisher.endpoint) as running:
        connection = publisher.accept()
        connection.subscribed(1)
        end(running)
        assert running.over.wait(DEADLINE_S)
        assert connection.hung_up()

    assert running.notes == []


@ENDS
def test_it_ends_between_two_attempts(
    end: Callable[[Running], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Prompt, "failed", lambda _: DEADLINE_S * 10)
    with Running(IpcEndpoint(str(tmp_path / "nobody"))) as running:
        wait_until(lambda: running.notes, "the first attempt")
        end(running)
        assert running.over.wait(DEADLINE_S)

    assert running.notes == ["No such file or directory; trying again"]


def test_it_ends_at_its_deadline(publisher: Publisher) -> None:
    has_come, seconds = False, SILENT_S
    while not has_come:  # a busy machine may not even let it connect before a deadline so near
        assert seconds < DEADLINE_S, "it has not connected"
        deadline = time.monotonic() + seconds
        with Running(publisher.endpoint, deadline=deadline) as running:
            assert running.over.wait(DEADLINE_S)
            assert time.monotonic() >= deadline
        assert running.notes == []
        has_come = bool(select.select([publisher.listener], [], [], 0)[0])
        seconds *= 2

    assert publisher.accept().hung_up()


def test_a_deadline_that_has_passed_is_the_end(publisher: Publisher) -> None:
    with Running(publisher.endpoint, deadline=time.monotonic()) as running:
        assert running.over.wait(DEADLINE_S)

    assert (running.reads, running.link.connections) == ([], 0)
