"""By when the end is to be over, as several calls of `close()` want it."""

from __future__ import annotations

import math

from fanout.coordinator.end_times import EndTimes


def test_nothing_has_an_end_before_somebody_wants_one() -> None:
    times = EndTimes()
    assert (times.spread_until, times.until) == (math.inf, math.inf)


def test_a_call_has_its_time_for_delivering_beside_that_for_spreading() -> None:
    times = EndTimes()
    assert times.bring_forward(5.0, 2.0, 100.0)
    assert (times.spread_until, times.until) == (102.0, 107.0)
    assert times.left(101.0) == (5.0, 1.0)
    assert times.left(104.0) == (3.0, 0.0)
    assert times.left(110.0) == (0.0, 0.0)


def test_another_call_brings_forward_what_it_wants_sooner_and_nothing_else() -> None:
    times = EndTimes()
    times.bring_forward(5.0, 20.0, 100.0)
    assert not times.bring_forward(60.0, 30.0, 101.0), "it may wait longer"
    assert (times.spread_until, times.until) == (120.0, 125.0)
    assert times.bring_forward(60.0, 0.0, 102.0)
    assert (times.spread_until, times.until) == (102.0, 125.0)
    assert times.bring_forward(1.0, 0.0, 103.0)
    assert (times.spread_until, times.until) == (102.0, 104.0)


def test_nobody_is_closed_later_than_all_of_it_is_over() -> None:
    times = EndTimes()
    times.bring_forward(math.inf, 50.0, 0.0)
    times.bring_forward(10.0, 50.0, -40.0)  # an earlier one, which was late
    assert times.left(0.0) == (10.0, 10.0)
    times.until = 5.0
    assert times.left(0.0) == (0.0, 5.0)
