"""A run with slow subscribers: how much its publisher has for them."""

from __future__ import annotations

import pytest

from soaking.slow.session import log_bytes_for

MIB = 1 << 20
WRITTEN_PER_S = 3 * MIB  # at full rate, at most


@pytest.mark.parametrize("seconds", [2.5, 20.0, 60.0, 600.0])
def test_what_waits_for_who_stalls_stays_in_half_of_the_log_to_the_end(seconds: float) -> None:
    assert log_bytes_for(seconds) / 2 > WRITTEN_PER_S * seconds


def test_a_short_run_has_the_log_that_users_have() -> None:
    assert log_bytes_for(1.0) == 64 * MIB
