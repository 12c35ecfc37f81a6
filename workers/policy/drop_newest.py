"""`drop_newest`: what waits at the limit is sent, and what comes meanwhile is lost. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.reasons import Reason
from fanout.workers.policy.base import FinishThenJump
from fanout.workers.policy.bounded import Bounded

if TYPE_CHECKING:
    from fanout.workers.policy.base import KeepOfLog
    from fanout.workers.policy.limits import Lag


class DropNewest(Bounded):
    """Keeps the oldest of what the limits allow, as a queue with a high-water mark; a `Policy`.

    The log does not wait for that: half a log behind, a member loses its oldest messages too.
    """

    __slots__ = ()

    def judge(self, lag: Lag) -> FinishThenJump | KeepOfLog:
        """It gets what waits for it, and goes on with the present then."""
        reason = self.exceeded(lag)
        return self.of_log if reason is Reason.LAG_LOG else FinishThenJump(reason)
