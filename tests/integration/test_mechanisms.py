"""Who has another mechanism than an endpoint is told of by name, and violates nothing."""

from __future__ import annotations

import logging
from contextlib import closing
from itertools import permutations
from typing import TYPE_CHECKING

import pytest
import zmq

from fanout import EventKind, Publisher, Reason, auth
from tests.helpers.happenings import Happenings
from tests.helpers.raw import SIGNATURE, RawPeer

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout import Event

SECURITIES: dict[str, Callable[[], auth.Null | auth.Plain | auth.Curve]] = {
    "NULL": auth.Null,
    "PLAIN": lambda: auth.Plain(lambda _request: False),
    "CURVE": lambda: auth.Curve(bytes(range(32)), lambda _request: False),
}
INSIDE: dict[str, Callable[[Publisher], str]] = {
    "producer": lambda publisher: publisher.ingest("tcp://127.0.0.1:*"),
    "asker": lambda publisher: publisher.answer("tcp://127.0.0.1:*"),
}
TYPES = {"producer": zmq.PUSH, "asker": zmq.DEALER}


def greeting(mechanism: str, minor: int = 1) -> bytes:
    """Of a client that has this one."""
    return SIGNATURE + bytes((3, minor)) + mechanism.encode().ljust(20, b"\0") + bytes(32)


def greeted(endpoint: str, happenings: Happenings, data: bytes) -> Event:
    """What is told of one that says this."""
    with closing(RawPeer(endpoint)) as peer:
        peer.send(data)
        [event] = happenings.wait_for(EventKind.HANDSHAKE_FAILED)
    assert event.cause is Reason.MECHANISM
    return event


@pytest.mark.parametrize(("theirs", "ours"), [*permutations(SECURITIES, 2)])
def test_each_pair_of_mechanisms_is_told_of(
    theirs: str, ours: str, caplog: pytest.LogCaptureFixture
) -> None:
    happenings = Happenings()
    made = Publisher(
        "tcp://127.0.0.1:*",
        security=SECURITIES[ours](),
        on_event=happenings,
        workers=1,
        log_bytes=1 << 20,
    )
    with made as publisher:
        event = greeted(publisher.endpoints[0], happenings, greeting(theirs))
        assert publisher.statistics().failed_handshakes == 1
    assert event.reason == (
        f"the peer {'speaks' if theirs == 'NULL' else 'wants'} {theirs}; "
        f"this endpoint {'serves' if ours == 'NULL' else 'wants'} {ours}"
    )
    levels = [one.levelno for one in caplog.records if event.reason in one.getMessage()]
    assert levels == [logging.WARNING]


def test_one_of_zmtp_2_has_none() -> None:
    happenings = Happenings()
    with Publisher(
        "tcp://127.0.0.1:*",
        security=SECURITIES["PLAIN"](),
        on_event=happenings,
        workers=1,
        log_bytes=1 << 20,
    ) as publisher:
        data = SIGNATURE + b"\x01\x02\x00\x00"
        event = greeted(publisher.endpoints[0], happenings, data)
    assert event.reason == "the peer speaks ZMTP 2.0, which has NULL; this endpoint wants PLAIN"


@pytest.mark.parametrize("mechanism", ["PLAIN", "CURVE"])
@pytest.mark.parametrize("kind", INSIDE)
def test_so_are_producers_and_askers(kind: str, mechanism: str) -> None:
    happenings = Happenings()
    with Publisher(on_event=happenings, workers=1, log_bytes=1 << 20) as publisher:
        endpoint = INSIDE[kind](publisher)
        event = greeted(endpoint, happenings, greeting(mechanism))
    assert event.reason == f"the peer wants {mechanism}; this endpoint serves NULL"


@pytest.mark.parametrize("kind", INSIDE)
def test_so_are_those_that_hang_up_when_they_know_ours(kind: str) -> None:
    """As libzmq does, before it has named its own."""
    happenings = Happenings()
    with Publisher(on_event=happenings, workers=1, log_bytes=1 << 20) as publisher:
        with closing(RawPeer(INSIDE[kind](publisher))) as peer:
            peer.send(SIGNATURE + b"\x03")
            peer.expect(greeting("NULL"))
        [event] = happenings.wait_for(EventKind.HANDSHAKE_FAILED)
    assert event.cause is Reason.MECHANISM
    assert event.reason == (
        "hung up when it read that this endpoint serves NULL; it wants CURVE or PLAIN, most likely"
    )


@pytest.mark.parametrize("kind", ["subscriber", *INSIDE])
def test_who_leaves_in_the_middle_of_a_greeting_is_told_as_that(kind: str) -> None:
    """It has begun to name its mechanism: nothing says that it does not like ours."""
    happenings = Happenings()
    with Publisher(
        "tcp://127.0.0.1:*", on_event=happenings, workers=1, log_bytes=1 << 20
    ) as publisher:
        endpoint = INSIDE[kind](publisher) if kind in INSIDE else publisher.endpoints[0]
        with closing(RawPeer(endpoint)) as peer:
            peer.send(greeting("NULL")[:33])
            peer.expect(greeting("NULL"))
        [event] = happenings.wait_for(EventKind.HANDSHAKE_FAILED)
    assert event.cause is Reason.LEFT
    assert event.reason == "ended during the handshake, after 33 bytes of the greeting"


@pytest.mark.parametrize("kind", INSIDE)
def test_stock_producers_and_askers_are_told_of(kind: str) -> None:
    happenings = Happenings()
    with (
        Publisher(on_event=happenings, workers=1, log_bytes=1 << 20) as publisher,
        zmq.Context() as context,
        context.socket(TYPES[kind]) as sock,
    ):
        sock.linger = 0
        sock.plain_username, sock.plain_password = b"name", b"word"
        sock.connect(INSIDE[kind](publisher))
        event = happenings.wait_for(EventKind.HANDSHAKE_FAILED)[0]
    assert event.cause is Reason.MECHANISM
    assert "this endpoint serves NULL" in event.reason
