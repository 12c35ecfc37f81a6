"""Keyframes on the send path: marked in the index when committed, refused where there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fanout.errors import ConfigError
from fanout.send.attempt import attempt_batch, attempt_message
from fanout.send.kept_path import KeptPath, NumberedKeptPath
from fanout.send.keyframes import as_keyframe
from fanout.send.wire import Encoder
from fanout.shm.layout import PAGE, Layout
from fanout.shm.value_layout import KEYFRAME, ValueTable
from tests.unit.send.line import Line

if TYPE_CHECKING:
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
