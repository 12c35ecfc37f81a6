"""`drop_oldest`: a member that is too far behind loses its oldest messages. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.policy.base import KeepNewest
from fanout.workers.policy.limits import Limits

if TYPE_CHECKING:
    from fanout.workers.policy.base import Lag

GIVEN_UP_PART = 16  # a member that jumps gives up 1/16 of the limits more than it must, so that it
# does not jump again for each message; its lag never exceeds the limits
NEAR_PART = 8  # within 1/8 of its limits it is about to lose messages, and after a jump still is


class DropOldest:
    """Keeps the newest of what the limits allow; a `Policy`."""

    __slots__ = ("_verdict", "limits", "patience")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.patience = Limits(
            limits.bytes - limits.bytes // NEAR_PART,
            limits.messages - limits.messages // NEAR_PART,
        )
        self._verdict = KeepNewest(
            limits.bytes - limits.bytes // GIVEN_UP_PART,
            limits.messages - limits.messages // GIVEN_UP_PART,
        )

    def judge(self, lag: Lag) -> KeepNewest:
        """It jumps; always as far."""
        del lag
        return self._verdict
