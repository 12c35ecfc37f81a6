"""Keyframes on the send path: marked in the index when committed, refused where there are none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from fanout.errors import ConfigError
from fanout.send.attempt import attempt_batch, attempt_message
from fanout.send.kept_path import KeptPath, NumberedKeptPath
from fanout.send.kept_topics import Keyframe
from fanout.send.keyframes import as_keyframe, in_pieces
from fanout.send.last_verbs import AwaitedLastVerbs, LastVerbs
from fanout.send.wire import Encoder
from fanout.shm.layout import PAGE, Layout
from fanout.shm.log import NO_SPACE
from fanout.shm.value_layout import KEYFRAME, ValueTable
from fanout.shm.worker_slot import NO_TAIL
from tests.helpers.interrupting import Steps
from tests.unit.send.line import Line

if TYPE_CHECKING:
    from fanout.send.attempt import Attempt
    from fanout.send.topics import Topic
    from fanout.send.wire import Wire

LAYOUT = Layout(64 * PAGE, 4_096, 1, table=ValueTable(4, 4 * PAGE))


def message(line: Line, topic: bytes, payload: bytes = b"x") -> tuple[Wire, Topic]:
    path = line.path
    return Encoder(path.topics, path.intern, None, in_pieces=True).two_frames(topic, payload)


def is_keyframe(line: Line, sequence: int) -> bool:
    return line.reader.topic_ids(sequence, sequence + 1)[0] >= KEYFRAME


@pytest.mark.parametrize("kind", [KeptPath, NumberedKeptPath])
@pytest.mark.parametrize("size", [1, 9_000])
def test_it_is_marked_and_its_topic_too(kind: type[KeptPath], size: int) -> None:
    with Line(LAYOUT, kind) as line:
        path: Any = line.path
        wire, topic = message(line, b"t", bytes(size))
        keyframe = as_keyframe(path, topic)
        assert not path.log.values.has_keyframes, "nothing is committed yet"
        assert path.make_room(7_000 + size, 4)
        sequences = [
            attempt_message(path, wire, topic).append(),
            attempt_message(path, wire, keyframe).append(),
        ]
        if isinstance(wire, bytes):
            sequences.append(attempt_batch(path, [wire, wire], [keyframe, topic]).append())
        assert [is_keyframe(line, s) for s in sequences] == [False, True, True][: len(sequences)]
        assert path.log.values.has_keyframes
        assert path.log.values.is_keyframe(1, 1)
        assert not path.log.values.is_keyframe(1, 0)
        path.forget(b"t")
        assert not path.log.values.has_keyframes


def test_one_whose_topic_loses_its_place_before_it_is_committed_is_none() -> None:
    with Line(LAYOUT, KeptPath) as line:
        path: Any = line.path
        wire, topic = message(line, b"t")
        keyframe = as_keyframe(path, topic)
        for number in range(8):
            path.intern(b"%d" % number)
        assert path.make_room(100, 1)
        sequence = attempt_message(path, wire, keyframe).append()
        assert line.reader.topic_ids(sequence, sequence + 1) == [0]
        assert not path.log.values.has_keyframes


Way = Callable[["Line", bytes, bytes], "Attempt"]  # topic, payload


def in_parts(line: Line, topic: bytes, payload: bytes) -> Attempt:
    path: Any = line.path
    wire, known = message(line, topic, payload)
    return attempt_message(path, in_pieces(wire), as_keyframe(path, known))


def in_a_batch(line: Line, topic: bytes, payload: bytes) -> Attempt:
    path: Any = line.path
    wire, known = message(line, topic, payload)
    assert isinstance(wire, bytes)
    return attempt_batch(path, [wire, wire], [as_keyframe(path, known)] * 2)


@pytest.mark.parametrize("publish", [in_parts, in_a_batch])
def test_one_that_there_is_no_room_for_marks_nothing(publish: Way) -> None:
    """Else who comes would be sent nothing of its topic, though that has a last value."""
    with Line(LAYOUT, KeptPath) as line:
        path: Any = line.path
        values = path.log.values
        path.make_room(100, 4)
        assert attempt_message(path, *message(line, b"t")).append() != NO_SPACE
        assert publish(line, b"u", b"x").append() != NO_SPACE
        line.read_up_to(0)
        while path.make_room(6_000, 1):
            attempt_message(path, *message(line, b"v", bytes(6_000 - 20))).append()
        for topic in (b"t", b"u"):
            assert publish(line, topic, bytes(7_000)).append() == NO_SPACE
        assert [values.ids[place] >= KEYFRAME for place in (1, 2)] == [False, True]
        line.read_up_to(NO_TAIL)
        assert path.forget(b"u")
        assert not values.has_keyframes
        assert path.make_room(100, 4)
        assert publish(line, b"t", b"x").append() != NO_SPACE
        assert values.ids[1] >= KEYFRAME


@pytest.mark.unmeasured
@pytest.mark.parametrize("publish", [in_parts, in_a_batch])
def test_interrupted_anywhere_it_is_marked_if_it_is_committed(publish: Way) -> None:
    committed = []
    with Line(LAYOUT, KeptPath) as line:
        path: Any = line.path
        values = path.log.values
        assert path.make_room(100, 4)
        for step in range(1, 2_000):
            assert attempt_message(path, *message(line, b"t")).append() != NO_SPACE
            attempt, head = publish(line, b"t", b"x"), path.log.head
            is_over = False
            try:
                with Steps(step, _interrupt, opcodes=True):
                    attempt.append()
                is_over = True
            except KeyboardInterrupt:
                pass
            committed.append(path.log.head > head)
            assert values.has_keyframes == (values.ids[1] >= KEYFRAME) == committed[-1]
            path.forget(b"t")
            path.make_room(100, 4)
            if is_over:
                break
    assert is_over
    assert {*committed[:-1]} == {False, True}


@pytest.mark.unmeasured
def test_interrupted_anywhere_a_topic_is_forgotten_or_it_is_not() -> None:
    """Else it is published by one id, and the table has another: none is found again."""
    forgotten = []
    with Line(LAYOUT, KeptPath) as line:
        path: Any = line.path
        values = path.log.values
        for step in range(1, 2_000):
            assert path.make_room(100, 4)
            assert in_a_batch(line, b"t", b"x").append() != NO_SPACE
            before, is_over = values.ids[1], False
            assert before >= KEYFRAME
            try:
                with Steps(step, _interrupt, opcodes=True):
                    path.forget(b"t")
                is_over = True
            except KeyboardInterrupt:
                pass
            is_forgotten = path.last(b"t") is None
            forgotten.append(is_forgotten)
            assert path.topics.find(b"t").id == values.ids[1] & ~KEYFRAME
            assert is_forgotten == (values.ids[1] != before) == (not values.has_keyframes)
            if is_over:
                break
    assert is_over
    assert {*forgotten[:-1]} == {False, True}


def test_what_was_interrupted_twice_is_settled_by_recover() -> None:
    """The second time in settling it: then the lock stays, and another thread must recover."""
    with Line(LAYOUT, KeptPath) as line:
        path: Any = line.path
        assert path.make_room(100, 4)
        assert in_a_batch(line, b"t", b"x").append() != NO_SPACE
        topic = path.topics.find(b"t")
        settle, names = path.topics.settle, path.log.values._make_stores

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        path.topics.settle = path.log.values._make_stores = interrupted
        with pytest.raises(KeyboardInterrupt):
            path.forget(b"t")
        path.topics.settle, path.log.values._make_stores = settle, names
        before = topic.id
        thread = threading.Thread(target=path.recover)
        thread.start()
        thread.join(60)
        assert not thread.is_alive()
        assert topic.id == path.log.values.ids[1] != before
        assert path.last(b"t") is None


def _interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("kind", [LastVerbs, AwaitedLastVerbs])
def test_the_verbs_publish_it_by_what_takes_the_mark_back(kind: type[Any]) -> None:
    with Line(LAYOUT, KeptPath) as line:
        verbs = type("Face", (kind,), {"_values_path": lambda _self: line.path})()
        wire, keyframe = verbs._keyframe(*message(line, b"t"))
        assert type(wire) is tuple
        assert type(keyframe) is Keyframe


def test_why_there_can_be_none_is_said() -> None:
    with Line() as line:
        _, topic = message(line, b"t")
        with pytest.raises(ConfigError, match="last_values=LastValues"):
            as_keyframe(line.path, topic)
    with Line(LAYOUT, KeptPath) as line:
        path: Any = line.path
        path.topics._prefixes = (b"a",)
        encoder = Encoder(path.topics, path.intern, None, in_pieces=True)
        for said, made in (
            ("one frame", encoder.one_frame(b"t")),
            ("255 bytes", encoder.two_frames(bytes(300), b"")),
            ("does not name it", encoder.two_frames(b"t", b"")),
        ):
            with pytest.raises(ConfigError, match=said):
                as_keyframe(path, made[1])
