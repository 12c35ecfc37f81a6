"""NULL with somebody who judges: who is known from below waits for our READY until he is judged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fanout.zmtp import (
    LocalProtocolError,
    Ready,
    Session,
    SessionState,
    Subscribed,
    VerdictWanted,
    Violation,
)
from fanout.zmtp.errors import RemoteProtocolError
from fanout.zmtp.judged_null import JudgedNull
from fanout.zmtp.mechanisms import Credentials
from tests.helpers.limits import LIMITS
from tests.unit.zmtp.wire import GREETING, READY_PUB, READY_SUB, SUBSCRIBE_A, drive, each_byte

WHO = Credentials("TLS", b"desk7", certificate=b"DER")
DENIAL = bytes.fromhex("04 0a 05 4552524f52 03 343030")


def made() -> Session:
    return Session(LIMITS, mechanism=JudgedNull(lambda: WHO))


def asked() -> Session:
    """A session that waits for a verdict."""
    half = made()
    outcome = drive(half, each_byte(GREETING + READY_SUB))
    assert outcome.output == GREETING  # and no READY yet
    assert outcome.events == [VerdictWanted(WHO)]
    assert half.state is SessionState.AUTHENTICATING
    return half


def test_who_is_allowed_goes_on() -> None:
    half = asked()
    assert half.allow() == [Ready("3.1", {"socket-type": b"SUB"})]
    assert half.data_to_send() == READY_PUB
    assert drive(half, [SUBSCRIBE_A]).events == [Subscribed(b"A")]


def test_who_is_denied_is_told_so() -> None:
    half = asked()
    half.deny()
    assert half.data_to_send() == DENIAL
    assert half.state is SessionState.CLOSED


def test_a_verdict_is_given_where_it_is_due() -> None:
    with pytest.raises(LocalProtocolError):
        JudgedNull(lambda: WHO).allow()
    with pytest.raises(LocalProtocolError):
        made().allow()


@pytest.mark.parametrize("early", [SUBSCRIBE_A, READY_SUB, READY_SUB[:5]])
def test_nobody_speaks_before_the_verdict(early: bytes) -> None:
    half = asked()
    [event] = half.receive_data(early) or half.allow()
    assert isinstance(event, Violation)
    assert half.data_to_send() == b""


@pytest.mark.parametrize(
    "frame", [SUBSCRIBE_A, b"\x04\x06\x05HELLO", b"\x00\x00", b"\x04\x05\x05READY"[:-1] + b"X"]
)
def test_ready_comes_first(frame: bytes) -> None:
    [event] = drive(made(), [GREETING + frame]).events
    assert isinstance(event, Violation)


@pytest.mark.parametrize(
    "said",
    [
        b"\x01\x00\x01\x01A",  # ZMTP 1.0: identity, and a subscription
        bytes.fromhex("ff 00000000000000 01 7f 01 02 00 00"),  # ZMTP 2.0 with its identity
    ],
)
def test_who_speaks_an_old_version_does_not_get_by(said: bytes) -> None:
    half = Session(replace(LIMITS, allow_zmtp_1=True), mechanism=JudgedNull(lambda: WHO))
    outcome = drive(half, [said])
    assert [type(event) for event in outcome.events] == [Violation]
    assert half.state is SessionState.CLOSED


def test_who_has_no_name_that_can_be_told_is_refused() -> None:
    def known() -> Credentials:
        raise RemoteProtocolError("TLS: a name of more than 255 bytes")

    half = Session(LIMITS, mechanism=JudgedNull(known))
    assert drive(half, [GREETING + READY_SUB]).events == [
        Violation("TLS: a name of more than 255 bytes")
    ]
