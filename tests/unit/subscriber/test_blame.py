"""Why a connection is over: who is told to change what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.security.clients import CurveClient, PlainClient
from fanout.security.tls_error import TlsError
from fanout.subscriber.blame import (
    CLOSED_TEXT,
    SAID_NOTHING_TEXT,
    LostError,
    why_ended,
    why_no_tls,
    why_refused,
)
from fanout.subscriber.feed import Feed
from fanout.transport.endpoints import TcpEndpoint
from fanout.zmtp import RemoteProtocolError, Session, Violation
from fanout.zmtp.errors import Refusal
from fanout.zmtp.plain import PlainServer
from tests.helpers.curve import new_keys
from tests.helpers.limits import LIMITS
from tests.unit.zmtp.wire import GREETING

if TYPE_CHECKING:
    from fanout.zmtp.mechanisms import Mechanism

KEYS = new_keys()


@pytest.mark.parametrize(
    ("refusal", "said", "ours", "text"),
    [
        (Refusal.MECHANISM, "CURVE", "NULL", "has CURVE, and this subscriber NULL"),
        (Refusal.TLS, "", "NULL", "speaks TLS: connect to tls://"),
        (Refusal.SOCKET_TYPE, "PULL", "NULL", "no publisher, but a socket of the type PULL: con"),
        (Refusal.KEY, "", "CURVE", "that one is wrong, or it is not the publisher"),
        (Refusal.DENIED, "400", "PLAIN", "denies user and password of this subscriber (ERROR 400)"),
        (Refusal.DENIED, "400", "CURVE", "denies the key of this subscriber (ERROR 400)"),
        (Refusal.DENIED, "400", "NULL", "denies this subscriber (ERROR 400)"),
        (Refusal.DENIED, "500", "PLAIN", "its check has failed (ERROR 500)"),
    ],
)
def test_who_has_to_change_something(refusal: Refusal, said: str, ours: str, text: str) -> None:
    error = why_refused(Violation("reason", refusal=refusal, said=said), ours)
    assert text in str(error)
    assert (error.refused, error.violation) == (True, "reason")


def greeted(mechanism: Mechanism | None, by: Mechanism | None) -> Feed:
    """A feed that has had the greeting of the other side, but nothing that follows."""
    feed, session = Feed(mechanism=mechanism), Session(LIMITS, mechanism=by)
    for _ in range(2):
        feed.receive(session.data_to_send()[:64], [])
        session.receive_data(feed.data_to_send())
    feed.receive(session.data_to_send()[:64], [])
    return feed


def ended(feed: Feed) -> LostError:
    return why_ended(feed)


def test_a_publisher_that_hangs_up_on_a_password_has_not_said_no() -> None:
    error = ended(greeted(PlainClient("user", "geheim42").begin(), PlainServer()))
    assert "publisher's check has failed" in str(error)
    assert not error.refused


def test_a_publisher_that_hangs_up_on_a_hello_of_curve_has_another_key() -> None:
    feed = Feed(mechanism=CurveClient(KEYS.public).begin())
    assert str(ended(feed)) == SAID_NOTHING_TEXT  # no greeting yet: anything may be
    other = Feed(mechanism=CurveClient(KEYS.public).begin())
    for _ in range(2):
        feed.receive(other.data_to_send()[:64], [])
        other.receive(feed.data_to_send()[:64], [])
    error = ended(feed)
    assert "mostly the public key" in str(error)
    assert error.refused


def test_who_hangs_up_on_our_mechanism_has_another_one() -> None:
    feed = Feed()
    feed.receive(Session(LIMITS).data_to_send(), [])  # the signature
    feed.receive(b"\x03", [])
    error = ended(feed)
    assert "when it was told of NULL: mostly it has another mechanism" in str(error)
    assert error.refused


def test_without_security_it_is_only_closed() -> None:
    error = ended(greeted(None, None))
    assert (str(error), error.refused) == (CLOSED_TEXT, False)


@pytest.mark.parametrize("count", [1, 10, 12, 63])
def test_who_closes_in_the_middle_of_its_greeting_is_told_as_that(count: int) -> None:
    """It has another mechanism only if it says so, or hangs up as soon as it is told of ours."""
    feed = Feed()
    for byte in GREETING[:count]:
        feed.receive(bytes((byte,)), [])
    error = ended(feed)
    text = f"{CLOSED_TEXT}: it ended during the handshake, after {count} bytes of the greeting"
    assert (str(error), error.refused) == (text, False)
    assert str(why_ended(feed, "Connection reset by peer")) == "Connection reset by peer"


def test_who_closes_before_it_says_anything_may_want_tls() -> None:
    error = ended(Feed())
    assert "one that speaks TLS is connected to by tls://" in str(error)
    assert not error.refused
    assert str(why_ended(Feed(), "Connection reset by peer")) == "Connection reset by peer"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            TlsError("TLS: x", verify_code=62, verify_text="Hostname mismatch"),
            "not have the name that this subscriber expects at tls://feed.example:1 (Hostname mism",
        ),
        (TlsError("TLS: x", verify_code=64), "connect by a name that it has"),
        (TlsError("TLS: x", verify_code=18, verify_text="self-signed"), "trusts (self-signed): "),
        (TlsError("TLS: x", verify_code=20), "its ca must have who has signed it"),
        (TlsError("TLS: x", verify_code=10), "of the publisher has expired: it needs another"),
        (TlsError("TLS: x", verify_code=9), "is not valid yet: it needs another"),
        (TlsError("TLS: x", verify_code=24, verify_text="invalid CA"), "is refused: invalid CA"),
        (TlsError("TLS: x", is_none=True), "speaks no TLS: connect to tcp://"),
        (TlsError("TLS: x", "TLSV13_ALERT_CERTIFICATE_REQUIRED"), "give this subscriber one"),
        (TlsError("TLS: x", "TLSV1_ALERT_UNKNOWN_CA"), "in the publisher's client_ca"),
        (TlsError("TLS: x", "SSLV3_ALERT_BAD_CERTIFICATE"), "does not take the certificate of"),
        (TlsError("TLS: bad mac", "BAD"), "TLS with the publisher has failed (TLS: bad mac)"),
        (RemoteProtocolError("TLS: too much"), "TLS: too much"),
    ],
)
def test_who_has_to_change_something_of_tls(error: RemoteProtocolError, text: str) -> None:
    lost = why_no_tls(error, TcpEndpoint("feed.example", 1, is_encrypted=True))
    assert text in str(lost)
    assert (lost.refused, lost.violation) == (True, str(error))
