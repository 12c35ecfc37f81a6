"""Messages that are too large are let go, however the stream is cut."""

from __future__ import annotations

from typing import Any

import pytest

from fanout.subscriber.parsing import COMMAND_BYTES_MAX, Frames, MessageParser
from fanout.subscriber.skimming import FRAME_BYTES_MAX, TooLarge
from fanout.zmtp import RemoteProtocolError, encode_message
from fanout.zmtp.commands import ping
from tests.unit.zmtp.wire import each_byte, long_frame, short_frame

NUMBER = b"0123456789abcdef"
BEFORE, BEHIND = (b"A", b"x", NUMBER), (b"B", b"y")


def passed(wire: bytes, size: int, **limits: Any) -> tuple[tuple[bytes, ...], int]:
    """What is known of the one message that is let go, and how often that was told."""
    parser = MessageParser(**limits, passes_over=True)
    found: list[Frames] = []
    whole = encode_message(BEFORE) + wire + encode_message(BEHIND)
    step = size or len(whole)
    for at in range(0, len(whole), step):
        parser.split(whole[at : at + step], found)
    assert not parser.has_part
    first, between, last = found
    assert (first, last) == (BEFORE, BEHIND)
    assert isinstance(between, TooLarge)
    return tuple(between.passed), len(parser.passed_over)


@pytest.mark.parametrize("size", [0, 1, 7, 300])
@pytest.mark.parametrize(
    ("frames", "known"),
    [
        ((b"A", bytes(2000), NUMBER), (b"A", NUMBER)),
        ((b"A", bytes(2000)), (b"A",)),
        ((b"A", bytes(940), NUMBER), (b"A", NUMBER)),
        ((bytes(2000),), (b"",)),
        ((bytes(2000), NUMBER), (b"", NUMBER)),
        ((b"A", bytes(2000), b"not a number"), (b"A",)),
        ((b"A", NUMBER, bytes(2000), NUMBER, b""), (b"A",)),
        ((b"A", *[b""] * 20, NUMBER), (b"A", NUMBER)),
        ((b"A", bytes(700), bytes(700), NUMBER), (b"A", NUMBER)),
    ],
)
def test_topic_and_number_are_kept(
    frames: tuple[bytes, ...], known: tuple[bytes, ...], size: int
) -> None:
    assert passed(encode_message(frames), size, max_message_bytes=1000) == (known, 1)


def test_one_of_too_many_frames_too() -> None:
    wire = encode_message([b"A", *[b""] * 9, NUMBER])
    assert passed(wire, 0, max_frames=4) == ((b"A", NUMBER), 1)


def test_a_command_in_between_is_kept() -> None:
    parser = MessageParser(max_message_bytes=1000, passes_over=True)
    found: list[Frames] = []
    command = ping(b"", 0)
    for chunk in each_byte(long_frame(bytes(2000), 1) + command + short_frame(NUMBER) + command):
        parser.split(chunk, found)
    assert [frames.passed for frames in found if isinstance(frames, TooLarge)] == [(b"", NUMBER)]
    assert parser.commands == [command[2:]] * 2


def test_nothing_of_it_is_held() -> None:
    parser = MessageParser(max_message_bytes=1000, passes_over=True)
    parser.split(encode_message([b"A", bytes(1 << 20)])[:-1], [])
    skim = parser._skim
    assert skim is not None
    assert (parser._rest, parser._frames, parser._gathered, skim._rest) == (b"", [], None, b"")


@pytest.mark.parametrize(
    "wire",
    [
        long_frame(b"", 1)[:1] + (FRAME_BYTES_MAX + 1).to_bytes(8, "big"),
        long_frame(bytes(1000), 1) + long_frame(bytes(COMMAND_BYTES_MAX + 1), 4)[:9],
    ],
)
def test_what_is_never_over_ends_the_stream(wire: bytes) -> None:
    parser = MessageParser(max_message_bytes=1000, passes_over=True)
    parser.split(wire[:-1], [])
    with pytest.raises(RemoteProtocolError, match=r"a (frame|command) of"):
        parser.split(wire[-1:], [])
