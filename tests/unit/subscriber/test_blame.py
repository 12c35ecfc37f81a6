"""Why a connection is over: who is told to change what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.security.clients import CurveClient, PlainClient
from fanout.subscriber.blame import CLOSED_TEXT, LostError, why_ended, why_refused
from fanout.subscriber.feed import Feed
from fanout.zmtp import Session, Violation
from fanout.zmtp.errors import Refusal
from fanout.zmtp.plain import PlainServer
from tests.helpers.curve import new_keys
from tests.helpers.limits import LIMITS

if TYPE_CHECKING:
    from fanout.zmtp.mechanisms import Mechanism

KEYS = new_keys()


@pytest.mark.parametrize(
    ("refusal", "said", "ours", "text"),
    [
        (Refusal.MECHANISM, "CURVE", "NULL", "has CURVE, and this subscriber NULL"),
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
    error = ended(greeted(PlainClient("user", "password").begin(), PlainServer()))
    assert "publisher's check has failed" in str(error)
    assert not error.refused


def test_a_publisher_that_hangs_up_on_a_hello_of_curve_has_another_key() -> None:
    feed = Feed(mechanism=CurveClient(KEYS.public).begin())
    assert str(ended(feed)) == CLOSED_TEXT  # no greeting yet: anything may be
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
    assert str(ended(Feed())) == CLOSED_TEXT
    assert str(why_ended(Feed(), "Connection reset by peer")) == "Connection reset by peer"
