"""The parser of messages: the quick way and the slow one, limits, and what is not whole yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fanout.subscriber.parsing import COMMAND_BYTES_MAX, HERE, Frames, MessageParser
from fanout.zmtp import RemoteProtocolError, encode_message
from fanout.zmtp.commands import ping, pong
from fanout.zmtp.cutting import GATHERED_MIN
from tests.unit.zmtp.wire import each_byte, long_frame, short_frame

if TYPE_CHECKING:
    from collections.abc import Iterable

MESSAGES = [
    (b"A",),
    (b"A", b"x"),
    (b"", b""),
    (b"A", b"x" * 255, b"number"),
    (b"A", b"x" * 256, b"number"),
    (b"A", b"x" * 256),
    (b"t" * 256, b"x"),
    (b"t" * 256,),
    (b"A", b"", b"y" * 300),
    (b"A", b"1", b"2", b"3"),
    (b"A", b"b" * (GATHERED_MIN + 1), b"c"),
]


def parse_all(parser: MessageParser, chunks: Iterable[bytes], found: list[Frames]) -> None:
    for chunk in chunks:
        parser.split(chunk, found)


def parsed(parser: MessageParser, *chunks: bytes) -> list[Frames]:
    found: list[Frames] = []
    parse_all(parser, chunks, found)
    return found


@pytest.mark.parametrize("frames", MESSAGES, ids=lambda frames: str(list(map(len, frames))))
def test_a_message_alone_whole_and_byte_by_byte(frames: Frames) -> None:
    wire = encode_message(frames)
    for chunks in ([wire], each_byte(wire), [wire[:1], wire[1:] + wire, wire]):
        parser = MessageParser()
        found = parsed(parser, *chunks)
        assert set(found) == {frames}
        assert not parser.has_part


def test_commands_between_messages_and_frames_are_kept_apart() -> None:
    parser = MessageParser()
    command = ping(b"", 0)
    found = parsed(
        parser, command + short_frame(b"A", 1) + command + short_frame(b"x") + command + command
    )
    assert found == [(b"A", b"x")]
    assert parser.commands == [command[2:]] * 4


@pytest.mark.parametrize("is_cut", [False, True])
def test_a_command_that_is_awaited_is_found_where_it_stands_and_once(is_cut: bool) -> None:
    parser = MessageParser()
    message, command, other = encode_message([b"A"]), pong(b"since"), pong(b"")
    wire = message + other + command + message + command + message
    parser.awaited = command[2:]
    found = parsed(parser, *(each_byte(wire) if is_cut else [wire]))
    assert found == [(b"A",), HERE, (b"A",), (b"A",)]
    assert found[1] is HERE
    assert parser.commands == [other[2:], command[2:], command[2:]]


def test_a_peer_of_zmtp_2_has_no_commands() -> None:
    parser = MessageParser()
    parser.has_commands = False
    assert parsed(parser, short_frame(b"A", 4)) == [(b"A",)]
    assert not parser.commands


def test_reserved_bits_and_long_form_of_short_bodies_are_taken() -> None:
    wire = short_frame(b"A", 0xF9) + long_frame(b"x", 0xF0)
    assert parsed(MessageParser(), wire) == [(b"A", b"x")]


def test_what_is_not_whole_is_a_part() -> None:
    parser = MessageParser()
    assert parsed(parser, encode_message([b"A", b"x"])[:3]) == []
    assert parser.has_part


@pytest.mark.parametrize("way", [lambda wire: [wire], each_byte])
@pytest.mark.parametrize(
    ("limits", "wire", "reason"),
    [
        ({}, b"\x02" + b"\xff" * 8, "2\\*\\*63 - 1 are the most"),
        ({}, long_frame(bytes(COMMAND_BYTES_MAX + 1), 4), "a command of 65537 bytes"),
        ({"max_message_bytes": 1000}, long_frame(bytes(937)), "more than 1000 bytes"),
        ({"max_message_bytes": 1000}, short_frame(b"", 1) * 16, "more than 1000 bytes"),
        ({"max_message_bytes": 1000}, encode_message([b"A", bytes(900)]), "more than 1000 bytes"),
        ({"max_message_bytes": 200}, encode_message([b"A", b"b", b"c", b"d"]), "more than 200"),
        ({"max_frames": 2}, encode_message([b"A", b"b", b"c"]), "more than 2 frames"),
        ({"max_frames": 4}, short_frame(b"", 1) * 5, "more than 4 frames"),
    ],
)
def test_limits(limits: dict[str, Any], wire: bytes, reason: str, way: object) -> None:
    chunks = way(encode_message([b"A", b"x"]) + wire)  # type: ignore[operator]
    found: list[Frames] = []
    with pytest.raises(RemoteProtocolError, match=reason):
        parse_all(MessageParser(**limits), chunks, found)
    assert found == [(b"A", b"x")]


@pytest.mark.parametrize(
    ("limits", "wire"),
    [
        ({"max_message_bytes": 1000}, long_frame(bytes(936))),
        ({"max_frames": 3}, encode_message([b"A", b"b", b"c"])),
        ({"max_frames": 4}, encode_message([b"A", b"b", b"c", b"d"])),
    ],
)
def test_just_below_a_limit(limits: dict[str, Any], wire: bytes) -> None:
    assert len(parsed(MessageParser(**limits), wire + wire)) == 2


def test_a_long_frame_is_not_copied_with_each_read() -> None:
    """It is gathered: what is kept of it is one buffer, that is added to."""
    parser = MessageParser()
    wire = encode_message([b"A", bytes(4 * GATHERED_MIN)])
    assert parsed(parser, wire[:100]) == []
    kept = parser._gathered
    assert parsed(parser, wire[100:200]) == []
    assert kept is not None
    assert parser._gathered is kept
    assert len(kept) == 200 - 3
