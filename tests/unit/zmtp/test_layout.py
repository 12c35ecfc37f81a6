"""Frames cut once: what is plain, what is sealed, and where each stands in what is sent."""

from __future__ import annotations

import pytest

from fanout.zmtp import encode_message
from fanout.zmtp.boxes import MAC_BYTES, MESSAGE_HEAD, MESSAGE_OVERHEAD
from fanout.zmtp.frames import COMMAND, MORE, frame_header
from fanout.zmtp.layout import frame_at, lay_out

PONG = bytes.fromhex("0406 04504f4e4741")


def test_where_everything_is() -> None:
    wire = encode_message([b"topic", b"x" * 300]) + PONG
    layout = lay_out(memoryview(wire), 1 << 20, 100)
    assert layout is not None
    assert layout.plain == wire
    assert layout.ends == [7, 7 + 9 + 300, len(wire)]
    assert layout.inner == b"\1topic" + b"\0" + b"x" * 300 + b"\2" + PONG[2:]
    begin = 0
    for end, body, place in zip(layout.box_ends, (5, 300, 6), layout.places, strict=True):
        header = frame_header(MESSAGE_OVERHEAD + body) + MESSAGE_HEAD
        assert layout.template[begin : begin + len(header)] == header
        assert place.counter == begin + len(header)
        assert place.size == 1 + body
        assert place.counter + 8 + MAC_BYTES + place.size == end
        begin = end
    assert len(layout.template) == begin


@pytest.mark.parametrize(("enough", "frames"), [(1, 1), (40, 1), (41, 2), (1 << 20, 3)])
def test_no_more_than_is_enough(enough: int, frames: int) -> None:
    layout = lay_out(memoryview(encode_message([b"topic", b"", b"x"])), enough, 100)
    assert layout is not None
    assert len(layout.ends) == frames


@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_no_more_frames_than_are_let(most: int) -> None:
    layout = lay_out(memoryview(encode_message([b"topic", b"", b"x"])), 1 << 20, most)
    assert layout is not None
    assert len(layout.ends) == min(most, 3)


@pytest.mark.parametrize("size", [0, 1, 2, 6])
def test_a_part_of_a_frame_is_none(size: int) -> None:
    assert lay_out(memoryview(encode_message([b"topic"])[:size]), 100, 100) is None


def test_a_header_that_is_not_whole_says_nothing() -> None:
    long = frame_header(1000, MORE | COMMAND)
    assert [frame_at(memoryview(long[:size]), 0) for size in range(9)] == [None] * 9
    assert frame_at(memoryview(long), 0) == (MORE | COMMAND, 9, 1009)
