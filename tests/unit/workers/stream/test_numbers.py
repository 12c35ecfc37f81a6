"""Numbers: ascending ones in little memory, as a list would have them."""

from __future__ import annotations

import tracemalloc
from bisect import bisect_left
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.workers.stream.numbers import BLOCK, BLOCK_BYTES_MAX, BLOCKS_KEPT, Numbers, numbers_in

if TYPE_CHECKING:
    from collections.abc import Sequence

FAR = 1 << 40  # messages are numbered for as long as a publisher runs


@st.composite
def ascending(draw: st.DrawFn) -> list[int]:
    """Some blocks with few of them, and some with many."""
    base = draw(st.sampled_from([0, 1, BLOCK - 1, FAR]))
    few = draw(st.sets(st.integers(0, 5 * BLOCK), max_size=40))
    first = draw(st.integers(0, 4 * BLOCK))
    step = draw(st.integers(1, 40))
    many = range(first, first + draw(st.integers(0, 2 * BLOCK)), step)
    return sorted(base + one for one in few.union(many))


@given(ascending(), st.data())
def test_they_are_as_in_a_list(numbers: list[int], data: st.DataObject) -> None:
    found = Numbers(numbers)
    assert (len(found), [*found]) == (len(numbers), numbers)
    assert [*numbers_in(found.packed())] == numbers
    places = st.integers(0, len(numbers))
    low, high = sorted((data.draw(places), data.draw(places)))
    assert [*found.some(low, high)] == numbers[low:high]
    for at in (low, high):
        if at < len(numbers):
            assert found[at] == numbers[at]
            for near in (numbers[at] - 1, numbers[at], numbers[at] + 1):
                assert found.place_of(near) == bisect_left(numbers, near)
    assert found.place_of(0) == bisect_left(numbers, 0)
    assert found.place_of(FAR * 2) == len(numbers)


@pytest.mark.parametrize("numbers", [range(0), range(7, 8), range(FAR, FAR + BLOCK)])
def test_none_one_and_a_whole_block_are_as_well(numbers: Sequence[int]) -> None:
    found = Numbers(numbers)

    assert [*found] == [*numbers_in(found.packed())] == [*numbers]
    assert found.place_of(FAR * 2) == len(numbers)


@pytest.mark.parametrize("step", [1, 3, 17, 400])
def test_however_many_there_are_a_block_takes_no_more(step: int) -> None:
    blocks = 64
    numbers = [*range(FAR, FAR + blocks * BLOCK, step)]
    tracemalloc.start()
    try:
        found = Numbers(numbers)
        taken, _most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(found) == len(numbers)
    assert taken <= (blocks + 1) * BLOCK_BYTES_MAX
    assert len(found.packed()) <= (blocks + 1) * BLOCK_BYTES_MAX


def test_blocks_that_were_looked_at_are_kept_for_a_while() -> None:
    """One who goes on does not unpack what it is in for each bit that its socket takes."""
    found = Numbers(range(20 * BLOCK))
    assert found._block(0) is found._block(0)
    assert [found[at] for at in range(0, 20 * BLOCK, BLOCK)] == [*range(0, 20 * BLOCK, BLOCK)]
    assert len(found._unpacked) == 1
    found.are_shared = True
    assert [found[at] for at in range(0, 20 * BLOCK, BLOCK)] == [*range(0, 20 * BLOCK, BLOCK)]
    assert len(found._unpacked) == BLOCKS_KEPT
