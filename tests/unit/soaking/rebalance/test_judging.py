"""When loads are equal and all is still, and what is found when they are not."""

from __future__ import annotations

import pytest

from soaking.rebalance.judging import Found, difference


def looked(*loads: tuple[float, float], within: float = 2.0) -> Found:
    """A look a second at two workers that have had these loads."""
    found = Found(within, moves=[0.5])
    first = second = 0.0
    found.looks.append((0.0, [0.0, 0.0]))
    for at, (one, other) in enumerate(loads, 1):
        first, second = first + one, second + other
        found.looks.append((float(at), [first, second]))
    return found


def test_loads_that_are_equal_in_time_and_remain_so_are_right() -> None:
    found = looked((0.5, 0.1), (0.5, 0.1), *[(0.3, 0.27)] * 6)
    assert found.complaints() == []
    assert found.later_difference == pytest.approx(0.1)


def test_loads_that_differ_later_are_found() -> None:
    found = looked(*[(0.5, 0.1)] * 8)
    (text,) = found.complaints()
    assert text.startswith("after 2 s the loads differ by 80%")


def test_nobody_is_to_be_moved_later_and_somebody_before() -> None:
    found = looked(*[(0.3, 0.3)] * 8)
    found.moves = [1.0, 6.9, 7.5]
    assert found.complaints() == ["it is not still: somebody is moved after [7.5] s"]
    found.moves = []
    assert found.complaints() == ["nobody was moved"]


def test_what_was_not_measured_is_no_equality() -> None:
    assert difference([]) == difference([0.0, 0.0]) == 1.0
    assert looked((0.3, 0.3)).complaints() != []
