"""`conflate`: of what waits for a member, it gets the newest message of each topic. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fanout.workers.policy.base import Thin
from fanout.workers.policy.bounded import Bounded
from fanout.workers.policy.limits import NONE

if TYPE_CHECKING:
    from fanout.workers.policy.limits import Lag, Limits


class Conflate(Bounded):
    """Thins what waits; without limits of its own whenever something does; a `Policy`.

    The log does not wait for that: what is newest and half a log behind is lost. With an interval
    limits only say from where on it is slow: a pass that is thinned once more is one in which a
    topic may come again.

    Args:
        min_interval_ns: between the end of what it is sent and the next time that it is sent
            something: so it gets no topic more often.
    """

    __slots__ = ("conflates", "min_interval_ns")

    def __init__(
        self, limits: Limits, soft: float = 1.0, max_rate: int = 0, min_interval_ns: int = 0
    ) -> None:
        super().__init__(limits, soft, max_rate)
        has_limits = (limits.bytes, limits.messages, limits.age_ns) != (NONE, NONE, NONE)
        self.conflates = not has_limits or min_interval_ns > 0
        if self.conflates:
            self.limits = replace(limits, bytes=NONE, messages=NONE, age_ns=NONE)
        self.min_interval_ns = min_interval_ns

    def judge(self, lag: Lag) -> Thin:
        """It keeps the newest of each topic, of those that the log can keep."""
        del lag
        return Thin(self.of_log)
