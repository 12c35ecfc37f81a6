"""Counting topics in pieces is counting them one by one, and each piece is looked at once."""

from __future__ import annotations

from collections import Counter
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from workers import census
from workers.census import Censuses
from workers.cohorts import minimal

names = st.text("AB", max_size=4).map(str.encode)


@given(
    log=st.lists(names, max_size=40),
    keys=st.lists(st.sets(names, min_size=1, max_size=4), max_size=5),
    data=st.data(),
)
def test_counts_are_those_of_startswith(
    log: list[bytes], keys: list[set[bytes]], data: st.DataObject
) -> None:
    censuses = Censuses(lambda first, stop: Counter(log[first:stop]))
    with mock.patch.multiple(census, PIECE_MESSAGES=4, PIECES_MAX=3):
        for key in keys:
            first = data.draw(st.integers(0, len(log)))
            stop = data.draw(st.integers(first, len(log)))
            naive = sum(topic.startswith(tuple(key)) for topic in log[first:stop])
            assert censuses.count(minimal(key), first, stop) == naive


def test_members_that_lose_the_same_share_the_looking() -> None:
    looked: list[tuple[int, int]] = []

    def look(first: int, stop: int) -> Counter[bytes]:
        looked.append((first, stop))
        return Counter({b"A": stop - first})

    censuses = Censuses(look)
    with mock.patch.object(census, "PIECE_MESSAGES", 100):
        counts = [censuses.count((b"A",), first, 350) for first in (50, 60, 50)]

    assert counts == [300, 290, 300]
    assert looked == [(50, 100), (100, 200), (200, 300), (300, 350), (60, 100)]


def test_what_is_remembered_is_bounded() -> None:
    censuses = Censuses(lambda first, stop: {b"A": stop - first})

    with mock.patch.object(census, "PIECE_MESSAGES", 1):
        censuses.count((b"A",), 0, census.PIECES_MAX * 3)

    assert len(censuses._pieces) == census.PIECES_MAX
