"""CURVE's client against our server, and what it does not take."""

from __future__ import annotations

import secrets

import pytest

from fanout.zmtp import (
    LocalProtocolError,
    MessageReceived,
    Ready,
    SubscriberSession,
    VerdictWanted,
)
from fanout.zmtp.curve import CurveServer
from fanout.zmtp.curve_client import CurveClient
from fanout.zmtp.frames import MORE
from fanout.zmtp.mechanisms import Credentials
from tests.unit.zmtp import curve_vector as vector
from tests.unit.zmtp.secured import NACL, flipped, given, pair, session
from tests.unit.zmtp.wire import SUBSCRIBE_A, SessionPair, drive

SERVER, CLIENT = pair(1), pair(2)


def client() -> SubscriberSession:
    """A subscriber that wants A."""
    mechanism = CurveClient(SERVER.public, CLIENT, NACL, secrets.token_bytes)
    return SubscriberSession([b"A"], mechanism=mechanism)


def asked() -> SessionPair:
    """Both sides, when a verdict is wanted."""
    publisher = session(CurveServer([SERVER], NACL, secrets.token_bytes))
    connection = SessionPair(publisher, client())
    connection.settle()
    wanted = VerdictWanted(Credentials("CURVE", public_key=CLIENT.public))
    assert connection.published == [wanted]
    return connection


def test_both_sides_together() -> None:
    connection = asked()
    publisher, subscriber = connection.publisher, connection.subscriber
    publisher.allow()
    assert publisher.sealer is not None
    sealed = publisher.sealer.seal(MORE, b"A1") + publisher.sealer.seal(0, b"x" * 300)
    # What has come behind READY, in the same piece, is boxes already.
    connection.send(publisher.data_to_send() + sealed[:-1])
    connection.send(sealed[-1:])
    assert connection.received == [
        Ready("3.1", {"socket-type": b"PUB"}),
        MessageReceived((b"A1", b"x" * 300)),
    ]
    assert subscriber.data_to_send() == SUBSCRIBE_A  # plain: who sends it seals it
    assert subscriber.sealer is not None
    publisher.receive_data(subscriber.sealer.seal(4, SUBSCRIBE_A[2:]))
    assert publisher.subscriptions == {b"A"}


def test_it_is_told_that_it_is_denied() -> None:
    connection = asked()
    connection.publisher.deny()
    outcome = drive(connection.subscriber, [connection.publisher.data_to_send()])
    assert outcome.violation == "the peer refused us: 400"


def before_welcome() -> tuple[SubscriberSession, bytes]:
    """A client, and the WELCOME that it is about to get."""
    publisher, subscriber = session(CurveServer([SERVER], NACL, secrets.token_bytes)), client()
    while True:
        to_subscriber = publisher.data_to_send()
        if b"WELCOME" in to_subscriber:
            return subscriber, to_subscriber
        subscriber.receive_data(to_subscriber)
        publisher.receive_data(subscriber.data_to_send())


@pytest.mark.parametrize("at", [2, 9, 40, 169])
def test_a_welcome_that_was_changed(at: int) -> None:
    subscriber, welcome = before_welcome()
    assert drive(subscriber, [flipped(welcome, at)]).violation is not None


@pytest.mark.parametrize("at", [2, 15, 16, 48])
def test_a_ready_that_was_changed(at: int) -> None:
    connection = asked()
    connection.publisher.allow()
    ready = connection.publisher.data_to_send()
    assert drive(connection.subscriber, [flipped(ready, at)]).violation is not None


@pytest.mark.parametrize("frame", [vector.READY, b"\x04\x08\x07WELCOME", b"\x00\x00"])
def test_nothing_else_comes_first(frame: bytes) -> None:
    assert drive(client(), [vector.OUR_GREETING, frame]).violation is not None


def test_a_short_ready() -> None:
    connection = asked()
    assert drive(connection.subscriber, [b"\x04\x0e\x05READY" + bytes(8)]).violation is not None


def test_a_server_key_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(LocalProtocolError):
        CurveClient(bytes(32), CLIENT, NACL, given())


def test_it_judges_nobody_and_shows_nothing() -> None:
    mechanism = CurveClient(SERVER.public, CLIENT, NACL, given())
    with pytest.raises(LocalProtocolError):
        mechanism.allow()
    assert repr(mechanism) == "<CurveClient: next comes WELCOME>"
