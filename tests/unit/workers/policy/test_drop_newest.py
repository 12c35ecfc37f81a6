"""`drop_newest`: what waits is sent first; only for the log it jumps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from fanout.reasons import Reason
from fanout.workers.policy.base import FinishThenJump
from fanout.workers.policy.drop_newest import DropNewest
from tests.unit.workers.policy.behind import OF_LOG, OWN, exceeded

if TYPE_CHECKING:
    from fanout.workers.policy.limits import Lag, Limits


@pytest.mark.unmeasured
@given(exceeded(*OWN, *OF_LOG))
def test_it_finishes_unless_the_log_cannot_wait(behind: tuple[Limits, Lag]) -> None:
    limits, lag = behind
    reason = limits.exceeded_by(lag)
    assert reason is not None
    policy = DropNewest(limits)
    of_log = reason is Reason.LAG_LOG
    assert policy.judge(lag) == (policy.of_log if of_log else FinishThenJump(reason))
