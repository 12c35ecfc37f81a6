"""PLAIN and CURVE under any bytes, in any cut: events or one violation; nothing ever raises.

And CURVE as long as it lasts: what comes out of boxes is what went in, or its beginning.
"""

from __future__ import annotations

import secrets
from functools import cache
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.security.sodium import Sodium
from fanout.zmtp import LONG, FrameReader, Session, SessionState, VerdictWanted, Violation
from fanout.zmtp.boxes import CLIENT_TEXT, Counting
from fanout.zmtp.curve import CurveServer
from fanout.zmtp.errors import RemoteProtocolError
from fanout.zmtp.opener import Opener
from fanout.zmtp.plain import PlainServer
from fanout.zmtp.sealer import Sealer
from tests.helpers.limits import LIMITS
from tests.property.test_zmtp_chunking import places
from tests.property.test_zmtp_frames import cut
from tests.property.test_zmtp_fuzz import EVENTS, mutated
from tests.unit.zmtp import curve_vector as vector
from tests.unit.zmtp import test_plain as plain
from tests.unit.zmtp.wire import SUBSCRIBE_A

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.zmtp import SessionEvent

KEY = b"k" * 32
CURVE_STREAM = vector.GREETING + vector.HELLO + vector.INITIATE
CURVE_TRAFFIC = vector.SUBSCRIBE_A + vector.CANCEL_A
PLAIN_STREAM = plain.GREETING + plain.HELLO
PLAIN_TRAFFIC = plain.INITIATE + SUBSCRIBE_A


@cache
def sodium() -> Sodium:
    """One for all."""
    return Sodium()


def curve_session() -> Session:
    """The captured connection's, whose randomness is what it was then."""
    left = [vector.TRANSIENT_SECRET, vector.COOKIE, vector.NONCE]
    mechanism = CurveServer([vector.KEYS], sodium(), lambda _size: left.pop(0))
    return Session(LIMITS, mechanism=mechanism)


def check(half: Session, before: Iterable[bytes], after: Iterable[bytes]) -> None:
    """Bring this to a session; what it asks for is allowed when the first part is through."""
    events: list[SessionEvent] = []
    for chunks in (before, after):
        for chunk in chunks:
            is_closed = half.state is SessionState.CLOSED
            new = half.receive_data(chunk)
            assert not (is_closed and new)
            events += new
            half.data_to_send()
        if half.state is SessionState.AUTHENTICATING:
            assert isinstance(events[-1], VerdictWanted)
            events += half.allow()
            half.data_to_send()
    assert all(isinstance(event, EVENTS) for event in events)
    violations = [index for index, event in enumerate(events) if isinstance(event, Violation)]
    assert violations in ([], [len(events) - 1])
    assert (half.state is SessionState.CLOSED) is bool(violations)


@settings(max_examples=300)
@given(mutated(st.just(CURVE_STREAM)), mutated(st.just(CURVE_TRAFFIC)), places, places)
def test_mutated_curve(before: bytes, after: bytes, cut_at: list[int], then: list[int]) -> None:
    check(curve_session(), cut(before, cut_at), cut(after, then))


@settings(max_examples=300)
@given(mutated(st.just(PLAIN_STREAM)), mutated(st.just(PLAIN_TRAFFIC)), places, places)
def test_mutated_plain(before: bytes, after: bytes, cut_at: list[int], then: list[int]) -> None:
    check(Session(LIMITS, mechanism=PlainServer()), cut(before, cut_at), cut(after, then))


@given(st.lists(st.binary(max_size=40), max_size=6), places)
def test_whoever_has_the_key_may_seal_anything(inner: list[bytes], cut_at: list[int]) -> None:
    """An authenticated peer is still a stranger: what it puts into boxes is read as ever."""
    half = curve_session()
    half.receive_data(CURVE_STREAM)
    half.allow()
    assert half.opener is not None
    key, wire = half.opener._key, b""
    for count, plain_box in enumerate(inner, start=3):
        short = count.to_bytes(8, "big")
        body = b"\x07MESSAGE" + short + sodium().seal(plain_box, CLIENT_TEXT + short, key)
        wire += bytes((0, len(body))) + body
    check(half, [], cut(wire, cut_at))


frames = st.tuples(st.sampled_from([0, 1]), st.binary(max_size=600)) | st.tuples(
    st.sampled_from([4, 5]), st.binary(min_size=1, max_size=600)
)  # a command that is empty is refused


@given(st.lists(frames, max_size=12), places)
def test_what_goes_in_comes_out(sent: list[tuple[int, bytes]], cut_at: list[int]) -> None:
    sealer = Sealer(sodium(), KEY, CLIENT_TEXT, 0)
    opener = Opener(sodium(), KEY, CLIENT_TEXT, Counting(), 600)
    wire = b"".join([sealer.seal(flags, body) for flags, body in sent])
    assert _read(opener, cut(wire, cut_at)) == sent


@given(st.lists(frames, min_size=1, max_size=6), st.data())
def test_what_is_changed_on_the_way_ends_it(
    sent: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    """Flipped, repeated, left out or swapped: what comes out before that is a beginning, or gaps.

    To leave a frame out is no fault by itself: libzmq's own may have gaps. Who is between can
    always hang up; what it cannot do is change, repeat or reorder.
    """
    sealer = Sealer(sodium(), KEY, CLIENT_TEXT, 0)
    boxes = [sealer.seal(flags, body) for flags, body in sent]
    order = data.draw(st.lists(st.integers(0, len(boxes) - 1), max_size=8))
    opener = Opener(sodium(), KEY, CLIENT_TEXT, Counting(), 600)
    got, last = [], -1
    for place in order:
        try:
            new = _read(opener, [boxes[place]])
        except RemoteProtocolError:
            assert place <= last
            break
        assert place > last
        got += new
        last = place
    assert got == [sent[place] for place in order[: len(got)]]
    at = data.draw(st.integers(0, len(boxes[0]) * 8 - 1))
    flipped = bytearray(boxes[0])
    flipped[at // 8] ^= 1 << at % 8
    fresh = Opener(sodium(), KEY, CLIENT_TEXT, Counting(), 600)
    try:
        # Bits outside of the box, beside LONG, say nothing; others cost the frame.
        assert _read(fresh, [bytes(flipped)]) in ([], [sent[0]])
    except RemoteProtocolError:
        assert at >= 1


def _read(opener: Opener, chunks: Iterable[bytes]) -> list[tuple[int, bytes]]:
    reader = FrameReader(600)
    reader.feed(b"".join([opener.open(chunk) for chunk in chunks]))
    return [(flags & ~LONG, body) for flags, body in reader.frames()]


def test_randomness_is_asked_for_anew() -> None:
    """Two connections by the same keys have nothing in common."""
    sessions = [
        Session(LIMITS, mechanism=CurveServer([vector.KEYS], sodium(), secrets.token_bytes))
        for _ in range(2)
    ]
    answers = set()
    for half in sessions:
        half.receive_data(vector.GREETING + vector.HELLO)
        answers.add(half.data_to_send()[-144:])
    assert len(answers) == 2
