"""Catching up: at least twice as much is looked through as came, up to a bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.workers.stream.catching_up import AT_MOST, CatchingUp


@pytest.mark.unmeasured
@given(st.lists(st.integers(0, AT_MOST // 2), min_size=1, max_size=50), st.integers(1, 500))
def test_whatever_comes_the_end_is_met_if_the_time_is_always_over(
    comes: list[int], piece: int
) -> None:
    """Each turn ends as soon as it may; what waits becomes less by as much as came, at least."""
    front, done = 1_000_000, 0
    under_way = CatchingUp(front)
    for more in comes:
        behind = front - done
        front += more
        under_way.begin(front)
        while done < front:
            some = min(piece, front - done)
            done += some
            if under_way.is_enough(some):
                break
        assert front - done <= max(behind - more, 0)


def test_nothing_came_so_any_piece_is_enough() -> None:
    under_way = CatchingUp(10)
    under_way.begin(10)
    assert under_way.is_enough(1)


def test_what_came_before_the_last_turn_is_not_due_again() -> None:
    under_way = CatchingUp(0)
    under_way.begin(100)
    assert not under_way.is_enough(199)
    assert under_way.is_enough(1)
    under_way.begin(101)
    assert under_way.is_enough(2)


def test_who_cannot_keep_up_holds_others_up_for_a_bounded_time() -> None:
    under_way = CatchingUp(0)
    under_way.begin(1 << 40)
    assert not under_way.is_enough(AT_MOST - 1)
    assert under_way.is_enough(1)
