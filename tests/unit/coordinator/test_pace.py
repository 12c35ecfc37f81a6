"""No more than so many in so many seconds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.coordinator.pace import Pace


def test_so_many_pass_at_once_and_the_next_when_the_first_is_that_long_ago() -> None:
    pace = Pace(3, 10.0)
    assert pace.opens == -math.inf
    assert [pace.passes(now) for now in (1.0, 2.0, 4.0, 4.0, 10.9)] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert pace.opens == 11.0
    assert pace.passes(11.0)
    assert pace.opens == 12.0, "the second one was then"


@pytest.mark.unmeasured
@given(
    st.integers(1, 5),
    st.lists(st.integers(0, 4), max_size=60),
)
def test_it_is_neither_exceeded_nor_kept_below(count: int, steps: list[int]) -> None:
    """Who comes when fewer than so many have passed in that time passes, and nobody else."""
    pace, passed, now = Pace(count, 6), list[int](), 0
    for step in steps:
        now += step
        before = sum(now - 6 < time for time in passed)
        assert pace.passes(now) == (before < count)
        if before < count:
            passed.append(now)
