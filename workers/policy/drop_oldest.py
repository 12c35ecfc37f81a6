"""`drop_oldest`: a member that is too far behind loses its oldest messages. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.policy.base import KeepNewest

if TYPE_CHECKING:
    from fanout.workers.policy.base import Lag
    from fanout.workers.policy.limits import Limits

GIVEN_UP_PART = 16  # a member that jumps gives up 1/16 of the limits more than it must, so that it
# does not jump again for each message; its lag never exceeds the limits


class DropOldest:
    """Keeps the newest of what the limits allow; a `Policy`."""

    __slots__ = ("_verdict", "limits")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._verdict = KeepNewest(
            limits.bytes - limits.bytes // GIVEN_UP_PART,
            limits.messages - limits.messages // GIVEN_UP_PART,
        )

    def judge(self, lag: Lag) -> KeepNewest:
        """It jumps; always as far."""
        del lag
        return self._verdict
