"""Counting topics in pieces is counting them one by one, and each piece is looked at once."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.shm import census
from fanout.shm.census import Census, Censuses, Tally, count_topics, minimal
from fanout.workers.stream.chunks import Chunk
from fanout.workers.stream.cohort import Cohort

names = st.text("AB", max_size=4).map(str.encode)


def tally(*amounts: tuple[bytes, int, int]) -> Tally:
    """These topics, each with so many messages and bytes."""
    found = Tally()
    for amount in amounts:
        found.add(*amount)
    return found


@given(
    log=st.lists(st.tuples(names, st.booleans(), st.integers(0, 99)), max_size=40),
    keys=st.lists(st.sets(names, min_size=1, max_size=4), max_size=5),
    data=st.data(),
)
def test_counts_are_those_of_startswith(
    log: list[tuple[bytes, bool, int]], keys: list[set[bytes]], data: st.DataObject
) -> None:
    names = [topic for topic, _, _ in log]
    ids = [1 + names.index(topic) if known else 0 for topic, known, _ in log]

    def look(first: int, stop: int) -> Tally:
        sizes = [size for _, _, size in log[first:stop]]
        return count_topics(ids[first:stop], sizes, first, lambda _, sequence: names[sequence])

    censuses = Censuses(look, 4, 3)
    for key in keys:
        first = data.draw(st.integers(0, len(log)))
        stop = data.draw(st.integers(first, len(log)))
        naive = [size for topic, _, size in log[first:stop] if topic.startswith(tuple(key))]
        assert censuses.count(minimal(key), first, stop) == (len(naive), sum(naive))


def test_members_that_lose_the_same_share_the_looking() -> None:
    looked: list[tuple[int, int]] = []

    def look(first: int, stop: int) -> Tally:
        looked.append((first, stop))
        return tally((b"A", stop - first, 10 * (stop - first)))

    censuses = Censuses(look, 100, 10)
    counts = [censuses.count((b"A",), first, 350) for first in (50, 60, 50)]

    assert counts == [(300, 3000), (290, 2900), (300, 3000)]
    assert looked == [(50, 100), (100, 200), (200, 300), (300, 350), (60, 100)]


def test_what_is_remembered_is_bounded() -> None:
    censuses = Censuses(lambda first, stop: tally((b"A", stop - first, 1)), 1, 5)

    censuses.count((b"A",), 0, 15)

    assert len(censuses._pieces) == 5


def test_a_stranger_with_many_wants_costs_no_more_than_there_are_topics() -> None:
    key = minimal(b"X%05d" % number for number in range(10_000))

    with (
        mock.patch.object(census, "bisect_left", wraps=bisect_left) as low,
        mock.patch.object(census, "bisect_right", wraps=bisect_right) as high,
    ):
        found = Census(tally((b"X00007", 3, 30), (b"Y", 5, 50), (b"X000", 7, 70))).count(key)

    assert found == (3, 30)
    assert low.call_count + high.call_count <= 3


class Topic(bytes):
    """Counts how often it is cut."""

    cuts = 0

    def __getitem__(self, key: Any) -> Any:
        Topic.cuts += 1
        return super().__getitem__(key)


@pytest.mark.parametrize("minimal_key", [True, False])
def test_a_stranger_with_many_lengths_costs_no_more_than_one_with_few(minimal_key: bool) -> None:
    wants = {b"%04d" % size + b"A" * size for size in range(1_000)}
    cohort: Cohort[object] = Cohort(minimal(wants) if minimal_key else {*wants, b"0007A"})
    topic = Topic(b"0007" + b"A" * 4_000)
    Topic.cuts = 0

    chunk = Chunk(0, [b""] * 3, {topic: [0], Topic(b"0007"): [1], Topic(b"0001A1"): [2]})
    assert chunk.pick(cohort) == [0, 2]
    assert Topic.cuts <= 3

    if not minimal_key:
        cohort.key.remove(b"0001A")  # type: ignore[union-attr]
        cohort.changed()
        assert chunk.pick(cohort) == [0]


def test_a_chunk_is_not_sorted_by_lengths_that_no_topic_has() -> None:
    chunk = Chunk(0, [b"", b""], {b"AAA": [0], b"BB": [1], b"C": [2], b"D": [3]})
    cohort: Cohort[object] = Cohort(minimal([b"BB", b"A" * 1_000, b"E" * 2_000]))

    assert chunk.pick(cohort) == [1]
    assert len(chunk._by_prefix) == 1
