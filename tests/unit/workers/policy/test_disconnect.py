"""`disconnect`: whoever is over a limit is closed, and told by which one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given

from fanout.workers.policy.base import Part
from fanout.workers.policy.disconnect import Disconnect
from tests.unit.workers.policy.behind import LAGS, LIMITS

if TYPE_CHECKING:
    from fanout.workers.policy.limits import Lag, Limits


@pytest.mark.unmeasured
@given(LIMITS, LAGS)
def test_it_is_closed_for_the_limit_that_it_is_over(limits: Limits, lag: Lag) -> None:
    reason = limits.exceeded_by(lag)
    assume(reason is not None)
    assert reason is not None
    assert Disconnect(limits).judge(lag) == Part(reason)
