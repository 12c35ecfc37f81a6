"""What policies with limits have in common: where one is slow, in the way, and how far it jumps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.reasons import Reason
from fanout.workers.policy.base import KeepOfLog
from fanout.workers.policy.bounded import Bounded
from fanout.workers.policy.limits import UNLIMITED, Lag, Limits
from tests.unit.workers.policy.behind import LAGS, LIMITS, SHARES


@pytest.mark.unmeasured
@given(LIMITS, SHARES, LAGS)
def test_who_is_too_far_behind_was_slow_and_in_the_way_before(
    limits: Limits, soft: float, lag: Lag
) -> None:
    policy = Bounded(limits, soft)
    if policy.limits.exceeded_by(lag) is not None:
        assert policy.soft.exceeded_by(lag) is not None
        assert policy.patience.exceeded_by(lag) is not None


@given(LIMITS)
def test_what_a_jump_keeps_is_within_the_limits_and_one_message_at_least(limits: Limits) -> None:
    kept = Bounded(limits).kept
    as_lag = Lag(kept.bytes, kept.messages, kept.age_ns, kept.log_bytes, kept.log_messages)
    assert kept.messages >= 1, "the newest message fits any limit"
    if limits.messages:
        assert limits.exceeded_by(as_lag) is None


def test_a_jump_gives_up_a_sixteenth_and_the_way_is_blocked_from_seven_eighths_on() -> None:
    policy = Bounded(Limits(1_600, 160, 16_000, 3_200, 320), 0.5, 7)

    assert policy.kept == Limits(1_500, 150, 15_000, 3_000, 300)
    assert policy.of_log == KeepOfLog(3_000, 300)
    assert policy.patience == Limits(1_400, 140, 14_000, 2_800, 280)
    assert policy.soft == Limits(800, 80, 8_000, 1_600, 160)
    assert policy.max_rate == 7
    assert (policy.conflates, policy.min_interval_ns) == (False, 0)


@given(st.integers(1, 1 << 30))
def test_it_does_not_jump_again_for_the_very_next_message(size: int) -> None:
    """Unless the limit is so small that there is nothing to spare."""
    policy = Bounded(Limits(messages=size))
    assert size - policy.kept.messages >= (size >= 16)


def test_who_asks_must_be_over_a_limit() -> None:
    policy = Bounded(Limits(bytes=10, log_bytes=20))
    assert policy.exceeded(Lag(11, 0, 0, 0, 0)) is Reason.LAG
    assert policy.exceeded(Lag(11, 0, 0, 21, 0)) is Reason.LAG_LOG
    with pytest.raises(AssertionError, match="no limit"):
        policy.exceeded(Lag(10, 0, 0, 20, 0))
    assert Bounded(UNLIMITED).patience == UNLIMITED
