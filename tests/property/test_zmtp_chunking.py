"""How a stream is cut makes no difference: whole = byte by byte = any split."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.zmtp import Session, SessionState, SubscriberSession, commands, encode_message
from tests.helpers.limits import LIMITS
from tests.property.test_zmtp_frames import bodies, cut
from tests.unit.zmtp.corpus import CORPUS, OPEN, OPEN_3_0, Capture
from tests.unit.zmtp.wire import (
    GREETING,
    READY_PUB,
    SIGNATURE,
    EitherHalf,
    drive,
    each_byte,
    long_frame,
    lost_long_bit,
    short_frame,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

places = st.lists(st.integers(0, 5000), max_size=12)
topics = st.one_of(bodies, st.sampled_from([b"", b"A", b"AB", b"t" * 246, b"t" * 255]))

# One piece of what a subscriber may send, honest, odd, or broken in what it says.
said = st.one_of(
    st.builds(commands.subscription, topics, as_command=st.booleans()),
    st.builds(commands.cancellation, topics, as_command=st.booleans()),
    st.builds(commands.ping, st.binary(max_size=16), st.integers(0, 655)),
    st.builds(commands.pong, st.binary(max_size=16)),
    st.builds(encode_message, st.lists(bodies, min_size=1, max_size=3)),
    st.builds(long_frame, bodies, st.integers(0, 255).map(lambda flags: flags & ~2)),
    st.builds(short_frame, st.binary(max_size=30), st.integers(0, 255).map(lambda f: f & ~2)),
    st.integers(246, 255).map(lambda n: lost_long_bit(b"\x09SUBSCRIBE" + b"t" * n, 4)),
    st.integers(249, 255).map(lambda n: lost_long_bit(b"\x06CANCEL" + b"t" * n, 4)),
    st.sampled_from([b"\x04\x00", b"\x00\x00", b"\x04\x00" + bytes(5), b"\x04\x00" + bytes(6)]),
)
inputs = st.one_of(said, st.binary(max_size=12))  # the latter is anything, and often the end
openings = st.sampled_from([OPEN, OPEN_3_0, SIGNATURE + b"\x01\x02\x00\x00"])


def observed(half: EitherHalf, chunks: Any) -> tuple[Any, ...]:
    """All that a user of the session can see."""
    outcome = drive(half, chunks)
    return (
        outcome.events,
        outcome.output,
        half.state,
        half.version,
        half.metadata,
        half.subscriptions,
        half._reader.kept_bytes,
    )


@pytest.mark.parametrize("capture", CORPUS, ids=lambda capture: capture.name)
@settings(max_examples=10)
@given(places=places)
def test_captures(capture: Capture, places: list[int]) -> None:
    whole = observed(Session(capture.limits), [capture.wire])
    assert observed(Session(capture.limits), cut(capture.wire, places)) == whole


@given(openings, st.lists(inputs, max_size=10), places)
def test_streams_of_a_subscriber(opening: bytes, pieces: list[bytes], places: list[int]) -> None:
    wire = opening + b"".join(pieces)
    whole = observed(Session(LIMITS), [wire])
    assert observed(Session(LIMITS), cut(wire, places)) == whole
    assert observed(Session(LIMITS), each_byte(wire)) == whole


# With a limit so low that the inputs above are above it, too.
TIGHT = replace(LIMITS, max_frame_bytes=100)

# What a user of an XSUB socket sends: longer than the limit, in any form, of many frames.
too_long = st.builds(
    lambda first, size, flags, build: build(first + b"x" * size, flags),
    st.integers(2, 255).map(lambda first: bytes([first])),
    st.integers(100, 400),
    st.sampled_from([0, 1, 0xF8]),
    st.sampled_from([long_frame, lambda body, flags: short_frame(body[:255], flags & ~2)]),
)


@given(openings, st.lists(st.one_of(inputs, too_long), max_size=10), places)
def test_streams_with_frames_above_the_limit(
    opening: bytes, pieces: list[bytes], places: list[int]
) -> None:
    wire = opening + b"".join(pieces)
    whole = observed(Session(TIGHT), [wire])
    assert observed(Session(TIGHT), cut(wire, places)) == whole
    assert observed(Session(TIGHT), each_byte(wire)) == whole


@given(
    openings,
    st.lists(
        st.one_of(
            st.builds(commands.subscription, st.binary(max_size=80), as_command=st.booleans()),
            st.builds(commands.cancellation, st.binary(max_size=80), as_command=st.booleans()),
            too_long,
        ),
        max_size=10,
    ),
    places,
)
def test_messages_above_the_limit_are_as_if_they_were_not_there(
    opening: bytes, pieces: list[bytes], places: list[int]
) -> None:
    """And nothing of them is kept: at most a header, or what an honest frame may have."""
    honest = [piece for piece in pieces if len(piece) <= TIGHT.max_frame_bytes]
    session = Session(TIGHT)
    expected = observed(Session(TIGHT), [opening + b"".join(honest)])
    kept = []

    def chunks() -> Iterator[bytes]:
        for chunk in cut(opening + b"".join(pieces), places):
            yield chunk
            kept.append(session._reader.kept_bytes)

    assert observed(session, chunks()) == expected
    assert max(kept) <= 9 + TIGHT.max_frame_bytes


@given(st.lists(inputs, max_size=10), places)
def test_streams_of_a_publisher(pieces: list[bytes], places: list[int]) -> None:
    wire = GREETING + READY_PUB + b"".join(pieces)
    whole = observed(SubscriberSession([b"", b"A"]), [wire])
    assert observed(SubscriberSession([b"", b"A"]), cut(wire, places)) == whole
    assert observed(SubscriberSession([b"", b"A"]), each_byte(wire)) == whole


@given(st.lists(said, max_size=10))
def test_output_may_be_taken_at_any_time(pieces: list[bytes]) -> None:
    wire = OPEN + b"".join(pieces)
    late = Session(LIMITS)
    for byte in each_byte(wire):
        late.receive_data(byte)
    assert late.data_to_send() == drive(Session(LIMITS), each_byte(wire)).output
    assert late.state in (SessionState.TRAFFIC, SessionState.CLOSED)
