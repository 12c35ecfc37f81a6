"""`drop_oldest`: it jumps so far that it is below each limit that it was over, and no further."""

from __future__ import annotations

import pytest
from hypothesis import given

from fanout.reasons import Reason
from fanout.workers.policy.base import KeepNewest
from fanout.workers.policy.drop_oldest import DropOldest
from fanout.workers.policy.limits import NONE, Lag, Limits
from tests.unit.workers.policy.behind import OF_LOG, OWN, exceeded, over


@pytest.mark.unmeasured
@given(exceeded(*OWN))
def test_what_it_keeps_is_below_each_limit_that_it_is_over(behind: tuple[Limits, Lag]) -> None:
    limits, lag = behind
    reason = limits.exceeded_by(lag)
    verdict, is_over = DropOldest(limits).judge(lag), over(limits, lag)

    assert isinstance(verdict, KeepNewest)
    assert verdict.reason is reason
    for name in ("bytes", "messages", "age_ns"):
        kept = getattr(verdict, name)
        if is_over[name]:
            assert kept <= max(getattr(limits, name), name == "messages")
        else:
            assert kept == NONE, "nothing is lost by a limit that it keeps"


@pytest.mark.unmeasured
@given(exceeded(*OF_LOG))
def test_for_the_log_it_keeps_what_the_log_can_keep(behind: tuple[Limits, Lag]) -> None:
    limits, lag = behind
    assert limits.exceeded_by(lag) is Reason.LAG_LOG
    policy = DropOldest(limits)
    assert policy.judge(lag) == policy.of_log
