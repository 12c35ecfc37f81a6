"""What strangers say is what a publisher understands: no attack ends at the door."""

from __future__ import annotations

import pytest

from fanout.zmtp import Cancelled, Session, SessionState, Subscribed
from soaking.crowds import wire
from tests.helpers.limits import LIMITS


def open_session() -> Session:
    session = Session(LIMITS)
    session.receive_data(wire.GREETING + wire.READY)
    session.data_to_send()
    return session


def test_the_handshake_is_one() -> None:
    assert open_session().state is SessionState.TRAFFIC


@pytest.mark.parametrize("prefix", [b"", b"T", b"~" * 244, b"~" * 245, b"~" * 300])
def test_subscriptions_of_any_length_come_and_go(prefix: bytes) -> None:
    session = open_session()
    assert session.receive_data(wire.subscribe([prefix])) == [Subscribed(prefix)]
    assert session.receive_data(wire.cancel([prefix])) == [Cancelled(prefix)]


def test_a_ping_is_answered_and_the_shortest_frame_is_ignored() -> None:
    session = open_session()
    session.receive_data(wire.PING)
    assert b"PONG" in session.data_to_send()
    assert session.receive_data(wire.EMPTY_MESSAGE * 100) == []
    assert session.data_to_send() == b""
