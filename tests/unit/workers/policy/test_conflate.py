"""`conflate`: by its limits, at any time, or once in an interval; the log is its last limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fanout.workers.policy.base import KeepOfLog, Thin
from fanout.workers.policy.conflate import Conflate
from fanout.workers.policy.limits import Lag, Limits
from tests.unit.workers.policy.behind import LAGS

LOG = Limits(log_bytes=1_600, log_messages=160)


@given(LAGS)
def test_it_keeps_the_newest_of_each_topic_of_what_the_log_can_keep(lag: Lag) -> None:
    for limits in (LOG, Limits(10, 10, 10, 1_600, 160)):
        assert Conflate(limits).judge(lag) == Thin(KeepOfLog(1_500, 150))


def test_without_limits_of_its_own_it_is_thinned_whenever_something_waits() -> None:
    policy = Conflate(LOG)
    assert policy.conflates
    assert policy.limits == LOG


def test_any_limit_of_its_own_says_when_it_is_thinned() -> None:
    for limit in ({"bytes": 10}, {"messages": 10}, {"age_ns": 10}):
        limits = Limits(log_bytes=1_600, log_messages=160, **limit)
        policy = Conflate(limits)
        assert not policy.conflates
        assert policy.limits == limits


@given(st.integers(1, 1 << 40))
def test_with_an_interval_limits_only_say_when_it_is_slow(interval: int) -> None:
    """A pass is not thinned once more: of each topic it has one message at most."""
    limits = Limits(100, 10, 1_000, 1_600, 160)
    policy = Conflate(limits, 0.5, 7, interval)
    assert policy.conflates
    assert policy.min_interval_ns == interval
    assert policy.limits == LOG
    assert policy.soft == limits.part(0.5)
    assert policy.max_rate == 7
