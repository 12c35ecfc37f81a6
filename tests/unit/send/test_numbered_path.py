"""Messages with their numbers: whichever way they come, and whatever their size."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from fanout.errors import MessageTooLarge
from fanout.send.attempt import attempt_batch, attempt_message
from fanout.send.numbered_path import NumberedPath
from fanout.send.wire import COPY_ONCE_BYTES, Encoder
from fanout.shm.layout import PAGE, Layout
from fanout.shm.log import NO_SPACE
from fanout.zmtp.frames import encode_message, split_message
from tests.unit.send.line import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fanout.send.topics import Subject

LARGE = bytes(COPY_ONCE_BYTES)
FRAME_BYTES = 18  # 16 and their header


@pytest.fixture
def line() -> Iterator[Line]:
    with Line(Layout(32 * PAGE, 1024, 4), make_path=NumberedPath) as line:
        yield line


def encoder(line: Line, limit: int | None = None, *, in_pieces: bool = True) -> Encoder:
    path = line.path
    return Encoder(path.topics, path.intern, limit, in_pieces, numbered=True)


def numbered(line: Line) -> list[list[bytes]]:
    """The messages that were written, without their numbers, each of which is right."""
    epoch = line.reader.epoch
    found = []
    for sequence, wire in enumerate(line.written()):
        *frames, last = split_message(wire)
        assert encode_message([*frames, last]) == wire
        assert last == struct.pack(">QQ", epoch, sequence)
        found.append(frames)
    return found


def test_of_two_frames_and_one_with_and_without_the_encoder(line: Line) -> None:
    path, one = line.path, encoder(line)
    topic = path.intern(b"topic")

    assert path.append(b"small", b"topic") == 0
    assert path.append(b"single", None) == 1
    assert path.append(LARGE, b"topic") == NO_SPACE  # the encoder makes a message of it
    sent = [one.two_frames(b"topic", b""), one.two_frames(b"topic", LARGE), one.one_frame(LARGE)]
    sent += [one.frames([b"t", b"a", b"b"]), one.frames([b"alone"])]
    for wire, subject in sent:
        attempt = attempt_message(path, wire, subject)
        before = path.log.position
        assert attempt.append() != NO_SPACE
        assert path.log.position - before == attempt.size
    assert numbered(line) == [
        [b"topic", b"small"],
        *([b"single"], [b"topic", b""], [b"topic", LARGE], [LARGE]),
        *([b"t", b"a", b"b"], [b"alone"]),
    ]
    assert topic is path.intern(b"topic")


def test_of_a_batch(line: Line) -> None:
    path, one = line.path, encoder(line, in_pieces=False)
    whole, topic = one.frames([b"c", b"1", b"2"])
    path.append(b"before", None)
    assert isinstance(whole, bytes)
    batches: list[tuple[list[bytes], list[Subject]]] = [
        ([b"1", b"", b"2"], [b"a", None, b"a"]),
        ([b"1", LARGE, whole], [b"a", b"b", topic]),
    ]
    for bodies, subjects in batches:
        wires, topics = one.many(bodies, subjects)
        attempt = attempt_batch(path, wires, topics)
        before = path.log.position
        assert attempt.append() != NO_SPACE
        assert path.log.position - before == attempt.size
    assert numbered(line) == [
        [b"before"],
        *([b"a", b"1"], [b""], [b"a", b"2"]),
        *([b"a", b"1"], [b"b", LARGE], [b"c", b"1", b"2"]),
    ]


def test_numbers_go_on_over_the_end_of_the_log(line: Line) -> None:
    size = line.path.log.position
    for number in range(100):
        wire, topic = encoder(line).two_frames(b"a", b"%d" % number * 700)
        line.path.make_room(4_000)
        sequence = attempt_message(line.path, wire, topic).append()
        assert sequence == number
        (last,) = line.reader.pieces(number, number + 1)
        assert struct.unpack(">QQ", last[-16:]) == (line.reader.epoch, number)
    assert line.path.log.position > size + 32 * PAGE


def test_the_frame_counts_for_the_limit_of_a_message(line: Line) -> None:
    plain = len(encode_message([b"a", b"12"]))
    fits, short = encoder(line, plain + FRAME_BYTES), encoder(line, plain + FRAME_BYTES - 1)
    makes: list[Callable[[Encoder], object]] = [
        lambda one: one.two_frames(b"a", b"12"),
        lambda one: one.frames([b"a", b"12"]),
        lambda one: one.one_frame(b"12345"),
    ]
    for make in makes:
        make(fits)
        with pytest.raises(MessageTooLarge):
            make(short)
