"""`drop_oldest`: a member that is too far behind loses its oldest messages. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.reasons import Reason
from fanout.workers.policy.base import KeepNewest
from fanout.workers.policy.bounded import Bounded
from fanout.workers.policy.limits import NONE, Lag

if TYPE_CHECKING:
    from fanout.workers.policy.base import KeepOfLog


class DropOldest(Bounded):
    """Keeps the newest of what the limits allow; a `Policy`."""

    __slots__ = ()

    def judge(self, lag: Lag) -> KeepNewest | KeepOfLog:
        """It jumps, so that it is below each limit that it is over."""
        reason = self.exceeded(lag)
        if reason is Reason.LAG_LOG:
            return self.of_log
        limits, kept = self.limits, self.kept
        return KeepNewest(
            reason,
            kept.bytes if lag.bytes > limits.bytes else NONE,
            kept.messages if lag.messages > limits.messages else NONE,
            kept.age_ns if lag.age_ns > limits.age_ns else NONE,
        )
