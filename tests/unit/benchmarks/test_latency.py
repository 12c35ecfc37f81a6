"""Latencies are read off byte counts."""

from __future__ import annotations

import pytest

from benchmarks.latency import arrival_times, quantiles, summarise


def test_a_message_has_arrived_when_its_last_byte_has() -> None:
    assert arrival_times([(10, 99), (20, 1), (30, 250), (40, 50)], 100, 4) == [20, 30, 30, 40]


def test_bytes_beyond_the_last_message_are_no_message() -> None:
    assert arrival_times([(10, 100), (20, 6)], 100, 1) == [10]


def test_quantiles_are_in_seconds_and_of_what_was_measured() -> None:
    assert quantiles([3_000_000_000, 1_000_000_000, 2_000_000_000]) == [2.0, 3.0, 3.0, 3.0]


def test_the_last_of_the_quantiles_is_the_most_that_any_took() -> None:
    times = [*range(9_999), 5_000_000_000]
    assert quantiles(times)[-2:] == pytest.approx([9_990e-9, 5.0])


def test_the_last_subscriber_and_the_spread_are_those_of_each_message() -> None:
    found = summarise([[110, 205], [130, 240]], [100, 200])
    assert found["every"][1] == pytest.approx(40e-9)
    assert found["last"] == pytest.approx([40e-9] * 4)
    assert found["spread"] == pytest.approx([35e-9] * 4)


def test_a_message_that_one_subscriber_lacks_is_an_error() -> None:
    with pytest.raises(ValueError, match="longer"):
        summarise([[110, 205], [130]], [100, 200])
