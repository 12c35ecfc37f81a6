"""What is read out of the shared memory of a publisher, without a lock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from fanout.answers.state import HEAD_BYTES, LOOKS, SegmentView
from fanout.answers.view import UnsettledError
from fanout.send.kept_path import KeptPath, NumberedKeptPath
from fanout.send.wire import Encoder
from fanout.shm.clock import Clock, Note
from fanout.shm.layout import Layout
from fanout.shm.value_layout import ValueTable
from fanout.terms.question_terms import ANSWER_BYTES_MAX
from tests.unit.send.line import Line

if TYPE_CHECKING:
    from collections.abc import Iterator

LOG_BYTES = 1 << 22
LAYOUT = Layout(LOG_BYTES, 1024, 4, 0, ValueTable(8, 1 << 16))
SECOND = 1_000_000_000


class Published:
    """A send path without a publisher, and what is read of it."""

    def __init__(self, line: Line, *, numbered: bool) -> None:
        path = line.path
        assert isinstance(path, KeptPath)
        self.line, self.path = line, path
        self._encoder = Encoder(path.topics, path.intern, None, in_pieces=False, numbered=numbered)
        self.state = SegmentView(line.segment, path.topics, numbered=numbered)

    def publish(self, *frames: bytes) -> int:
        wire, topic = self._encoder.frames(frames)
        assert isinstance(wire, bytes)
        sequence = self.path.append(wire, topic)
        if sequence < 0:
            assert self.path.make_room(len(wire))
            sequence = self.path.append(wire, topic)
        return sequence


@pytest.fixture(params=[False, True], ids=["plain", "numbered"])
def published(request: pytest.FixtureRequest) -> Iterator[Published]:
    path = NumberedKeptPath if request.param else KeptPath
    with Line(LAYOUT, make_path=path) as line:
        yield Published(line, numbered=request.param)


def test_messages_as_they_were_published(published: Published) -> None:
    for frames in ([b"a", b"1"], [b"one"], [b"b", b"", b"3"]):
        told = published.state.message(published.publish(*frames))
        assert told is not None
        assert (told.frames, told.topic) == (tuple(frames), frames[0])
    state = published.state
    assert (state.head(), state.oldest()) == (3, 0)
    assert state.message(3) is None
    assert state.epoch == f"{published.line.segment.words[64]:016x}"
    ids = state.topic_ids(0, 3)
    assert ids[1] == 0
    assert len(set(ids)) == 3


def test_what_is_overwritten_is_gone(published: Published) -> None:
    body = b"x" * 10_000
    for number in range(1_000):
        published.publish(b"a", b"%d" % number, body)
    state = published.state
    oldest = state.oldest()
    assert 0 < oldest < 1_000
    assert state.message(oldest - 1) is None
    for sequence in range(oldest, 1_000):
        told = state.message(sequence)
        assert told is not None
        assert told.frames == (b"a", b"%d" % sequence, body)


def test_one_that_is_overwritten_while_it_is_read_is_gone(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    sequence = published.publish(b"a", b"x" * 100)
    state = published.state
    copy = state._log.copy

    def late(start: int, stop: int) -> bytes:
        found = copy(start, stop)
        for _ in range(600):
            published.publish(b"a", b"y" * 10_000)
        return found

    monkeypatch.setattr(state._log, "copy", late)
    assert state.message(sequence) is None


@pytest.mark.parametrize("topic", [b"a", b"t" * 2_000])
def test_one_that_is_too_large_is_not_copied(
    published: Published, topic: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    sequence = published.publish(topic, b"x" * ANSWER_BYTES_MAX)
    copied: list[int] = []
    state = published.state
    copy = state._log.copy

    def counted(start: int, stop: int) -> bytes:
        copied.append(stop - start)
        return copy(start, stop)

    monkeypatch.setattr(state._log, "copy", counted)
    told = state.message(sequence)
    assert told is not None
    assert told.frames is None
    assert told.size > ANSWER_BYTES_MAX
    assert topic.startswith(told.topic)
    assert len(told.topic) == min(len(topic), HEAD_BYTES - 9)
    assert sum(copied) <= HEAD_BYTES


def test_last_values(published: Published) -> None:
    state = published.state
    for number in range(30):
        published.publish(b"%d" % (number % 3), b"%d" % number, b"")
    last = state.last(b"1")
    assert last is not None
    assert (last.sequence, last.frames) == (28, (b"1", b"28", b""))
    assert state.last(b"no") is None
    assert state.topics_at(1, state.places) == [(1, b"0"), (2, b"1"), (3, b"2")]
    assert state.topics_at(2, 3) == [(2, b"1")]
    published.path.forget(b"1")
    assert state.last(b"1") is None
    for number in range(30, 38):  # there are seven places
        published.publish(b"%d" % number, b"")
    assert state.last(b"0") is None
    assert len(state.topics_at(1, state.places)) == 7


def test_one_that_has_left_the_log_is_there(published: Published) -> None:
    published.publish(b"old", b"value")
    published.publish(b"large", b"x" * 30_000)
    for _ in range(1_000):
        published.publish(b"other", b"x" * 10_000)
    state = published.state
    last = state.last(b"old")
    assert last is not None
    assert (last.sequence, last.frames) == (0, (b"old", b"value"))
    assert state.message(0) is None


def test_one_that_is_not_committed_is_none(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for a moment, and then it is said that it is not known."""
    published.publish(b"a", b"1")
    state, values = published.state, published.path.log.values
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    values.last[1] = 1
    with pytest.raises(UnsettledError):
        state.last(b"a")
    assert len(slept) == LOOKS - 1
    monkeypatch.setattr(time, "sleep", lambda _: published.publish(b"a", b"2"))
    last = state.last(b"a")
    assert last is not None
    assert last.frames == (b"a", b"2")


def test_the_value_of_another_topic_is_not_told(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The place that was found may be another one's when its value is read."""
    published.publish(b"a", b"1")
    published.publish(b"b", b"2")
    monkeypatch.setattr(published.state, "_place_of", lambda _: 2)
    assert published.state.last(b"a") is None
    assert published.state.last(b"b") is not None


def test_without_last_values() -> None:
    with Line() as line:
        state = SegmentView(line.segment, None, numbered=False)
        assert not state.keeps_values
        assert state.places == 0
        assert state.topics_at(1, 10) == []
        assert state.last(b"a") is None


def test_ages_and_windows(published: Published) -> None:
    state, clock = published.state, Clock(published.line.segment)
    assert state.window(10.0) == (0, 0.0)
    assert state.age(0) == 0.0
    now = time.monotonic_ns()
    for ago, head in ((30, 2), (20, 5), (1, 9)):
        clock.add(Note(now - ago * SECOND, head, 0))
    for sequence, age in ((0, 30), (1, 30), (2, 20), (4, 20), (5, 1), (8, 1)):
        assert age <= state.age(sequence) < age + 1
    assert state.age(9) == 0.0
    for seconds, first, age in ((10.0, 5, 20), (25.0, 2, 30), (0.5, 9, 1), (100.0, 2, 30)):
        found, window = state.window(seconds)
        assert found == first
        assert age <= window < age + 1
