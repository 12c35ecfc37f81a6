"""Edges: the first and the last that somebody wanted, as one would find them one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.workers.stream import edges
from fanout.workers.stream.cohort import EVERYTHING, Cohort
from fanout.workers.stream.edges import Edges

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member

names = st.text("AB", max_size=3).map(str.encode)


class Topics:
    """Messages by their topics; the id of one is 0 every now and then."""

    def __init__(self, topics: list[bytes]) -> None:
        self.topics = topics
        self.ids = [0 if n % 3 == 2 else 1 + topics.index(one) for n, one in enumerate(topics)]

    def topic_ids(self, first: int, stop: int) -> list[int]:
        return self.ids[first:stop]

    def name_of(self, topic_id: int, sequence: int) -> bytes:
        assert topic_id == self.ids[sequence]
        return self.topics[sequence]


@given(st.lists(names, min_size=1, max_size=30), st.sets(names, min_size=1, max_size=4), st.data())
def test_they_are_those_that_one_finds_one_by_one(
    topics: list[bytes], wants: set[bytes], data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, len(topics) - 1))
    stop = data.draw(st.integers(first + 1, len(topics)))
    log = Topics(topics)
    found = Edges(log, log.name_of)  # type: ignore[arg-type]
    wanted = [n for n in range(first, stop) if topics[n].startswith(tuple(wants))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edges, "PIECE", 4)
        for key in (frozenset(wants), set(wants), frozenset(wants)):
            cohort: Cohort[Member] = Cohort(key)
            if wanted:
                assert found.of(cohort, first, stop) == (wanted[0], wanted[-1])
            else:
                with pytest.raises(ValueError, match="none of these"):
                    found.of(cohort, first, stop)


def test_who_wants_everything_has_lost_all_of_it() -> None:
    log = Topics([b"A"])
    cohort: Cohort[Member] = Cohort(EVERYTHING)
    assert Edges(log, log.name_of).of(cohort, 5, 9) == (5, 8)  # type: ignore[arg-type]
