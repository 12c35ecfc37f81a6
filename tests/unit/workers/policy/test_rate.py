"""Rate: never more than a tenth of a second at once, and the rate over any time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.basics.units import NS
from fanout.workers.policy.rate import Rate


@pytest.mark.unmeasured
@given(
    limit=st.integers(1, 1 << 40),
    asked=st.lists(st.tuples(st.integers(0, 2 * NS), st.integers(0, 1 << 40)), max_size=50),
)
def test_no_more_than_the_rate_over_any_time(limit: int, asked: list[tuple[int, int]]) -> None:
    begin = now = 5 * NS
    rate = Rate(limit, now)
    taken = 0
    for passed, wanted in asked:
        now += passed
        allowed = rate.allowance(now)
        count = min(allowed, wanted)
        rate.take(count)
        taken += count
        assert taken * NS <= limit * (now - begin) + max(limit // 10, 1) * NS


def test_when_it_is_full_it_gives_all_it_may() -> None:
    rate = Rate(1_000, 0)
    rate.take(rate.allowance(0))

    assert rate.full_at == NS // 10
    assert rate.allowance(rate.full_at - 1) == 99
    assert rate.allowance(rate.full_at) == 100
    assert rate.full_at == NS // 10
