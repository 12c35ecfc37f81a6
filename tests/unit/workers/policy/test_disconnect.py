"""`disconnect`: whoever is over a limit is closed, and told by which one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from fanout.workers.policy.base import Part
from fanout.workers.policy.disconnect import Disconnect
from tests.unit.workers.policy.behind import OF_LOG, OWN, exceeded

if TYPE_CHECKING:
    from fanout.workers.policy.limits import Lag, Limits


@pytest.mark.unmeasured
@given(exceeded(*OWN, *OF_LOG))
def test_it_is_closed_for_the_limit_that_it_is_over(behind: tuple[Limits, Lag]) -> None:
    limits, lag = behind
    reason = limits.exceeded_by(lag)
    assert reason is not None
    assert Disconnect(limits).judge(lag) == Part(reason)
