"""Limits: which one somebody is over, a share of all, and what people read of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.reasons import Reason
from fanout.workers.policy.limits import NONE, UNLIMITED, Lag, Limits, describe
from tests.unit.workers.policy.behind import LAGS, LIMITS, SHARES, over

SECOND = 1_000_000_000
EXACTLY = Limits(1, 2, 3, 4, 5)


@pytest.mark.unmeasured
@given(LIMITS, LAGS)
def test_the_reason_is_the_first_of_those_that_are_exceeded(limits: Limits, lag: Lag) -> None:
    is_over = over(limits, lag)
    by_log = is_over["log_bytes"] or is_over["log_messages"]
    order = [
        (by_log, Reason.LAG_LOG),
        (is_over["bytes"], Reason.LAG),
        (is_over["messages"], Reason.LAG_MESSAGES),
        (is_over["age_ns"], Reason.LAG_AGE),
    ]
    assert limits.exceeded_by(lag) is next((reason for found, reason in order if found), None)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (0, Reason.LAG),
        (1, Reason.LAG_MESSAGES),
        (2, Reason.LAG_AGE),
        (3, Reason.LAG_LOG),
        (4, Reason.LAG_LOG),
    ],
)
def test_a_limit_may_be_reached_and_not_exceeded(place: int, reason: Reason) -> None:
    reached = [1, 2, 3, 4, 5]
    assert EXACTLY.exceeded_by(Lag(*reached)) is None
    reached[place] += 1
    assert EXACTLY.exceeded_by(Lag(*reached)) is reason


@given(LAGS)
def test_without_limits_nobody_is_too_far_behind(lag: Lag) -> None:
    assert UNLIMITED.exceeded_by(lag) is None


@given(LIMITS, SHARES, LAGS)
def test_who_is_over_all_is_over_any_share_of_it(limits: Limits, share: float, lag: Lag) -> None:
    part = limits.part(share)
    if limits.exceeded_by(lag) is not None:
        assert part.exceeded_by(lag) is not None


@given(st.integers(0, 1 << 40), st.sampled_from([0.25, 0.5, 0.875, 1.0]))
def test_a_share_is_of_each_limit_and_rounded_down(amount: int, share: float) -> None:
    part = Limits(amount, amount, amount, amount, amount).part(share)
    assert part == Limits(*[int(amount * share)] * 5)


def test_a_share_of_no_limit_is_none() -> None:
    assert UNLIMITED.part(0.5) == UNLIMITED
    assert Limits(messages=9).part(0.5) == Limits(NONE, 4, NONE, NONE, NONE)


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (Reason.LAG, "1,000 bytes wait for it"),
        (Reason.LAG_MESSAGES, "2,000 messages wait for it"),
        (Reason.LAG_AGE, "its oldest message has waited for 2.5 s"),
        (Reason.LAG_LOG, "is 3,000 bytes or 4,000 messages of log behind"),
    ],
)
def test_people_are_told_of_what_was_too_much(reason: Reason, text: str) -> None:
    assert describe(Lag(1_000, 2_000, 5 * SECOND // 2, 3_000, 4_000), reason) == text
