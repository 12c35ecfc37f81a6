"""Rates between two readings."""

from __future__ import annotations

from fanout.basics.units import NS
from fanout.cli.top.figures import Rates, Reading, age_s

BEFORE = Reading(5 * NS, 100, 1_000, 300, 7, {0: (30, 600), 1: (10, 500)})
AFTER = Reading(7 * NS, 150, 1_800, 500, 7, {0: (20, 700), 1: (16, 800), 2: (5, 5)})


def test_rates_are_of_a_second() -> None:
    rates = Rates(BEFORE, AFTER)

    assert (rates.published, rates.published_bytes, rates.sent, rates.dropped) == (25, 400, 100, 0)
    assert rates.worker(1) == (3, 150)


def test_there_is_none_without_a_reading_before() -> None:
    rates = Rates(None, AFTER)

    assert (rates.published, rates.published_bytes, rates.sent, rates.dropped) == (None,) * 4
    assert rates.worker(1) == (None, None)


def test_a_worker_that_was_not_there_has_none() -> None:
    rates = Rates(BEFORE, AFTER)

    assert rates.worker(2) == rates.worker(3) == (None, None)


def test_a_counter_that_went_back_has_none() -> None:
    assert Rates(BEFORE, AFTER).worker(0) == (None, 50)


def test_two_readings_at_one_time_have_none() -> None:
    assert Rates(BEFORE, BEFORE).published is None


def test_ages() -> None:
    assert age_s(2 * NS, 5 * NS) == 3.0
    assert age_s(5 * NS, 2 * NS) == 0.0
    assert age_s(0, 5 * NS) is None
