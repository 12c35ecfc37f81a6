"""Peers of every version as bytes, and strangers: the same from libzmq's PUB and from ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import zmq

from tests.helpers.adapters import LibzmqPublisher
from tests.helpers.raw import (
    READY_SUB,
    SIGNATURE,
    RawPeer,
    command,
    frame,
    greeting_3,
)
from tests.helpers.stock import MARK, received, synchronize
from tests.helpers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.helpers.adapters import PublishingSocket
    from tests.helpers.stock import Stock

WORKERS = 1  # for one peer


@pytest.fixture
def publisher(lasting_publisher: PublishingSocket) -> PublishingSocket:
    """No test of this file minds what others have published."""
    return lasting_publisher


@pytest.fixture
def endpoint(lasting_endpoint: str) -> str:
    return lasting_endpoint


MESSAGES = [
    [b"A"],
    [b"A1", b"", b"x" * 253],
    [b"A2", b"x" * 254, b""],
    [b"A3" + b"x" * 253],
    [b"A4" + b"x" * 254],
    [b"A5", b"x" * 70_000],
]


def publish_until_read(publisher: PublishingSocket, peer: RawPeer, topic: bytes) -> None:
    """Publish markers on a topic until the peer gets one."""

    def arrives() -> bool:
        publisher.send_multipart([topic, MARK])
        return peer.is_readable(0.01)

    wait_until(arrives, f"a marker on {topic!r}")


def check_messages(
    publisher: PublishingSocket, peer: RawPeer, read: Callable[[], list[bytes]]
) -> None:
    """All that is published on A arrives, once and in order."""
    publish_until_read(publisher, peer, b"A")
    for message in MESSAGES:
        publisher.send_multipart(message)
    message = [b"A", MARK]
    while message == [b"A", MARK]:
        message = read()
    assert message == MESSAGES[0]
    assert [read() for _ in MESSAGES[1:]] == MESSAGES[1:]


@pytest.mark.parametrize("minor", [0, 1, 7])
@pytest.mark.parametrize("as_command", [True, False])
def test_zmtp_3_with_both_forms_of_subscriptions(
    publisher: PublishingSocket, endpoint: str, minor: int, as_command: bool
) -> None:
    with RawPeer.version_3(endpoint, minor=minor) as peer:
        peer.send(command(b"SUBSCRIBE", b"A") if as_command else frame(b"\x01A"))
        check_messages(publisher, peer, peer.read_message)


def test_a_greeting_byte_by_byte(publisher: PublishingSocket, endpoint: str) -> None:
    with RawPeer(endpoint) as peer:
        for byte in greeting_3(1) + READY_SUB:
            peer.send(bytes((byte,)))
        peer.expect(greeting_3(1))
        peer.expect_ready()
        for byte in command(b"SUBSCRIBE", b"A"):
            peer.send(bytes((byte,)))
        check_messages(publisher, peer, peer.read_message)


def test_a_greeting_is_answered_stage_by_stage(publisher: PublishingSocket, endpoint: str) -> None:
    with RawPeer(endpoint) as peer:
        peer.expect(SIGNATURE)  # before we have said anything
        peer.send(SIGNATURE)
        peer.expect(b"\x03")
        peer.send(b"\x03")
        peer.expect(greeting_3(1)[11:])
        peer.send(greeting_3(1)[11:])
        peer.send(READY_SUB)
        peer.expect_ready()
        peer.send(command(b"SUBSCRIBE", b"A"))
        check_messages(publisher, peer, peer.read_message)


def test_zmtp_2(publisher: PublishingSocket, endpoint: str) -> None:
    with RawPeer(endpoint) as peer:
        peer.expect(SIGNATURE)
        peer.send(SIGNATURE + b"\x01\x02")
        peer.expect(b"\x03\x01")
        peer.send(b"\x00\x00" + frame(b"\x01A"))
        peer.expect(b"\x00\x00")
        check_messages(publisher, peer, peer.read_message)
        peer.send(frame(b"\x01B") + frame(b"\x00A"))
        publish_until_read(publisher, peer, b"B")
        publisher.send_multipart([b"A", b"not any more"])
        publisher.send_multipart([b"B", b"last"])
        assert read_after_markers(peer) == [b"B", b"last"]


def read_after_markers(peer: RawPeer) -> list[bytes]:
    """The first message that is not a marker."""
    while (message := peer.read_message())[1:] == [MARK]:
        pass
    return message


def test_subscriptions_are_a_set(publisher: PublishingSocket, endpoint: str) -> None:
    with RawPeer.version_3(endpoint, b"A", b"A", b"A", b"B") as peer:
        peer.send(frame(b"\x01A") + command(b"CANCEL", b"A") + command(b"CANCEL", b"never"))
        peer.send(command(b"SUBSCRIBE", b"C"))
        publish_until_read(publisher, peer, b"C")
        publisher.send_multipart([b"A", b"cancelled by one CANCEL"])
        publisher.send_multipart([b"B", b"last"])
        assert read_after_markers(peer) == [b"B", b"last"]


def test_every_ping_has_its_pong(publisher: PublishingSocket, endpoint: str) -> None:
    with RawPeer.version_3(endpoint) as peer:
        contexts = [b"", b"x", b"sixteen bytes ok"]
        peer.send(b"".join(command(b"PING", b"\x00\x64" + context) for context in contexts))
        for context in contexts:
            peer.expect(command(b"PONG", context))


@pytest.mark.parametrize("minor", [0, 1])
def test_we_send_pings(start: Callable[..., PublishingSocket], unbound: str, minor: int) -> None:
    publisher = start(heartbeat_ms=50)
    with RawPeer.version_3(publisher.bind(unbound), minor=minor) as peer:
        if not minor:  # ZMTP 3.0 has no PING: one that sends none is sent none
            peer.send(command(b"PING", b"\0\0"))
            while (heard := peer.read_frame()) != (4, b"\x04PONG"):
                assert isinstance(publisher, LibzmqPublisher), "which asks everybody"
                assert heard[1].startswith(b"\x04PING")
                peer.send(command(b"PONG", heard[1][7:]))
        for _ in range(3):
            flags, body = peer.read_frame()
            assert flags == 4
            assert body.startswith(b"\x04PING")
            peer.send(command(b"PONG", body[7:]))


def test_user_messages_and_unknown_commands_are_ignored(
    publisher: PublishingSocket, endpoint: str
) -> None:
    with RawPeer.version_3(endpoint) as peer:
        for nonsense in (
            frame(b"user message"),
            frame(b"part", 1) + frame(b""),
            command(b"UNHEARD", b"of"),
            READY_SUB,
            frame(b"\x09SUBSCRIBE", 4),
            command(b"CANCEL"),
        ):
            peer.send(nonsense)
        peer.send(command(b"SUBSCRIBE", b"A"))
        check_messages(publisher, peer, peer.read_message)


def test_zmtp_1(publisher: PublishingSocket, endpoint: str) -> None:
    with RawPeer(endpoint) as peer:
        peer.send(b"\x01\x00")  # an anonymous identity
        peer.expect(SIGNATURE[:9])  # is the head of a long identity frame to such a peer
        assert peer.read(1)[0] & 1 == 1
        check_messages(publisher, peer, peer.read_message_1)


GARBAGE = {
    "zeros": bytes(500),
    "another mechanism": SIGNATURE + b"\x03\x01PLAIN".ljust(54, b"\0"),
    "a push socket": greeting_3(1)
    + READY_SUB.replace(b"\x19", b"\x1a").replace(b"\x00\x03SUB", b"\x00\x04PUSH"),
    "a subscription before the handshake": greeting_3(1) + command(b"SUBSCRIBE", b""),
    "truncated metadata": greeting_3(1) + frame(b"\x05READY\x0bSocket-Type\x00\x00\x00\x09SUB", 4),
    "a frame of 2**63 bytes": greeting_3(1) + READY_SUB + b"\x02\x80" + bytes(7),
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_ends_its_own_connection_only(
    publisher: PublishingSocket, endpoint: str, stock: Stock, garbage: bytes
) -> None:
    subscriber = stock.connect(endpoint, b"A")
    synchronize(publisher, subscriber, b"A")
    for cut in (0, 1, 10, 11, len(garbage) - 1):
        with RawPeer(endpoint) as stranger:
            stranger.expect(SIGNATURE)
            stranger.send(garbage[:cut])
            publisher.send_multipart([b"A", b"between"])
            stranger.send_if_open(garbage[cut:])
            stranger.read_to_end()
        publisher.send_multipart([b"A", b"after"])
        assert received(publisher, subscriber, b"A") == [[b"A", b"between"], [b"A", b"after"]]


def test_an_http_request_does_no_harm(
    publisher: PublishingSocket, endpoint: str, stock: Stock
) -> None:
    subscriber = stock.connect(endpoint, b"A")
    synchronize(publisher, subscriber, b"A")
    with RawPeer(endpoint) as stranger:  # may be a ZMTP 1.0 peer with an identity, so far
        stranger.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        publisher.send_multipart([b"A", b"meanwhile"])
        assert received(publisher, subscriber, b"A") == [[b"A", b"meanwhile"]]


@pytest.mark.parametrize("kind", [zmq.PULL, zmq.REQ, zmq.PUB, zmq.DEALER])
def test_a_wrong_socket_type_does_no_harm(
    publisher: PublishingSocket, endpoint: str, stock: Stock, kind: int
) -> None:
    subscriber = stock.connect(endpoint, b"")
    synchronize(publisher, subscriber)
    stranger = stock.socket(kind)
    monitor = stock.monitor(stranger)
    stranger.connect(endpoint)
    monitor.wait_for(zmq.EVENT_DISCONNECTED)
    publisher.send_multipart([b"A", b"after"])
    assert received(publisher, subscriber) == [[b"A", b"after"]]
