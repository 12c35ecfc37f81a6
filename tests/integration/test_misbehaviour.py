"""Peers that break a limit, or fall silent: closed, named and counted, and nobody else is hurt."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

import pytest

from fanout import EventKind, Publisher, Reason
from tests.helpers.happenings import Happenings
from tests.helpers.raw import READY_SUB, RawPeer, command, frame, greeting_3
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITS: dict[str, Any] = {
    "max_subscriptions": 10,
    "max_subscription_bytes": 300,
    "max_subscriptions_bytes": 1000,
    "max_inbound_bytes": 1000,
    "max_half_open": 4,
}


@pytest.fixture
def happenings() -> Happenings:
    """What the publisher reports."""
    return Happenings()


@pytest.fixture
def strict(request: pytest.FixtureRequest, happenings: Happenings) -> Iterator[Publisher]:
    """A publisher with low limits, and a healthy subscriber that must not notice anything.

    Its parameter, if any, are further options.
    """
    options = LIMITS | getattr(request, "param", {})
    with (
        Publisher(
            "tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20, on_event=happenings, **options
        ) as publisher,
        RawPeer.version_3(publisher.endpoints[0], b"A") as healthy,
    ):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        yield publisher
        publisher.publish(b"A", b"after")
        assert healthy.read_message() == [b"A", b"after"]


@pytest.mark.parametrize(
    ("nonsense", "reason"),
    [
        (b"".join(command(b"SUBSCRIBE", b"%d" % n) for n in range(11)), "10 subscriptions"),
        *(
            pytest.param(nonsense, reason, marks=pytest.mark.unmeasured)
            for nonsense, reason in (
                (b"".join(frame(b"\x01%d" % n) for n in range(11)), "10 subscriptions"),
                (command(b"SUBSCRIBE", bytes(301)), "limit is 300"),
                (frame(b"\x01" + bytes(301)), "limit is 300"),
                (
                    b"".join(command(b"SUBSCRIBE", bytes(n)) for n in range(250, 255)),
                    "1000 bytes of",
                ),
                (frame(b"x" * 1001, 4), "limit is 1000"),
                (b"\x06\x7f" + b"\xff" * 7, "limit is 1000"),
            )
        ),
    ],
)
def test_a_broken_limit_ends_the_connection(
    strict: Publisher, happenings: Happenings, nonsense: bytes, reason: str
) -> None:
    with RawPeer.version_3(strict.endpoints[0], b"B") as peer:
        name = f"127.0.0.1:{peer.socket.getsockname()[1]}"
        strict.wait_for_subscribers(1, topic=b"B", timeout=DEADLINE_S)
        peer.send(nonsense)
        peer.read_to_end()
        (evicted,) = happenings.wait_for(EventKind.SUBSCRIBER_EVICTED)
        assert evicted.peer == name
        assert evicted.cause is Reason.LIMIT
        assert reason in evicted.reason
        assert strict.statistics().evicted == 1
        assert not strict.has_subscribers(b"B")


@pytest.mark.unmeasured
@pytest.mark.parametrize("size", [b"\x80" + bytes(7), b"\xff" * 8])
def test_a_size_that_no_frame_has_is_nonsense_and_not_too_much(
    strict: Publisher, happenings: Happenings, size: bytes
) -> None:
    """Who wants too much is held at its end, or would be back with a valid wish at once."""
    with RawPeer.version_3(strict.endpoints[0], b"B") as peer:
        peer.send(b"\x02" + size)
        peer.read_to_end()
    (evicted,) = happenings.wait_for(EventKind.SUBSCRIBER_EVICTED)
    assert evicted.cause is Reason.VIOLATION
    assert "2**63 - 1 are the most" in evicted.reason


def test_who_comes_back_with_too_much_is_held(strict: Publisher) -> None:
    """A SUB that is closed would be back at once and send all of it again."""
    too_many = b"".join(command(b"SUBSCRIBE", b"%d" % n) for n in range(11))
    with RawPeer.version_3(strict.endpoints[0], b"B") as first:
        first.send(too_many)
        first.read_to_end()
    with RawPeer.version_3(strict.endpoints[0], b"B") as second:
        strict.wait_for_subscribers(1, topic=b"B", timeout=DEADLINE_S)
        second.send(too_many)
        wait_until(lambda: strict.statistics().evicted == 2, "it is no subscriber any more")
        assert not strict.has_subscribers(b"B")
        assert not second.is_readable(0.0), "it was closed, and knows"
        assert second.read_to_end() == b""


@pytest.mark.unmeasured
def test_exactly_at_the_limits_all_is_well(strict: Publisher) -> None:
    with RawPeer.version_3(strict.endpoints[0]) as peer:
        peer.send(b"".join(command(b"SUBSCRIBE", b"%d" % n) for n in range(9)))
        peer.send(command(b"SUBSCRIBE", b"B" * 300) + frame(bytes(1000)))
        for _ in range(50):  # it may always change its mind
            peer.send(command(b"CANCEL", b"1") + command(b"SUBSCRIBE", b"1"))
        strict.wait_for_subscribers(1, topic=b"B" * 300, timeout=DEADLINE_S)
        strict.publish(b"B" * 300, b"")
        assert peer.read_message() == [b"B" * 300, b""]
        assert strict.subscribers()[-1].subscriptions == 10


def test_half_open_connections_are_limited(strict: Publisher, happenings: Happenings) -> None:
    silent = [RawPeer(strict.endpoints[0]) for _ in range(4)]
    for peer in silent:
        peer.read(10)
    with RawPeer(strict.endpoints[0]) as refused:
        assert refused.read_to_end() == b""
    assert "max_half_open" in happenings.wait_for(EventKind.CONNECTION_REFUSED)[0].reason
    for peer in silent:
        peer.close()
    wait_until(lambda: strict.statistics().failed_handshakes == 4, "they are gone")
    with RawPeer.version_3(strict.endpoints[0], b"B"):
        strict.wait_for_subscribers(1, topic=b"B", timeout=DEADLINE_S)


def test_no_zmtp_1_unless_it_is_allowed(strict: Publisher) -> None:
    for greeting in (b"\x01\x00", b"GET / HTTP/1.1\r\n\r\n"):
        with RawPeer(strict.endpoints[0]) as peer:
            peer.send(greeting)
            peer.read_to_end()
    wait_until(lambda: strict.statistics().failed_handshakes == 2, "they are counted")


@pytest.mark.unmeasured
def test_everything_in_one_segment_is_fine(strict: Publisher) -> None:
    with RawPeer(strict.endpoints[0]) as peer:
        peer.send(
            greeting_3(1)
            + READY_SUB
            + command(b"SUBSCRIBE", b"B")
            + command(b"PING", b"\0\0now")
            + command(b"CANCEL", b"B")
            + command(b"SUBSCRIBE", b"BC")
        )
        peer.expect(greeting_3(1))
        peer.expect_ready()
        peer.expect(command(b"PONG", b"now"))
        strict.wait_for_subscribers(1, topic=b"BC", timeout=DEADLINE_S)
        strict.publish(b"B", b"cancelled")
        strict.publish(b"BC", b"")
        assert peer.read_message() == [b"BC", b""]


@pytest.mark.unmeasured
@pytest.mark.parametrize("said", [b"", greeting_3(1)[:11], greeting_3(1)])
def test_a_handshake_that_does_not_end_is_ended(happenings: Happenings, said: bytes) -> None:
    with (
        Publisher(
            "tcp://127.0.0.1:*",
            workers=1,
            log_bytes=1 << 20,
            handshake_timeout=0.2,
            on_event=happenings,
        ) as publisher,
        RawPeer(publisher.endpoints[0]) as peer,
    ):
        peer.send(said)
        peer.read_to_end()
        (failed,) = happenings.wait_for(EventKind.HANDSHAKE_FAILED)
        assert "handshake_timeout" in failed.reason
        totals = publisher.statistics()
        assert (totals.failed_handshakes, totals.evicted) == (1, 0)
        assert happenings.of(EventKind.SUBSCRIBER_EVICTED) == []


def test_one_that_stops_answering_is_evicted_and_one_that_never_did_is_not(
    happenings: Happenings,
) -> None:
    with (
        Publisher(
            "tcp://127.0.0.1:*",
            workers=1,
            log_bytes=1 << 20,
            heartbeat_interval=0.1,
            heartbeat_timeout=0.5,
            on_event=happenings,
        ) as publisher,
        RawPeer.version_3(publisher.endpoints[0], b"A") as old,
        RawPeer.version_3(publisher.endpoints[0], b"A") as answering,
    ):
        name = f"127.0.0.1:{answering.socket.getsockname()[1]}"
        assert answering.read_frame()[1].startswith(b"\x04PING")
        answering.send(command(b"PONG"))
        answering.read_to_end()
        (evicted,) = happenings.wait_for(EventKind.SUBSCRIBER_EVICTED)
        assert (evicted.peer, "heartbeat_timeout" in evicted.reason) == (name, True)
        publisher.publish(b"A", b"to the old one")
        assert old.read_message() == [b"A", b"to the old one"]


def test_the_ttl_of_a_ping_is_kept(happenings: Happenings) -> None:
    with Publisher(
        "tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20, on_event=happenings
    ) as publisher:
        taken = []
        for _ in range(9):  # a busy machine may hold up some
            with RawPeer.version_3(publisher.endpoints[0], b"A") as peer:
                began = time.monotonic()
                peer.send(command(b"PING", b"\x00\x03"))  # 0.3 s
                peer.read_to_end()
                taken.append(time.monotonic() - began)
        assert "TTL" in happenings.wait_for(EventKind.SUBSCRIBER_EVICTED)[0].reason
    assert min(taken) >= 0.3
    assert statistics.median(taken) < 0.8, "it was looked at once a second"


@pytest.mark.parametrize(
    "strict", [{"stall_timeout": 0.5, "kernel_queue_bytes": 4096}], indirect=True, ids=["strict"]
)
def test_pings_without_end_and_pongs_unread_end_the_connection(
    strict: Publisher, happenings: Happenings
) -> None:
    with RawPeer.version_3(strict.endpoints[0], receive_buffer=4096) as peer:
        pings = command(b"PING", b"\0\0sixteen bytes ok") * 1000
        while not happenings.of(EventKind.SUBSCRIBER_EVICTED):
            peer.send_if_open(pings)
        (evicted,) = happenings.of(EventKind.SUBSCRIBER_EVICTED)
        assert evicted.cause is Reason.STALL_TIMEOUT
        peer.read_to_end()
