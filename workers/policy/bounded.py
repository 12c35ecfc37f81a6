"""What the policies have in common that do something at a limit. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fanout.workers.policy.base import KeepOfLog

if TYPE_CHECKING:
    from fanout.reasons import Reason
    from fanout.workers.policy.limits import Lag, Limits

KEPT = 1 - 1 / 16  # a member that jumps gives up 1/16 of the limits more than it must, so that it
# does not jump again for each message; its lag never exceeds the limits
NEAR = 1 - 1 / 8  # within 1/8 of its limits it is about to lose messages, and after a jump still is


class Bounded:
    """Limits, and what follows from them; most of a `Policy`.

    Args:
        limits: those of the log among them: nobody is further behind than half of it.
        soft: the share of them at which a member is reported as slow.
        max_rate: bytes a second that a member is sent at most; 0 = as many as it takes.
    """

    __slots__ = ("kept", "limits", "max_rate", "of_log", "patience", "soft")

    conflates = False
    min_interval_ns = 0

    def __init__(self, limits: Limits, soft: float = 1.0, max_rate: int = 0) -> None:
        self.limits = limits
        self.soft = limits.part(soft)
        self.patience = limits.part(NEAR)
        kept = limits.part(KEPT)
        self.kept = replace(kept, messages=max(kept.messages, 1))  # the newest one fits any limit
        self.max_rate = max_rate
        self.of_log = KeepOfLog(self.kept.log_bytes, self.kept.log_messages)

    def exceeded(self, lag: Lag) -> Reason:
        """By which limit a member is too far behind; `LAG_LOG` goes before all others."""
        reason = self.limits.exceeded_by(lag)
        assert reason is not None, "who is over no limit is not judged"
        return reason
