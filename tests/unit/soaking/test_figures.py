"""Times in a histogram of fixed size, and what is missing of a feed."""

from __future__ import annotations

import json
import math

import pytest

from soaking.figures import STEPS, Histogram, Numbers


def counted(*times: int) -> Histogram:
    histogram = Histogram()
    for time in times:
        histogram.add(time)
    return histogram


def test_small_times_are_exact() -> None:
    histogram = counted(*range(1, 101))
    assert [histogram.quantile(share) for share in (0.01, 0.5, 0.99, 1)] == [1, 50, 99, 100]


@pytest.mark.parametrize("time", [127, 128, 129, 255, 256, 1_000, 123_456_789, 10**12])
def test_large_times_are_known_to_a_part(time: int) -> None:
    found = counted(time).quantile(0.5)
    assert time <= found <= time * (1 + 1 / STEPS)


def test_a_quantile_is_what_this_share_does_not_exceed() -> None:
    histogram = counted(*[10] * 98, 100, 100)
    assert (histogram.quantile(0.98), histogram.quantile(0.99)) == (10, 100)


def test_a_time_before_the_beginning_is_none() -> None:
    assert counted(-5).quantile(1) == 0


def test_nothing_has_no_quantile() -> None:
    assert math.isnan(Histogram().quantile(0.5))


def test_histograms_of_two_processes_are_one() -> None:
    sent = json.loads(json.dumps(counted(5, 7_000_000).as_pairs()))
    merged = counted(5, 6)
    merged.merge(Histogram.from_pairs(sent))
    assert merged.total == 4
    assert [merged.quantile(share) for share in (0.5, 0.75)] == [5, 6]


def test_a_histogram_can_be_cleared() -> None:
    histogram = counted(1, 2)
    histogram.clear()
    assert histogram.total == 0


def heard(*numbers: int) -> Numbers:
    found = Numbers()
    for number in numbers:
        found.add(number)
    return found


def test_what_did_not_come_is_lost() -> None:
    assert heard(0, 1, 4).lost(published=6) == 3
    assert heard().lost(published=6) == 6


def test_what_comes_twice_is_told_and_makes_up_for_nothing() -> None:
    found = heard(0, 1, 1)
    assert (found.disorder, found.lost(published=3)) == (1, 1)
