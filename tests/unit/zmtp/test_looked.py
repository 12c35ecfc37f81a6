"""What is looked at is acted upon as what is taken, frame by frame, and the rest is left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.zmtp import (
    Cancelled,
    PingReceived,
    SessionEvent,
    SessionState,
    Subscribed,
    SubscribedAll,
    Violation,
)
from tests.helpers.limits import LIMITS
from tests.unit.zmtp.wire import connected, long_frame, short_frame

ROOM = 1_000
PINGS = [short_frame(b"\x04PING\x00\x07" + context, 4) for context in (b"", b"abc", bytes(40))]
UNUSUAL = [
    short_frame(b"\x04PING\x00", 4),  # too short to be one
    short_frame(b"\x04PING\x00\x00", 0),  # a message
    short_frame(b"\x04PONG", 4),
    short_frame(b"", 4),
    short_frame(b"", 0),
    short_frame(b"\x05OTHER", 4),
    short_frame(b"\x01reserved", 1),
    long_frame(b"\x04PING\x00\x00", 4),
    long_frame(b"\x09SUBSCRIBElong", 4),
    short_frame(b"\x01topic", 8),
]
frames = st.one_of(
    st.sampled_from(PINGS + UNUSUAL),
    st.builds(lambda topic: short_frame(b"\x09SUBSCRIBE" + topic, 4), st.binary(max_size=3)),
    st.builds(lambda topic: short_frame(b"\x06CANCEL" + topic, 4), st.binary(max_size=3)),
    st.builds(lambda topic: short_frame(b"\x01" + topic, 0), st.binary(max_size=3)),
    st.builds(lambda topic: short_frame(b"\x00" + topic, 0), st.binary(max_size=3)),
)


def one_by_one(events: list[SessionEvent]) -> list[SessionEvent]:
    """The same, with each prefix on its own."""
    found: list[SessionEvent] = []
    for event in events:
        if isinstance(event, SubscribedAll):
            found += map(Subscribed, event.prefixes)
        else:
            found.append(event)
    return found


@pytest.mark.unmeasured
@given(st.lists(frames, max_size=20), st.lists(st.integers(1, 60), max_size=30))
def test_it_is_the_same_however_it_is_cut(wires: list[bytes], cuts: list[int]) -> None:
    taking, looking = connected(), connected()
    expected = taking.receive_data(b"".join(wires))
    events: list[SessionEvent] = []
    there = b""
    rest = b"".join(wires)
    for size in [*cuts, len(rest)]:
        there, rest = there + rest[:size], rest[size:]
        seen, used, missing = looking.look_at(there, ROOM)
        events += seen
        there = there[used:]
        assert bool(missing) == bool(there), "there is room for all answers"
    assert bool(there) == taking.has_part
    assert one_by_one(events) == one_by_one(expected)
    assert looking.data_to_send() == taking.data_to_send()
    assert looking.subscriptions == taking.subscriptions


@pytest.mark.parametrize("before", [b"", short_frame(b"\x09SUBSCRIBEa", 4)])
def test_a_ping_for_whose_answer_there_is_no_room_is_left_with_all_behind_it(
    before: bytes,
) -> None:
    session = connected()
    cancel = short_frame(b"\x06CANCELa", 4)
    data = before + PINGS[1] * 3 + cancel
    seen, used, missing = session.look_at(data, 25)
    pong = session.data_to_send()
    assert (used, missing) == (len(before) + 2 * len(PINGS[1]), 0)
    assert [type(one) for one in seen][-2:] == [PingReceived, PingReceived]
    assert len(pong) == 2 * 10

    seen, used, missing = session.look_at(data[used:], 25)
    assert (used, missing) == (len(PINGS[1]) + len(cancel), 0)
    assert session.data_to_send() == pong[:10]
    assert (Cancelled(b"a") in seen) == bool(before)


@pytest.mark.parametrize("others", [b"", PINGS[0]])
def test_a_violation_uses_all_of_it(others: bytes) -> None:
    session = connected()
    too_long = bytes(LIMITS.max_subscription_bytes + 1)
    data = others + long_frame(b"\x09SUBSCRIBE" + too_long, 4) + PINGS[0]
    seen, used, missing = session.look_at(data, ROOM)
    assert isinstance(seen[-1], Violation)
    assert (used, missing) == (len(data), 0)
    assert session.state is SessionState.CLOSED
    assert session.look_at(PINGS[0], ROOM) == ([], len(PINGS[0]), 0)
