"""Any bytes, in any cut, give events or a Violation, within fixed memory; nothing ever raises."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fanout.zmtp import (
    Cancelled,
    Session,
    SessionEvent,
    SessionLimits,
    SessionState,
    Subscribed,
    SubscribedAll,
    SubscriberSession,
    Violation,
)
from fanout.zmtp.metadata import PROPERTIES_MAX
from tests.helpers.limits import LIMITS
from tests.property.test_zmtp_chunking import inputs, places
from tests.property.test_zmtp_frames import cut
from tests.unit.zmtp.corpus import CORPUS
from tests.unit.zmtp.wire import GREETING, READY_PUB, EitherHalf, each_byte, long_frame

SMALL = replace(LIMITS, max_frame_bytes=400, max_subscriptions=5, max_subscription_bytes=300)
SMALL_1_0 = replace(SMALL, allow_zmtp_1=True)
MESSAGE_BYTES_MAX = 1000
HEADER_BYTES = 9
EVENTS = get_args(SessionEvent)

streams = st.sampled_from([capture.wire for capture in CORPUS])


@st.composite
def mutated(draw: st.DrawFn, originals: st.SearchStrategy[bytes] = streams) -> bytes:
    """A captured stream with a few faults in it."""
    wire = draw(originals)
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(wire)))
        end = draw(st.integers(start, min(start + 40, len(wire))))
        new = draw(
            st.one_of(
                st.just(b""),
                st.binary(max_size=8),
                st.just(wire[start:end] * 2),
                st.binary(min_size=end - start, max_size=end - start),
                originals.map(lambda other: other[-30:]),
                inputs,
            )
        )
        wire = wire[:start] + new + wire[end:]
    return wire


def check(half: EitherHalf, chunks: object, frame_bytes_max: int) -> None:
    """The invariant of every test here."""
    assert hasattr(chunks, "__iter__")
    events: list[SessionEvent] = []
    for chunk in chunks:
        closed = half.state is SessionState.CLOSED
        new = half.receive_data(chunk)
        assert not (closed and new)
        events += new
        half.data_to_send()
        assert half._reader.kept_bytes < frame_bytes_max + HEADER_BYTES
        assert half._greeting is None or len(half._greeting._received) < 265
        assert len(half.metadata) <= PROPERTIES_MAX
    assert all(isinstance(event, EVENTS) for event in events)
    violations = [index for index, event in enumerate(events) if isinstance(event, Violation)]
    assert violations in ([], [len(events) - 1])
    assert (half.state is SessionState.CLOSED) is bool(violations)


def check_publisher(wire: bytes, cut_at: list[int], limits: SessionLimits) -> None:
    session = Session(limits)
    check(session, cut(wire, cut_at), limits.max_frame_bytes)
    assert len(session.subscriptions) <= limits.max_subscriptions
    assert all(len(prefix) <= limits.max_subscription_bytes for prefix in session.subscriptions)


@settings(max_examples=300)
@given(mutated(), places, st.sampled_from([SMALL, SMALL_1_0]))
def test_mutated_captures(wire: bytes, cut_at: list[int], limits: SessionLimits) -> None:
    check_publisher(wire, cut_at, limits)


@given(st.binary(max_size=200), places, st.sampled_from([SMALL, SMALL_1_0]))
@example(b"\xff" * 200, [], SMALL_1_0)
@example(bytes(200), [], SMALL_1_0)
def test_any_bytes(wire: bytes, cut_at: list[int], limits: SessionLimits) -> None:
    check_publisher(wire, cut_at, limits)


@pytest.mark.parametrize("head", range(256))
def test_any_first_byte(head: int) -> None:
    for limits in (SMALL, SMALL_1_0):
        check_publisher(bytes((head,)) + GREETING[1:] * 5, [], limits)


@pytest.mark.parametrize("position", range(len(GREETING)))
def test_any_byte_of_the_greeting_may_be_wrong(position: int) -> None:
    for value in range(256):
        wire = bytearray(GREETING + READY_PUB)
        wire[position] = value
        check_publisher(bytes(wire), [], SMALL_1_0)


@settings(max_examples=200)
@given(
    mutated(st.just(GREETING + READY_PUB + b"\x01\x01A\x00\x01B" + long_frame(b"A" * 300))), places
)
def test_subscriber(wire: bytes, cut_at: list[int]) -> None:
    half = SubscriberSession([b"", b"A"], max_message_bytes=MESSAGE_BYTES_MAX)
    check(half, cut(wire, cut_at), MESSAGE_BYTES_MAX)
    assert sum(map(len, half._collected or ())) <= MESSAGE_BYTES_MAX


@given(mutated())
def test_subscriptions_are_what_the_events_add_up_to(wire: bytes) -> None:
    session = Session(SMALL)
    expected: set[bytes] = set()
    for chunk in each_byte(wire):
        for event in session.receive_data(chunk):
            if isinstance(event, Subscribed):
                assert event.prefix not in expected
                expected.add(event.prefix)
            elif isinstance(event, SubscribedAll):
                assert expected.isdisjoint(event.prefixes)
                expected.update(event.prefixes)
            elif isinstance(event, Cancelled):
                expected.remove(event.prefix)  # a KeyError is a failure
    assert session.subscriptions == expected
