"""Long lists of subscriptions: cut up at once, and to the very same as frame by frame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.zmtp import Cancelled, FrameReader, Session, Subscribed, SubscribedAll
from fanout.zmtp.session import RUN_MIN
from tests.helpers.limits import LIMITS
from tests.unit.zmtp.wire import connected, short_frame

COMMAND_HEAD, MESSAGE_HEAD = b"\x09SUBSCRIBE", b"\x01"
FORMS = [(4, COMMAND_HEAD), (0, MESSAGE_HEAD)]
PING = short_frame(b"\x04PING\x00\x00", 4)

# Topics that look like what they stand between, or like a part of that.
topics = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [COMMAND_HEAD, MESSAGE_HEAD, b"\x04\x0b" + COMMAND_HEAD, b"\x00\x02\x01", b"\x04"]
    ),
    st.builds(bytes.__add__, st.binary(max_size=3), st.sampled_from([b"\x04\x0a", b"\x00\x01"])),
)
frames = st.one_of(
    st.builds(lambda topic: short_frame(COMMAND_HEAD + topic, 4), topics),
    st.builds(lambda topic: short_frame(MESSAGE_HEAD + topic, 0), topics),
    st.builds(lambda topic, flags: short_frame(topic, flags), topics, st.sampled_from([0, 1, 4])),
    st.just(PING),
)


def read(data: bytes, at: int, form: tuple[int, bytes]) -> list[tuple[int, bytes]]:
    """All frames of some bytes that come in two pieces; runs of a form are taken as such."""
    found: list[tuple[int, bytes]] = []
    flags, head = form
    reader = FrameReader(1000)
    for piece in (data[:at], data[at:]):
        reader.feed(piece)
        for frame in reader.frames():
            found.append(frame)
            found += [(flags, head + rest) for rest in reader.take_run(flags, head)]
    return found


@pytest.mark.unmeasured
@pytest.mark.parametrize("form", FORMS)
@given(st.lists(frames, max_size=30), st.integers(0, 400))
def test_a_run_is_what_its_frames_are(form: tuple[int, bytes], wires: list[bytes], at: int) -> None:
    data = b"".join(wires)
    reader = FrameReader(1000)
    reader.feed(data)
    assert read(data, at, form) == list(reader.frames())


@pytest.mark.parametrize("form", FORMS)
def test_a_run_of_like_frames_is_taken_without_looking_at_each(
    form: tuple[int, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    flags, head = form
    names = [b"%d" % number for number in range(1000)]
    reader = FrameReader(1000)
    found: list[bytes] = []
    take = FrameReader._take_long_run

    def noted(self: FrameReader, flags: int, head: bytes) -> list[bytes]:
        found.extend(take(self, flags, head))
        return []

    monkeypatch.setattr(FrameReader, "_take_long_run", noted)
    reader.feed(b"".join(short_frame(head + name, flags) for name in names))
    next(reader.frames())
    (last,) = reader.take_run(flags, head)  # what may not be there as a whole
    assert [*found, last] == names[1:]


def test_a_frame_that_is_too_large_is_in_no_run() -> None:
    reader = FrameReader(20)
    reader.feed(b"".join(short_frame(COMMAND_HEAD + b"x" * size, 4) for size in (1, 2, 11, 2, 2)))
    next(reader.frames())
    assert reader.take_run(4, COMMAND_HEAD) == [b"xx"]


def test_who_mixes_frames_has_them_looked_through_for_a_run_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each time would cost as much as there is left, for each of them."""
    looked: list[int] = []
    take = FrameReader._take_long_run

    def noted(self: FrameReader, flags: int, head: bytes) -> list[bytes]:
        looked.append(flags)
        return take(self, flags, head)

    monkeypatch.setattr(FrameReader, "_take_long_run", noted)
    session = connected(session=Session(LIMITS))
    said = short_frame(COMMAND_HEAD + b"A", 4) * 2 + short_frame(b"\x06CANCELA", 4)
    assert len(session.receive_data(said * 200)) == 400
    assert len(looked) == 1


@pytest.mark.parametrize("form", FORMS)
def test_many_are_one_event(form: tuple[int, bytes]) -> None:
    flags, head = form
    names = [b"%d" % number for number in range(RUN_MIN + 2)]
    session = connected(session=Session(LIMITS))
    session.receive_data(short_frame(head + names[1], flags))
    said = b"".join(short_frame(head + name, flags) for name in [*names, names[3]])
    cancel = short_frame(b"\x06CANCEL" + names[0], 4)
    assert session.receive_data(said + cancel) == [
        Subscribed(names[0]),
        SubscribedAll(tuple(names[2:])),
        Cancelled(names[0]),
    ]
    assert session.subscriptions == set(names[1:])
