"""Frames and messages: round trips, any cut, and work in proportion to the input."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.zmtp import (
    MORE,
    FrameReader,
    Session,
    SessionState,
    SubscriberSession,
    encode_message,
    first_frame,
    frame_header,
    frames,
    split_message,
    to_zmtp_1,
)
from tests.unit.zmtp.corpus import OPEN
from tests.unit.zmtp.wire import GREETING, READY_PUB, connected, drive, long_frame, lost_long_bit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    TraceFunction = Callable[[FrameType, str, object], Any]

bodies = st.one_of(st.binary(max_size=20), st.integers(250, 260).map(lambda size: b"x" * size))
messages = st.lists(bodies, min_size=1, max_size=6)


def cut(data: bytes, places: list[int]) -> Iterator[bytes]:
    """`data` in pieces, cut at `places` (taken modulo its length)."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return (data[start:end] for start, end in itertools.pairwise(edges))


@given(messages)
def test_a_message_comes_back_as_it_was(message: list[bytes]) -> None:
    wire = encode_message(message)
    assert split_message(wire) == message
    assert first_frame(wire) == message[0]


@given(st.lists(messages, max_size=5), st.lists(st.integers(0, 10_000), max_size=20))
def test_a_stream_of_messages_comes_back_in_any_cut(
    stream: list[list[bytes]], places: list[int]
) -> None:
    wire = b"".join(map(encode_message, stream))
    reader = FrameReader(1000)
    found: list[tuple[int, bytes]] = []
    for piece in cut(wire, places):
        reader.feed(piece)
        found += reader.frames()
    last_of_each = [0] * sum(map(len, stream))
    expected = [body for message in stream for body in message]
    assert [body for _, body in found] == expected
    position = -1
    for message in stream:
        position += len(message)
        last_of_each[position] = 1
    assert [int(not flags & MORE) for flags, _ in found] == last_of_each
    assert reader.kept_bytes == 0


@given(st.integers(0, 2**63 - 1), st.sampled_from([0, MORE, 4, 5]))
def test_the_header_is_the_shortest(size: int, flags: int) -> None:
    header = frame_header(size, flags)
    assert len(header) == (2 if size < 256 else 9)
    assert int.from_bytes(header[1:], "big") == size
    assert header[0] & ~2 == flags


@given(messages)
def test_zmtp_1_has_the_same_bodies(message: list[bytes]) -> None:
    """Read back by a parser of RFC 13 that knows nothing of the code under test."""
    wire = to_zmtp_1(encode_message(message))
    found = []
    flags = 1
    while flags & 1:
        start = 1
        length = wire[0]
        if length == 255:
            start, length = 9, int.from_bytes(wire[1:9], "big")
        flags = wire[start]
        found.append(wire[start + 1 : start + length])
        wire = wire[start + length :]
    assert found == message
    assert wire == b""


# ------------------------------------------------------------------ linear time
# Time is counted as work: lines of Python that run in the codec, and bytes that its buffers copy.

COPIES_MAX = 64  # of one byte; about 40 if bytes come alone: headers are looked at again each time
CODEC = str(Path(frames.__file__).parent)


class Work:
    """What a stream cost."""

    def __init__(self) -> None:
        self.lines = 0
        self.copied = 0

    def tracer(self) -> TraceFunction:
        """Count the lines of the codec, as a trace function: called for each, so it is short."""

        def count(frame: FrameType, event: str, arg: object) -> TraceFunction:
            if event == "line":
                self.lines += 1
            return count

        def begin(frame: FrameType, event: str, arg: object) -> TraceFunction | None:
            return count if frame.f_code.co_filename.startswith(CODEC) else None

        return begin


def counting_buffer(work: Work) -> type[bytearray]:
    """Make a bytearray that counts the bytes it copies."""

    class CountingBuffer(bytearray):
        def __init__(self, source: Any = b"") -> None:
            super().__init__(source)
            work.copied += len(self)

        def __iadd__(self, other: Any) -> Any:  # type: ignore[misc]  # __add__ is not used
            work.copied += len(other)
            return super().__iadd__(other)

        def __getitem__(self, key: Any) -> Any:
            found = super().__getitem__(key)
            work.copied += 1 if isinstance(key, int) else len(found)
            return found

    return CountingBuffer


def work_for(half: Session | SubscriberSession, wire: bytes, size: int) -> Work:
    """Bring `wire` in pieces of `size` bytes, and count."""
    work = Work()
    pieces = [wire[start : start + size] for start in range(0, len(wire), size)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "bytearray", counting_buffer(work), raising=False)
        previous = sys.gettrace()
        sys.settrace(work.tracer())
        try:
            for piece in pieces:
                half.receive_data(piece)
                half.data_to_send()
        finally:
            sys.settrace(previous)
    assert half.state is SessionState.TRAFFIC
    assert work.lines > len(pieces)
    return work


def publisher() -> Session:
    return connected(OPEN)


def subscriber() -> SubscriberSession:
    half = SubscriberSession([b""])
    drive(half, [GREETING + READY_PUB])
    return half


@pytest.mark.parametrize("size", [1, 7, 1000, 10**9], ids=lambda size: f"pieces of {size}")
@pytest.mark.parametrize(
    ("half", "unit"),
    [
        (publisher, long_frame(b"\x01" + b"t" * 2000)),
        (publisher, long_frame(b"junk" * 4000)),
        (publisher, long_frame(b"user" * 2_000)),
        (publisher, b"\x00\x02\x01A\x00\x02\x00A" * 200),
        (publisher, b"\x04\x00" * 500),
        (publisher, lost_long_bit(b"\x09SUBSCRIBE" + b"t" * 250, 4) * 4),
        (publisher, (b"\x04" + bytes(6) + b"\x01\x00\x09SUBSCRIBF" + b"." * 75) * 50),
        (publisher, b"\x04\x07\x04PING\x00\x00" * 100),
        (subscriber, encode_message([b"part"] * 100)),
        (subscriber, encode_message([bytes(2000)])),
    ],
)
def test_work_is_linear(half: Any, unit: bytes, size: int) -> None:
    """Four times the input is four times the work, with a fifth of slack for the edges."""
    small = work_for(half(), unit, size)
    large = work_for(half(), unit * 4, size)
    assert large.lines <= 4.8 * small.lines
    assert large.copied <= COPIES_MAX * len(unit * 4)


@pytest.mark.parametrize("size", [1, 1000])
def test_work_for_one_large_frame_is_linear(size: int) -> None:
    small = work_for(publisher(), long_frame(b"j" * 5_000), size)
    large = work_for(publisher(), long_frame(b"j" * 20_000), size)
    assert large.lines <= 4.8 * small.lines
    assert large.copied <= COPIES_MAX * 20_000
