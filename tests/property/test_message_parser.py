"""The parser of messages finds what a naive one finds, however the stream is cut."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fanout.subscriber.parsing import Frames, MessageParser
from fanout.zmtp import RemoteProtocolError
from tests.property.test_zmtp_frames import cut
from tests.unit.zmtp.wire import each_byte, long_frame, short_frame

bodies = st.one_of(
    st.binary(max_size=20), st.sampled_from([bytes(255), bytes(256), bytes(300), b"x" * 70_000])
)
flags = st.sampled_from([0, 1, 1, 4, 5, 0xF8, 0xF9])
one_frame = st.one_of(
    st.builds(lambda body, flags: short_frame(body[:255], flags), bodies, flags),
    st.builds(long_frame, bodies, flags),
)
streams = st.lists(one_frame, max_size=12).map(b"".join)
places = st.lists(st.integers(0, 5000), max_size=12)


def naive(wire: bytes, bytes_max: int, frames_max: int) -> tuple[list[Frames], list[bytes], bool]:
    """Messages, commands, and whether the stream ends by a limit; frame by frame."""
    messages: list[Frames] = []
    commands: list[bytes] = []
    frames: list[bytes] = []
    while len(wire) >= 2:
        is_long = wire[0] & 2
        if is_long and len(wire) < 9:
            break
        start = 9 if is_long else 2
        size = int.from_bytes(wire[1:9], "big") if is_long else wire[1]
        if wire[0] & 4:
            if size > 65_536:
                return messages, commands, True
        elif (
            sum(map(len, frames)) + size + 64 * (len(frames) + 1) > bytes_max
            or len(frames) + 1 > frames_max
        ):
            return messages, commands, True
        if len(wire) < start + size:
            break
        body = wire[start : start + size]
        if wire[0] & 4:
            commands.append(body)
        else:
            frames.append(body)
            if not wire[0] & 1:
                messages.append(tuple(frames))
                frames = []
        wire = wire[start + size :]
    return messages, commands, False


def observed(chunks: object, **limits: Any) -> tuple[list[Frames], list[bytes], bool]:
    parser = MessageParser(**limits)
    found: list[Frames] = []
    try:
        for chunk in chunks:  # type: ignore[attr-defined]
            parser.split(chunk, found)
    except RemoteProtocolError:
        return found, parser.commands, True
    return found, parser.commands, False


@given(streams, places, st.sampled_from([150, 600, 1000, 1 << 20]), st.sampled_from([1, 3, 100]))
def test_any_cut_of_any_stream(
    wire: bytes, places: list[int], bytes_max: int, frames_max: int
) -> None:
    limits = {"max_message_bytes": bytes_max, "max_frames": frames_max}
    expected = naive(wire, bytes_max, frames_max)
    assert observed([wire], **limits) == expected
    assert observed(cut(wire, places), **limits) == expected
    if len(wire) < 2000:
        assert observed(each_byte(wire), **limits) == expected


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_any_bytes_give_messages_or_an_error(chunks: list[bytes]) -> None:
    expected = naive(b"".join(chunks), 1 << 26, 65_536)
    assert observed(chunks) == expected
