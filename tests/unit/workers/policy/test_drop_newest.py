"""`drop_newest`: what waits is sent first; only for the log it jumps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given

from fanout.reasons import Reason
from fanout.workers.policy.base import FinishThenJump
from fanout.workers.policy.drop_newest import DropNewest
from tests.unit.workers.policy.behind import LAGS, LIMITS

if TYPE_CHECKING:
    from fanout.workers.policy.limits import Lag, Limits


@pytest.mark.unmeasured
@given(LIMITS, LAGS)
def test_it_finishes_unless_the_log_cannot_wait(limits: Limits, lag: Lag) -> None:
    reason = limits.exceeded_by(lag)
    assume(reason is not None)
    assert reason is not None
    policy = DropNewest(limits)
    of_log = reason is Reason.LAG_LOG
    assert policy.judge(lag) == (policy.of_log if of_log else FinishThenJump(reason))
