"""Waits between attempts to connect."""

from __future__ import annotations

from fanout.subscriber.backoff import BackOff


def test_waits_double_up_to_five_seconds_and_start_anew() -> None:
    back_off = BackOff(lambda: 0.0)
    assert [back_off.failed() for _ in range(8)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    back_off.succeeded()
    assert back_off.failed() == 0.1


def test_chance_takes_up_to_half_of_a_wait() -> None:
    back_off = BackOff(lambda: 0.999)
    assert 0.05 <= back_off.failed() < 0.051
