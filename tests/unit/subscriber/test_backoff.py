"""Waits between attempts to connect."""

from __future__ import annotations

from fanout.subscriber.backoff import LEAST_S, BackOff


def test_the_longest_wait_doubles_up_to_ten_seconds_and_starts_anew() -> None:
    back_off = BackOff(lambda: 0.5)
    waits = [back_off.failed() * 2 for _ in range(9)]
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
    back_off.succeeded()
    assert back_off.failed() == 0.05


def test_chance_takes_any_part_of_a_wait_but_for_the_last_hundredth_second() -> None:
    back_off = BackOff(iter([0.999, 0.0]).__next__)
    assert 0.099 < back_off.failed() < 0.1
    assert back_off.failed() == LEAST_S
