"""An attempt: tried again and again, it is appended once, whole, and in the room that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.send.attempt import NO_SPACE, attempt_batch, attempt_message
from fanout.shm.worker_slot import NO_TAIL
from fanout.zmtp.frames import encode_message
from tests.unit.send.line import Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout.send.wire import Wire

KIB = b"x" * 1000


@pytest.fixture
def line() -> Iterator[Line]:
    with Line() as line:
        yield line


@pytest.mark.parametrize("wire", [b"\0\3abc", (b"\0\3", b"abc")], ids=["whole", "in pieces"])
def test_a_message_takes_its_bytes_and_one_place(line: Line, wire: Wire) -> None:
    attempt = attempt_message(line.path, wire, line.path.intern(b"abc"))

    assert (attempt.size, attempt.count) == (5, 1)
    assert line.written() == [], "nothing is sent before it is tried"
    assert attempt.append() == 0
    assert line.written() == [b"\0\3abc"]
    assert line.reader.topic_ids(0, 1) == [1]


def test_a_batch_takes_the_bytes_and_places_of_all(line: Line) -> None:
    line.path.append(b"\0\0", line.path.intern(b""))
    topics = [line.path.intern(name) for name in (b"b", b"a", b"b")]
    wires = [encode_message([topic.name, b"x" * i]) for i, topic in enumerate(topics)]

    attempt = attempt_batch(line.path, wires, topics)

    assert (attempt.size, attempt.count) == (sum(map(len, wires)), 3)
    assert attempt.append() == 1, "the sequence of its first message"
    assert line.written() == [b"\0\0", *wires]
    assert line.reader.topic_ids(1, 4) == [topic.id for topic in topics]


@pytest.mark.parametrize("kind", ["whole", "in pieces", "batch"])
def test_without_room_nothing_changes_until_there_is_room_for_what_it_needs(
    line: Line, kind: str
) -> None:
    path, topic = line.path, line.path.intern(b"t")
    attempt = {
        "whole": lambda: attempt_message(path, KIB * 9, topic),
        "in pieces": lambda: attempt_message(path, (KIB, KIB * 8), topic),
        "batch": lambda: attempt_batch(path, [KIB] * 9, [topic] * 9),
    }[kind]()
    line.read_up_to(0)
    while path.append(KIB, topic) != NO_SPACE or path.make_room(len(KIB)):
        pass  # until the log is full of what the worker has not read
    before = line.reader.length()

    assert attempt.append() == NO_SPACE
    assert not path.make_room(attempt.size, attempt.count)
    assert attempt.append() == NO_SPACE
    assert line.reader.length() == before

    line.read_up_to(NO_TAIL)
    assert path.make_room(attempt.size, attempt.count)
    sequence = attempt.append()

    head, position = before
    assert sequence == head
    assert line.reader.length() == (head + attempt.count, position + attempt.size)
