"""PLAIN: captured bytes of both sides, and what is refused without a word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fanout.zmtp import (
    LocalProtocolError,
    MessageReceived,
    Ready,
    Session,
    SessionState,
    Subscribed,
    SubscriberSession,
    VerdictWanted,
    encode_message,
)
from fanout.zmtp.mechanisms import Credentials
from fanout.zmtp.plain import PlainClient, PlainServer
from tests.helpers.limits import LIMITS
from tests.unit.zmtp.secured import session
from tests.unit.zmtp.wire import GREETING as NULL_GREETING
from tests.unit.zmtp.wire import READY_PUB, SIGNATURE, SUBSCRIBE_A, SessionPair, drive, each_byte

PLAIN = b"PLAIN" + bytes(15)
GREETING = SIGNATURE + b"\x03\x01" + PLAIN + bytes(32)
OUR_GREETING = SIGNATURE + b"\x03\x01" + PLAIN + b"\x01" + bytes(31)
HELLO = bytes.fromhex("04 13 05 48454c4c4f 05 61646d696e 06 736563726574")
OLD_HELLO = bytes.fromhex("04 15 05 57454c434f4d45 05 61646d696e 06 736563726574")
WELCOME = bytes.fromhex("04 08 07 57454c434f4d45")
INITIATE = bytes.fromhex("04 1c 08 494e495449415445 0b 536f636b65742d54797065 00000003 535542")
DENIAL = bytes.fromhex("04 0a 05 4552524f52 03 343030")
LIBZMQ_DENIAL = bytes.fromhex("04 09 5e 52524f52 03 343030")
ADMIN = VerdictWanted(Credentials("PLAIN", b"admin", b"secret"))


def asked(hello: bytes = HELLO) -> Session:
    """A session that waits for a verdict."""
    half = session(PlainServer())
    outcome = drive(half, each_byte(GREETING + hello))
    assert outcome.output == OUR_GREETING
    assert outcome.events == [ADMIN]
    assert half.state is SessionState.AUTHENTICATING
    return half


@pytest.mark.parametrize("hello", [HELLO, OLD_HELLO])
def test_who_is_allowed_goes_on(hello: bytes) -> None:
    half = asked(hello)
    assert half.allow() == []
    assert half.data_to_send() == WELCOME
    outcome = drive(half, [INITIATE + SUBSCRIBE_A])
    assert outcome.output == READY_PUB
    assert outcome.events == [Ready("3.1", {"socket-type": b"SUB"}), Subscribed(b"A")]


def test_who_is_denied_is_told_so() -> None:
    half = asked()
    half.deny()
    assert half.data_to_send() == DENIAL
    assert half.state is SessionState.CLOSED
    assert half.receive_data(INITIATE) == []


def test_a_verdict_is_given_once_and_where_it_is_due() -> None:
    half = session(PlainServer())
    with pytest.raises(LocalProtocolError):
        half.allow()
    half = asked()
    half.allow()
    for decide in (half.allow, half.deny):
        with pytest.raises(LocalProtocolError):
            decide()
    assert half.data_to_send() == WELCOME


@pytest.mark.parametrize("early", [INITIATE, INITIATE[:5], HELLO])
def test_nobody_speaks_before_the_verdict(early: bytes) -> None:
    half = asked()
    events = half.receive_data(early) or half.allow()
    assert [event.__class__.__name__ for event in events] == ["Violation"]
    assert half.data_to_send() == b""


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(ADMIN)


def hello(body: bytes) -> bytes:
    """A HELLO with this behind its name."""
    return bytes((4, 6 + len(body))) + b"\x05HELLO" + body


@pytest.mark.parametrize(
    "frame",
    [
        hello(b""),
        hello(b"\x05admi"),
        hello(b"\x05admin"),
        hello(b"\x05admin\x07secret"),
        hello(b"\x05admin\x05secret"),
        b"\x04\x08\x07WELCOME",
        b"\x04\x0a\x05WELCONO\x00\x00",
        READY_PUB,
        INITIATE,
        SUBSCRIBE_A,
        b"\x00\x00",
        b"\x04\x00",
        b"\x06" + (521).to_bytes(8, "big"),  # its body need not come
    ],
    ids=lambda frame: frame[:16].hex(),
)
def test_no_other_hello_is_answered(frame: bytes) -> None:
    half = session(PlainServer())
    outcome = drive(half, [GREETING + frame])
    assert outcome.output == OUR_GREETING
    assert outcome.violation is not None
    assert "admi" not in outcome.violation


def test_the_longest_and_the_shortest_hello() -> None:
    for size in (0, 255):
        half = session(PlainServer())
        field = bytes((size,)) + b"u" * size
        body = b"\x05HELLO" + field * 2
        frame = bytes((4, len(body))) if size == 0 else b"\x06" + len(body).to_bytes(8, "big")
        events = half.receive_data(GREETING + frame + body)
        assert events == [VerdictWanted(Credentials("PLAIN", b"u" * size, b"u" * size))]


@pytest.mark.parametrize("frame", [HELLO, WELCOME, READY_PUB, SUBSCRIBE_A, b"\x00\x00"])
def test_after_welcome_comes_initiate(frame: bytes) -> None:
    half = asked()
    half.allow()
    outcome = drive(half, [frame])
    assert outcome.violation is not None
    assert outcome.output == WELCOME


def test_a_peer_that_cannot_talk_to_us_is_told_so() -> None:
    half = asked()
    half.allow()
    outcome = drive(half, [INITIATE[:-3] + b"REQ"])
    assert outcome.output == WELCOME + b"\x04\x1a\x05ERROR\x13Invalid socket type"


@pytest.mark.parametrize(
    ("greeting", "answer"),
    [
        (NULL_GREETING, OUR_GREETING),  # flushed: it finds the mismatch itself, and stops for good
        (SIGNATURE + b"\x03\x01CURVE" + bytes(47), OUR_GREETING),
        (SIGNATURE + b"\x02\x01" + PLAIN + bytes(32), SIGNATURE + b"\x03"),
        (SIGNATURE + b"\x01\x02\x00\x00", SIGNATURE + b"\x03"),
        (SIGNATURE + b"\x00", SIGNATURE + b"\x03"),
        (b"\x01\x00", SIGNATURE),
    ],
)
def test_no_other_greeting_is_served(greeting: bytes, answer: bytes) -> None:
    half = session(PlainServer())
    outcome = drive(half, [greeting])
    assert outcome.violation is not None
    assert outcome.output == answer


def test_zmtp_1_is_not_served_though_it_is_allowed() -> None:
    half = Session(replace(LIMITS, allow_zmtp_1=True), mechanism=PlainServer())
    outcome = drive(half, [b"\x01\x00"])
    assert outcome.violation is not None
    assert outcome.output == SIGNATURE


def test_a_null_endpoint_refuses_plain() -> None:
    outcome = drive(Session(LIMITS), [GREETING])
    assert outcome.output == NULL_GREETING
    assert outcome.violation == "the peer wants PLAIN; this endpoint serves NULL"


def client(password: bytes = b"secret") -> SubscriberSession:
    """A subscriber that wants A."""
    return SubscriberSession([b"A"], mechanism=PlainClient(b"admin", password))


def test_our_client_says_what_libzmq_says() -> None:
    outcome = drive(client(), each_byte(OUR_GREETING + WELCOME + READY_PUB))
    assert outcome.output == GREETING + HELLO + INITIATE + SUBSCRIBE_A
    assert outcome.events == [Ready("3.1", {"socket-type": b"PUB"})]


@pytest.mark.parametrize("denial", [DENIAL, LIBZMQ_DENIAL])
def test_our_client_reads_a_denial_in_both_forms(denial: bytes) -> None:
    outcome = drive(client(), [OUR_GREETING, denial])
    assert outcome.violation == "the peer refused us: 400"


@pytest.mark.parametrize("frame", [READY_PUB, HELLO, b"\x04\x09\x07WELCOME!", b"\x00\x00"])
def test_our_client_takes_nothing_but_welcome(frame: bytes) -> None:
    assert drive(client(), [OUR_GREETING, frame]).violation is not None


def test_our_client_judges_nobody_and_has_short_names() -> None:
    with pytest.raises(LocalProtocolError):
        PlainClient(b"admin", b"secret").allow()
    with pytest.raises(LocalProtocolError):
        PlainClient(b"u" * 256, b"")


def test_both_sides_together() -> None:
    publisher = session(PlainServer())
    connection = SessionPair(publisher, client())
    connection.settle()
    assert connection.published == [ADMIN]
    publisher.allow()
    connection.settle()
    connection.send(encode_message([b"A1", b"x"]))
    assert connection.received[1:] == [MessageReceived((b"A1", b"x"))]
    assert publisher.subscriptions == {b"A"}
