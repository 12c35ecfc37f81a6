"""`tls://` endpoints: who is served, what they get, and what ends a connection."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from fanout import (
    BindError,
    ConfigError,
    EventKind,
    NotMovedError,
    Publisher,
    Reason,
    ReceiverEvent,
    ReceiverEventKind,
    SlowPolicy,
    Subscriber,
    Undelivered,
    auth,
)
from fanout.asyncio import Publisher as AwaitedPublisher
from tests.helpers.certificates import (
    AUTHORITY,
    CLIENT,
    CLIENT_KEY,
    DEPARTMENT,
    DESK,
    DESK_KEY,
    OTHER_AUTHORITY,
    SERVER,
    SERVER_KEY,
)
from tests.helpers.happenings import Happenings
from tests.helpers.raw import SIGNATURE, RawPeer, command, greeting_3
from tests.helpers.showing import shown_by, top_of
from tests.helpers.tls import Relay, TlsPeer, client_context, server_tls
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.stock import Stock

SMALL: dict[str, Any] = {"workers": 1, "log_bytes": 1 << 20}
AS_CLIENT = auth.TlsClient(ca=AUTHORITY, certificate=CLIENT, private_key=CLIENT_KEY)
PASSWORDS = {"desk7": "geheim"}


def opened(security: auth.Security | None = None, **options: Any) -> tuple[Publisher, Happenings]:
    happenings = Happenings()
    tls = options.pop("tls", None) or server_tls()
    made = Publisher(
        "tls://127.0.0.1:*",
        on_event=happenings,
        security=security,
        tls=tls,
        **{**SMALL, **options},
    )
    return made, happenings


def served(publisher: Publisher, *topics: bytes, **options: Any) -> TlsPeer:
    """A subscriber by TLS, whose subscriptions have come."""
    count = len([one for one in publisher.subscribers() if one.subscriptions])
    peer = TlsPeer.version_3(publisher.endpoints[0], *topics, **options)
    publisher.wait_for_subscribers(count + 1, topics[0], timeout=DEADLINE_S)
    return peer


def greeting(mechanism: bytes, *, is_server: bool = False) -> bytes:
    """Of ZMTP 3.1."""
    return SIGNATURE + b"\3\1" + mechanism.ljust(20, b"\0") + bytes((is_server,)) + bytes(31)


class Wire:
    """Between a peer and a publisher: carries bytes on, and writes them down; one connection."""

    def __init__(self, endpoint: str, seen: bytearray) -> None:
        host, _, port = endpoint.removeprefix("tls://").rpartition(":")
        self._target = host, int(port)
        self._seen = seen
        self._door = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tls://127.0.0.1:{self._door.getsockname()[1]}"
        self._thread = threading.Thread(target=self._carry, daemon=True)

    def __enter__(self) -> Wire:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(DEADLINE_S)
        self._door.close()
        assert not self._thread.is_alive()

    def _carry(self) -> None:
        inner, _ = self._door.accept()
        with inner, socket.create_connection(self._target, DEADLINE_S) as outer:
            ways = {inner: outer, outer: inner}
            while True:
                for source in select.select(list(ways), [], [], DEADLINE_S)[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    self._seen += data
                    ways[source].sendall(data)


def check(request: auth.Request) -> bool:
    return PASSWORDS.get(request.username) == request.password


def test_who_speaks_tls_is_served() -> None:
    publisher, happenings = opened()
    with publisher:
        assert publisher.endpoints[0].startswith("tls://127.0.0.1:")
        with served(publisher, b"A") as peer:
            publisher.publish(b"A1", b"payload")
            publisher.publish(b"B", b"not for it")
            publisher.publish(b"A2", b"")
            assert peer.read_message() == [b"A1", b"payload"]
            assert peer.read_message() == [b"A2", b""]
            assert peer.tls.version() == "TLSv1.3"
            [one] = publisher.subscribers()
            assert (one.endpoint, one.sent) == (publisher.endpoints[0], 2)
        [event] = happenings.wait_for(EventKind.SUBSCRIBER_DISCONNECTED)
        assert event.cause is Reason.LEFT


def test_tls_1_2(monkeypatch: pytest.MonkeyPatch) -> None:
    context = client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    monkeypatch.setattr(TlsPeer, "context", context)
    publisher, _ = opened()
    with publisher, served(publisher, b"") as peer:
        publisher.publish(b"t", b"p")
        assert peer.read_message() == [b"t", b"p"]
        assert peer.tls.version() == "TLSv1.2"


def test_the_cipher_of_tls_1_2_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    context = client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    monkeypatch.setattr(TlsPeer, "context", context)
    publisher, _ = opened(tls=auth.Tls(SERVER, SERVER_KEY, ciphers="ECDHE+CHACHA20"))
    with publisher, served(publisher, b"") as peer:
        cipher = peer.tls.cipher()
        assert cipher is not None
        assert cipher[0] == "ECDHE-ECDSA-CHACHA20-POLY1305"


def test_who_speaks_no_version_that_is_wanted_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    context = client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    lowest = ssl.TLSVersion.TLSv1_3
    publisher, happenings = opened(tls=auth.Tls(SERVER, SERVER_KEY, minimum_version=lowest))
    with publisher, served(publisher, b""):
        monkeypatch.setattr(TlsPeer, "context", context)
        with pytest.raises(ssl.SSLError, match=r"(?i)version"):
            TlsPeer(publisher.endpoints[0])
        [event] = happenings.wait_for(EventKind.HANDSHAKE_FAILED)
        assert event.reason == "TLS: unsupported protocol"


def test_a_stock_subscriber_behind_a_relay(stock: Stock) -> None:
    publisher, _ = opened()
    with publisher, Relay(publisher.endpoints[0]) as relay:
        beating = {zmq.HEARTBEAT_IVL: 20, zmq.HEARTBEAT_TIMEOUT: 60_000}
        subscriber = stock.connect(relay.endpoint, b"A", options=beating)
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        wait_until(lambda: publisher.subscribers()[0].subscriptions == 1, "it has asked")
        for number in range(1_000):
            publisher.publish(b"A", b"%d" % number)
        got = [subscriber.recv_multipart() for _ in range(1_000)]
        assert got == [[b"A", b"%d" % number] for number in range(1_000)]
        subscriber.subscribe(b"B")
        wait_until(lambda: publisher.subscribers()[0].subscriptions == 2, "it has asked again")
        subscriber.unsubscribe(b"A")
        wait_until(lambda: publisher.subscribers()[0].subscriptions == 1, "it has cancelled")
        publisher.publish(b"A", b"no")
        publisher.publish(b"B", b"yes")
        assert subscriber.recv_multipart() == [b"B", b"yes"]


def test_messages_of_any_size(stock: Stock) -> None:
    sizes = [0, 1, 255, 256, 16_383, 16_384, 16_385, 65_536, 700_000]
    messages = [[b"T" * (size % 300), b"", b"x" * size] for size in sizes]
    messages += [[b"", b""], [b""], [b"T", *([b""] * 50), b"end"]]
    publisher, _ = opened(log_bytes=8 << 20)
    with publisher, Relay(publisher.endpoints[0]) as relay, served(publisher, b"") as peer:
        subscriber = stock.connect(relay.endpoint, b"")
        publisher.wait_for_subscribers(2, b"", timeout=DEADLINE_S)
        for _ in range(3):
            for message in messages:
                publisher.send_multipart(message)
            for message in messages:
                assert peer.read_message() == message
                assert subscriber.recv_multipart() == message
        assert publisher.drain(DEADLINE_S) == ()
        assert [one.sent for one in publisher.subscribers()] == [3 * len(messages)] * 2


def test_the_same_feed_with_tls_and_without() -> None:
    publisher, _ = opened()
    with publisher:
        plain = publisher.bind("tcp://127.0.0.1:*")
        with RawPeer.version_3(plain, b"A") as other, served(publisher, b"A") as peer:
            publisher.wait_for_subscribers(2, b"A", timeout=DEADLINE_S)
            for number in range(2_000):
                publisher.publish(b"A", b"%d" % number)
            for number in range(2_000):
                expected = [b"A", b"%d" % number]
                assert peer.read_message() == other.read_message() == expected


def test_who_reads_little_loses_the_oldest_and_all_is_counted() -> None:
    """A slow reader: what it gets are whole messages in order, and the rest is counted."""
    count = 3_000
    policy = SlowPolicy("drop_oldest", limit_messages=50)
    publisher, _ = opened(slow_policy=policy, kernel_queue_bytes=16 * 1024, log_bytes=4 << 20)
    with publisher, served(publisher, b"A", receive_buffer=4096) as peer:
        for number in range(count):
            publisher.publish(b"A", b"%05d" % number + b"x" * 2_000)
        wait_until(lambda: publisher.subscribers()[0].dropped > 0, "some are lost")
        got = [int(peer.read_message()[1][:5])]
        while got[-1] != count - 1:
            got.append(int(peer.read_message()[1][:5]))
        assert got == sorted(set(got))

        def is_settled() -> bool:
            [one] = publisher.subscribers()
            return one.queued == 0 and one.kernel_bytes == 0

        wait_until(is_settled, "its host has acknowledged all")
        [one] = publisher.subscribers()
        assert (one.matched, one.sent, one.dropped) == (count, len(got), count - len(got))
        assert one.dropped > 0


def test_who_reads_nothing_is_evicted_and_others_go_on() -> None:
    publisher, happenings = opened(
        slow_policy=SlowPolicy("disconnect", limit_messages=100), kernel_queue_bytes=16 * 1024
    )
    with publisher, served(publisher, b"", receive_buffer=4096), served(publisher, b"") as peer:
        number = 0
        while not happenings.of(EventKind.SUBSCRIBER_EVICTED):
            publisher.publish(b"A", b"%d" % number + b"x" * 5_000)
            assert peer.read_message()[1].rstrip(b"x") == b"%d" % number
            number += 1
            assert number < 100_000
        assert len(publisher.subscribers()) == 1


class TestPlainInside:
    """User and password, where nobody else can read them."""

    def test_it_needs_no_permission_off_loopback(self) -> None:
        with Publisher(**SMALL) as publisher:
            with pytest.raises(ConfigError, match="or to tls://"):
                publisher.bind("tcp://*:*", security=auth.Plain(check))
            publisher.bind("tls://*:*", security=auth.Plain(check), tls=server_tls())

    def test_who_knows_the_password_is_served(self, stock: Stock) -> None:
        publisher, happenings = opened(auth.Plain(check), require_security=True)
        with publisher, Relay(publisher.endpoints[0]) as relay:
            subscriber = stock.socket(zmq.SUB)
            subscriber.plain_username, subscriber.plain_password = b"desk7", b"geheim"
            subscriber.subscribe(b"")
            subscriber.connect(relay.endpoint)
            publisher.wait_for_subscribers(1, b"", timeout=DEADLINE_S)
            publisher.publish(b"t", b"p")
            assert subscriber.recv_multipart() == [b"t", b"p"]
            [one] = publisher.subscribers()
            assert one.user == "desk7"
        [event] = happenings.of(EventKind.SUBSCRIBER_CONNECTED)
        assert event.reason == "ZMTP 3.1, PLAIN"

    def test_who_does_not_is_told_so(self, stock: Stock) -> None:
        publisher, happenings = opened(auth.Plain(check))
        with publisher, Relay(publisher.endpoints[0]) as relay:
            subscriber = stock.socket(zmq.SUB)
            monitor = stock.monitor(subscriber)
            subscriber.plain_username, subscriber.plain_password = b"desk7", b"wrong"
            subscriber.connect(relay.endpoint)
            monitor.wait_for(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)  # it has read our ERROR
            [event] = happenings.wait_for(EventKind.HANDSHAKE_FAILED)
            assert event.cause is Reason.DENIED
            assert publisher.statistics().accepted == 1


class TestClientCertificates:
    """Who may connect by a certificate."""

    def test_who_has_one_is_served(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(TlsPeer, "context", client_context(tmp_path))
        publisher, _ = opened(tls=server_tls(client_ca=AUTHORITY), require_security=True)
        with publisher, served(publisher, b"") as peer:
            publisher.publish(b"t", b"p")
            assert peer.read_message() == [b"t", b"p"]

    def test_who_has_signed_it_may_be_signed_by_another_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who trusts one department need not trust all others of that authority."""
        monkeypatch.setattr(TlsPeer, "context", client_context(tmp_path, own=DESK + DESK_KEY))
        publisher, _ = opened(tls=server_tls(client_ca=DEPARTMENT))
        with publisher, served(publisher, b"") as peer:
            publisher.publish(b"t", b"p")
            assert peer.read_message() == [b"t", b"p"]

    @pytest.mark.parametrize("authority", [AUTHORITY, OTHER_AUTHORITY])
    def test_who_has_none_or_another_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: bytes
    ) -> None:
        has_one = authority is OTHER_AUTHORITY
        monkeypatch.setattr(TlsPeer, "context", client_context(tmp_path if has_one else None))
        publisher, happenings = opened(tls=server_tls(client_ca=authority))
        with publisher:
            with TlsPeer(publisher.endpoints[0]) as peer, pytest.raises(ssl.SSLError):
                peer.socket.recv(1)  # in TLS 1.3 a client hears of it after its own handshake
            [event] = happenings.wait_for(EventKind.HANDSHAKE_FAILED)
            assert event.cause is Reason.VIOLATION
            text = "the certificate of the peer is refused" if has_one else "shown no certificate"
            assert text in event.reason
            assert not publisher.subscribers()


class TestUsers:
    """Who has shown a certificate is known by the name in it."""

    def test_the_common_name_is_the_user(self) -> None:
        publisher, happenings = opened(tls=server_tls(client_ca=AUTHORITY))
        with publisher:
            with Subscriber(publisher.endpoints[0], "A", tls=AS_CLIENT):
                publisher.wait_for_subscribers(1, "A", timeout=DEADLINE_S)
                [one] = publisher.subscribers()
                assert one.user == "client"
            [event] = happenings.wait_for(EventKind.SUBSCRIBER_DISCONNECTED)
            assert event.user == "client"
            [end] = publisher.closed_subscribers()
            assert end.user == "client"
            [event] = happenings.of(EventKind.SUBSCRIBER_CONNECTED)
            assert event.reason == "ZMTP 3.1, TLS"

    def test_top_shows_who_it_is(self) -> None:
        name = f"tls-{os.getpid()}"
        publisher, _ = opened(tls=server_tls(client_ca=AUTHORITY), name=name)
        with publisher, Subscriber(publisher.endpoints[0], tls=AS_CLIENT):
            publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            [one] = top_of(name)["subscribers"]
            assert (one["user"], one["endpoint"]) == ("client", publisher.endpoints[0])

    def test_a_stock_subscriber_behind_a_relay_has_its_name(
        self, tmp_path: Path, stock: Stock
    ) -> None:
        publisher, _ = opened(tls=server_tls(client_ca=AUTHORITY), require_security=True)
        relay = Relay(publisher.endpoints[0], client_context(tmp_path))
        with publisher, relay:
            subscriber = stock.connect(relay.endpoint, b"A")
            publisher.wait_for_subscribers(1, b"A", timeout=DEADLINE_S)
            publisher.publish(b"A", b"p")
            assert subscriber.recv_multipart() == [b"A", b"p"]
            assert [one.user for one in publisher.subscribers()] == ["client"]

    def test_rights_by_a_check(self) -> None:
        def check(request: auth.Request) -> auth.Verdict:
            assert request.mechanism == "TLS"
            assert request.certificate == ssl.PEM_cert_to_DER_cert(CLIENT.decode())
            return auth.Allow(subscribe=["A"])

        tls = auth.Tls(SERVER, SERVER_KEY, client_ca=AUTHORITY, check=check)
        publisher, _ = opened(tls=tls)
        with publisher, Subscriber(publisher.endpoints[0], tls=AS_CLIENT) as subscriber:
            publisher.wait_for_subscribers(1, "A", timeout=DEADLINE_S)
            publisher.publish("B", b"not its")
            publisher.publish("A", b"its")
            assert subscriber.recv(DEADLINE_S).topic == b"A"
            publisher.permit("client", ["B"])
            publisher.publish("A", b"not its any more")
            publisher.publish("B", b"its now")
            assert subscriber.recv(DEADLINE_S).topic == b"B"

    def test_who_is_denied_is_told_so_and_others_are_served(self) -> None:
        told: list[ReceiverEvent] = []
        tls = auth.Tls(
            SERVER, SERVER_KEY, client_ca=AUTHORITY, check=lambda one: one.username == "server"
        )
        publisher, happenings = opened(tls=tls)
        endpoint = publisher.endpoints[0]
        other = auth.TlsClient(ca=AUTHORITY, certificate=SERVER, private_key=SERVER_KEY)
        with (
            publisher,
            Subscriber(endpoint, tls=AS_CLIENT, on_event=told.append),
            Subscriber(endpoint, tls=other) as served,
        ):
            publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            wait_until(lambda: told, "it is told")
            assert told[0].kind is ReceiverEventKind.REFUSED
            assert "denies this subscriber (ERROR 400)" in told[0].text
            [event, *_] = happenings.wait_for(EventKind.HANDSHAKE_FAILED)
            assert event.cause is Reason.DENIED
            assert "user 'client'" in event.reason
            publisher.publish("A", b"")
            assert served.recv(DEADLINE_S).topic == b"A"
            assert [one.user for one in publisher.subscribers()] == ["server"]

    def test_who_is_cut_off_does_not_come_again(self) -> None:
        told: list[ReceiverEvent] = []
        publisher, _ = opened(tls=server_tls(client_ca=AUTHORITY))
        with publisher, Subscriber(publisher.endpoints[0], tls=AS_CLIENT, on_event=told.append):
            publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            assert publisher.disconnect(user="client")
            wait_until(
                lambda: ReceiverEventKind.REFUSED in {one.kind for one in told}, "it is refused"
            )
            assert not publisher.subscribers()

    def test_the_user_of_a_mechanism_inside_counts(self) -> None:
        tls = server_tls(client_ca=AUTHORITY)
        publisher, _ = opened(auth.Plain(check), tls=tls)
        user = auth.PlainClient("desk7", "geheim")
        with publisher, Subscriber(publisher.endpoints[0], tls=AS_CLIENT, security=user):
            publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            assert [one.user for one in publisher.subscribers()] == ["desk7"]

    def test_two_checks_are_one_too_many(self) -> None:
        tls = auth.Tls(SERVER, SERVER_KEY, client_ca=AUTHORITY, check=check)
        with Publisher(**SMALL) as publisher, pytest.raises(ConfigError, match="has two checks"):
            publisher.bind("tls://127.0.0.1:*", security=auth.Plain(check), tls=tls)

    @pytest.mark.parametrize("said", [b"\x01\x00\x01\x01A", greeting_3(1)[:10] + b"\x01\x02\0\0"])
    def test_who_speaks_an_old_version_is_not_let_by(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes
    ) -> None:
        monkeypatch.setattr(TlsPeer, "context", client_context(tmp_path))
        publisher, happenings = opened(tls=server_tls(client_ca=AUTHORITY), allow_zmtp_1=True)
        with publisher, TlsPeer(publisher.endpoints[0]) as peer:
            peer.send(said)
            peer.read_to_end()
            [event] = happenings.wait_for(EventKind.HANDSHAKE_FAILED)
            assert event.cause is Reason.VIOLATION


class TestWhoIsRefused:
    """Each is closed and counted, and nobody else feels it."""

    @pytest.mark.parametrize(
        ("said", "text"),
        [
            (greeting_3(1), "TLS: the peer speaks none, but ZMTP without it: who subscribes here"),
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "TLS: the peer speaks none, but HTTP"),
            (b"\x16\x03\x01\x00\x05\x01\xff\xff\xff\xff", "TLS: "),
            (bytes(100), "TLS: "),
        ],
    )
    def test_who_speaks_something_else(self, said: bytes, text: str) -> None:
        publisher, happenings = opened()
        endpoint = publisher.endpoints[0].replace("tls://", "tcp://")
        with publisher, served(publisher, b"") as neighbour, RawPeer(endpoint) as peer:
            peer.send(said)
            peer.read_to_end()
            [event] = happenings.wait_for(EventKind.HANDSHAKE_FAILED)
            is_plain = said.startswith(b"\xff")
            assert event.cause is (Reason.MECHANISM if is_plain else Reason.VIOLATION)
            assert text in event.reason
            publisher.publish(b"t", b"p")
            assert neighbour.read_message() == [b"t", b"p"]
            assert publisher.statistics().failed_handshakes == 1

    def test_who_speaks_tls_where_there_is_none(self) -> None:
        happenings = Happenings()
        with Publisher("tcp://127.0.0.1:*", on_event=happenings, **SMALL) as publisher:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                TlsPeer(publisher.endpoints[0])
            [event] = happenings.wait_for(EventKind.HANDSHAKE_FAILED)
            assert event.cause is Reason.MECHANISM
            assert event.reason == "the peer speaks TLS, and this is no tls:// endpoint"

    def test_who_does_not_trust_our_certificate(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(TlsPeer, "context", client_context(authority=OTHER_AUTHORITY))
        publisher, happenings = opened()
        with publisher:
            with pytest.raises(ssl.SSLCertVerificationError):
                TlsPeer(publisher.endpoints[0])
            [event] = happenings.wait_for(EventKind.HANDSHAKE_FAILED)
            assert "the peer does not trust our certificate" in event.reason

    def test_a_handshake_that_stands_still(self) -> None:
        publisher, happenings = opened(handshake_timeout=2.0)
        endpoint = publisher.endpoints[0].replace("tls://", "tcp://")
        with publisher, RawPeer(endpoint) as silent, RawPeer(endpoint) as half:
            half.send(b"\x16\x03\x01\x02\x00\x01")
            with TlsPeer(publisher.endpoints[0]) as shaken:  # TLS is done, and ZMTP is not
                wait_until(lambda: publisher.statistics().failed_handshakes == 3, "all are late")
                events = happenings.wait_for(EventKind.HANDSHAKE_FAILED)  # told after the figures
                assert {one.cause for one in events} == {Reason.HANDSHAKE_TIMEOUT}
                for peer in (silent, half, shaken):
                    peer.read_to_end()

    def test_zmtp_is_refused_inside_as_outside(self) -> None:
        publisher, happenings = opened()
        with publisher, TlsPeer(publisher.endpoints[0]) as peer:
            peer.send(greeting_3(1) + b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03PUB")
            assert b"ERROR" in peer.read_to_end()
            [event] = happenings.wait_for(EventKind.HANDSHAKE_FAILED)
            assert event.cause is Reason.VIOLATION

    def test_a_record_that_was_changed_ends_a_subscriber(self) -> None:
        publisher, happenings = opened()
        with publisher, served(publisher, b"") as peer:
            peer.plain.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
            [event] = happenings.wait_for(EventKind.SUBSCRIBER_EVICTED)
            assert event.cause is Reason.VIOLATION
            assert event.reason.startswith("TLS: ")


def test_who_ends_its_own_side_has_left() -> None:
    publisher, happenings = opened()
    with publisher:
        with served(publisher, b"") as peer:
            peer.tls.setblocking(False)
            with pytest.raises(ssl.SSLWantReadError):
                peer.tls.unwrap()  # says that it has nothing more to say, and goes on reading
            [event] = happenings.wait_for(EventKind.SUBSCRIBER_DISCONNECTED)
            assert event.cause is Reason.LEFT
        with served(publisher, b"") as peer:
            peer.plain.shutdown(socket.SHUT_WR)
            happenings.wait_for(EventKind.SUBSCRIBER_DISCONNECTED, 2)


def test_the_end_is_said_in_tls_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a peer could not tell it from somebody who cuts the connection."""
    publisher, _ = opened()
    with publisher:
        monkeypatch.setattr(TlsPeer, "may_be_cut", False)
        peer = served(publisher, b"")
        publisher.publish(b"t", b"p")
    assert peer.read_message() == [b"t", b"p"]
    assert peer.socket.recv(1) == b""
    peer.close()


def test_all_that_was_published_arrives_before_the_end() -> None:
    publisher, _ = opened(log_bytes=8 << 20, kernel_queue_bytes=16 * 1024)
    peer = served(publisher, b"", receive_buffer=4096)
    count = 300
    for number in range(count):
        publisher.publish(b"t", b"%d" % number + b"x" * 10_000)
    closing = threading.Thread(target=publisher.close, args=(DEADLINE_S,))
    closing.start()
    got = [peer.read_message()[1].rstrip(b"x") for _ in range(count)]
    assert got == [b"%d" % number for number in range(count)]
    closing.join(DEADLINE_S)
    assert not closing.is_alive()
    peer.close()


def test_what_is_encrypted_and_not_in_the_kernel_yet_is_not_drained() -> None:
    publisher, _ = opened(kernel_queue_bytes=16 * 1024)
    with publisher, served(publisher, b"", receive_buffer=4096) as peer:
        left: tuple[Undelivered, ...] = ()
        count = 0
        while not left:
            publisher.publish(b"A", bytes(500))
            count += 1
            assert count < 100_000
            left = publisher.drain(3.0)
        [one] = left
        assert (one.messages, one.exact) == (0, False)
        for _ in range(count):
            peer.read_message()
        assert publisher.drain(DEADLINE_S) == ()


def test_a_worker_that_dies_costs_the_connection() -> None:
    publisher, happenings = opened(workers=2)
    with publisher, served(publisher, b"") as peer:
        [one] = publisher.subscribers()
        os.kill(publisher.statistics().workers[one.worker].pid, signal.SIGKILL)
        [event] = happenings.wait_for(EventKind.SUBSCRIBER_EVICTED)
        assert event.cause is Reason.WORKER_LOST
        assert "encrypted: its worker had the key" in event.reason
        assert publisher.statistics().not_resumed == 1
        peer.read_to_end()
        wait_until(lambda: len(publisher.statistics().workers) == 2, "it is back")
        with served(publisher, b"") as again:
            publisher.publish(b"t", b"p")
            assert again.read_message() == [b"t", b"p"]


def test_it_is_not_moved() -> None:
    publisher, happenings = opened(workers=2)
    with publisher, served(publisher, b"") as peer:
        [one] = publisher.subscribers()
        with pytest.raises(NotMovedError, match="it is by TLS"):
            publisher.move(one.id, 1 - one.worker)
        publisher.publish(b"t", b"p")
        assert peer.read_message() == [b"t", b"p"]
        publisher.restart_workers()
        [event] = happenings.wait_for(EventKind.SUBSCRIBER_EVICTED)
        assert event.cause is Reason.WORKER_RETIRED
        assert "it is by TLS" in event.reason
        publisher.wait_for_workers(timeout=DEADLINE_S)


class TestBinding:
    """What is refused before anything listens."""

    def test_what_does_not_go_together(self) -> None:
        context = ssl.create_default_context()
        keys = zmq.curve_keypair()
        refused: list[tuple[dict[str, Any], type[Exception], str]] = [
            ({"endpoint": "tls://127.0.0.1:*"}, ConfigError, "needs a certificate: give tls="),
            ({"endpoint": "tcp://127.0.0.1:*", "tls": server_tls()}, ConfigError, "is for tls://"),
            ({"endpoint": "tls://127.0.0.1:*", "tls": context}, TypeError, "ssl.SSLContext"),
            (
                {
                    "endpoint": "tls://127.0.0.1:*",
                    "tls": server_tls(),
                    "security": auth.Curve(keys[1]),
                },
                ConfigError,
                "CURVE inside would encrypt all of it twice",
            ),
            ({"endpoint": "tls://127.0.0.1", "tls": server_tls()}, ConfigError, "the port is miss"),
        ]
        with Publisher(**SMALL) as publisher:
            for arguments, kind, text in refused:
                endpoint = arguments.pop("endpoint")
                with pytest.raises(kind, match=text):
                    publisher.bind(endpoint, **arguments)
            assert publisher.endpoints == ()
            for other in (publisher.ingest, publisher.answer):
                with pytest.raises(ConfigError, match=r"ingest\(\) and answer\(\) take tcp:"):
                    other("tls://127.0.0.1:*")

    def test_who_asks_nobody_is_refused_where_that_is_required(self) -> None:
        with Publisher(require_security=True, **SMALL) as publisher:
            with pytest.raises(ConfigError, match="asks nobody who he is"):
                publisher.bind("tls://127.0.0.1:*", tls=server_tls())
            publisher.bind("tls://127.0.0.1:*", tls=server_tls(client_ca=AUTHORITY))

    def test_a_port_that_is_taken_is_named(self) -> None:
        publisher, _ = opened()
        with publisher:
            taken = publisher.endpoints[0]
            with pytest.raises(BindError, match=f"this publisher itself listens on {taken}"):
                publisher.bind(taken, tls=server_tls())


def test_a_new_certificate_has_the_same_port_and_who_is_there_stays() -> None:
    publisher, _ = opened()
    with publisher, served(publisher, b"") as before:
        [endpoint] = publisher.endpoints
        publisher.unbind(endpoint)
        assert publisher.bind(endpoint, tls=server_tls()) == endpoint
        with served(publisher, b"") as after:
            publisher.publish(b"t", b"p")
            assert [one.read_message() for one in (before, after)] == [[b"t", b"p"]] * 2


def test_by_the_awaited_face() -> None:
    async def bound() -> None:
        async with AwaitedPublisher("tls://127.0.0.1:*", tls=server_tls(), **SMALL) as publisher:
            again = await publisher.bind("tls://127.0.0.1:*", tls=server_tls())
            assert publisher.endpoints[1] == again

    asyncio.run(bound())


def test_the_private_key_is_nowhere(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not in a command line, environment, shared memory, log, event or repr."""
    caplog.set_level("DEBUG")
    tls = server_tls()
    publisher, happenings = opened(tls=tls)
    with publisher, served(publisher, b""):
        texts, segment = shown_by(publisher)
        texts += [str(happenings.events), repr(tls)]
    texts += [caplog.text, *capfd.readouterr()]
    lines = [one for one in SERVER_KEY.splitlines() if b"-----" not in one]
    assert len(lines) == 3
    for line in lines:
        assert line not in segment
        assert not any(line.decode() in text for text in texts)


def test_nothing_readable_is_on_the_wire() -> None:
    publisher, _ = opened(auth.Plain(check))
    seen = bytearray()
    with publisher, Wire(publisher.endpoints[0], seen) as wire, TlsPeer(wire.endpoint) as peer:
        peer.send(greeting(b"PLAIN") + command(b"HELLO", b"\x05desk7\x06geheim"))
        peer.expect(greeting(b"PLAIN", is_server=True) + command(b"WELCOME"))
        peer.send(command(b"INITIATE", b"\x0bSocket-Type\0\0\0\x03SUB"))
        peer.expect_ready()
        peer.send(command(b"SUBSCRIBE", b"secret topic"))
        publisher.wait_for_subscribers(1, b"secret topic", timeout=DEADLINE_S)
        publisher.publish(b"secret topic", b"secret payload")
        assert peer.read_message() == [b"secret topic", b"secret payload"]
    for word in (b"secret", b"geheim", b"PLAIN", b"READY"):
        assert word not in seen
    assert len(seen) > 1_000
