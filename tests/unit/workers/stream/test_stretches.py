"""Stretches: what anybody wants of any part of the log, against a look at each message."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from fanout.shm.census import NOTHING, Amount, minimal
from fanout.workers.stream.stretches import Stretch, Stretches
from fanout.zmtp.frames import encode_message, first_frame
from tests.helpers.log import Log

if TYPE_CHECKING:
    from collections.abc import Collection

TOPICS = [b"", b"a", b"ab", b"abc", b"b", b"ba", b"c", b"a\xff", b"\xff"]
KEYS = st.sets(st.sampled_from(TOPICS), min_size=1, max_size=4).map(minimal)
SIZES = st.lists(st.tuples(st.sampled_from(TOPICS), st.integers(0, 20)), min_size=1, max_size=50)
RANGES = st.tuples(st.integers(0, 50), st.integers(0, 50)).map(sorted)


def naive(
    messages: list[tuple[bytes, int]], key: Collection[bytes], first: int, stop: int
) -> list[tuple[int, int]]:
    return [
        (sequence, size)
        for sequence, (topic, size) in enumerate(messages)
        if first <= sequence < stop and topic.startswith(tuple(key))
    ]


def amount(found: list[tuple[int, int]]) -> Amount:
    return Amount(len(found), sum(size for _sequence, size in found))


@given(SIZES, KEYS, RANGES, st.integers(0, 1000))
def test_a_part_of_one_stretch(
    messages: list[tuple[bytes, int]], key: frozenset[bytes], part: list[int], base: int
) -> None:
    first, stop = (min(one, len(messages)) for one in part)
    names, sizes = zip(*messages, strict=True)
    stretch = Stretch(base, names, sizes)
    found = naive(messages, key, first, stop)

    assert stretch.count(key, base + first, base + stop) == amount(found)
    picked = sorted(stretch.picks(key, base + first, base + stop))
    assert [(one - base, stretch.size_of(one)) for one in picked] == found


@given(SIZES, st.lists(st.tuples(KEYS, RANGES), min_size=1, max_size=6), st.booleans())
def test_any_parts_of_the_log_however_few_stretches_are_kept(
    messages: list[tuple[bytes, int]],
    asked: list[tuple[frozenset[bytes], list[int]]],
    interned: bool,
) -> None:
    log = Log()
    written = []
    for topic, size in messages:
        wire = (topic, b"x" * size)
        log.publish(*wire, topic_id=1 + TOPICS.index(topic) if interned else 0)
        written.append((topic, len(encode_message(wire))))

    def name_of(_topic_id: int, sequence: int) -> bytes:
        return first_frame(log.reader.piece(sequence))

    stretches = Stretches(log.reader, name_of, 8, 2)
    for key, part in asked:
        first, stop = (min(one, len(messages)) for one in part)
        found = naive(written, key, first, stop)
        assert stretches.count(key, first, stop, 0) == amount(found)
        assert stretches.picks(key, first, stop, 0) == found


def published(count: int) -> tuple[Log, Stretches, mock.Mock]:
    log = Log()
    for _ in range(count):
        log.publish(b"a", b"")
    name_of = mock.Mock(return_value=b"a")
    return log, Stretches(log.reader, name_of, 4, 2), name_of


def test_what_was_sorted_once_is_not_looked_at_again() -> None:
    _log, stretches, name_of = published(8)
    key = frozenset((b"a",))

    assert stretches.count(key, 0, 8, 0).messages == 8
    looks = name_of.call_count
    assert stretches.count(key, 1, 7, 0).messages == 6
    assert name_of.call_count == looks == 8


def test_a_stretch_that_has_grown_is_sorted_anew_and_the_oldest_is_forgotten() -> None:
    log, stretches, name_of = published(6)
    key = frozenset((b"a",))
    stretches.count(key, 0, 6, 0)
    log.publish(b"a", b"")
    name_of.reset_mock()

    assert stretches.count(key, 4, 7, 0).messages == 3
    assert name_of.call_count == 3
    stretches.count(key, 0, 4, 0)
    assert name_of.call_count == 3, "both are kept"
    for _ in range(5):
        log.publish(b"a", b"")
    stretches.count(key, 8, 12, 0)  # a third one takes the place of that
    name_of.reset_mock()
    stretches.count(key, 0, 4, 0)
    assert name_of.call_count == 4


def test_below_the_tail_nothing_is_looked_at_that_was_not_asked_for() -> None:
    _log, stretches, name_of = published(4)

    assert stretches.count(frozenset((b"a",)), 2, 4, 2).messages == 2
    assert [call.args[1] for call in name_of.call_args_list] == [2, 3]


def test_nothing_is_nothing() -> None:
    _log, stretches, _name_of = published(4)
    assert stretches.count(frozenset((b"b",)), 0, 4, 0) is NOTHING
    assert stretches.count(frozenset((b"a",)), 3, 3, 0) is NOTHING
