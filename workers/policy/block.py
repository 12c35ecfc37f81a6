"""`block`: the publisher waits for the slowest member, which loses nothing. Pure.

It commits a message before anybody knows who wants it. So it is told how many it may commit as if
all of them were wanted, and has to wait for another look by then. It is held up once somebody is at
a limit, and goes on when that one has taken so much that it is below it again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fanout.workers.policy.base import Wait
from fanout.workers.policy.limits import NONE, UNLIMITED

if TYPE_CHECKING:
    from fanout.workers.policy.limits import Lag, Limits

_WAIT = Wait()
# Of a limit: there the publisher goes on. Just below it, it would be held up again by the next
# message, each of which would cost a turn.
RESUME_SHARE = 15 / 16


class Block:
    """A `Policy`. Without limits, what ends the lag of a member is the size of the log.

    Args:
        limits: at which it holds the publisher up.
        soft: from where on it is reported as slow.
        patience: up to which a member that takes nothing does not hold the publisher up soon.

    Attributes:
        limits: a message and a byte below these: what is beyond is at the limit.
        resume: up to which one may be behind that has held it up, for it to go on.
    """

    __slots__ = ("limits", "max_rate", "patience", "resume", "soft")

    conflates = False
    min_interval_ns = 0

    def __init__(
        self,
        soft: Limits = UNLIMITED,
        patience: Limits = UNLIMITED,
        max_rate: int = 0,
        limits: Limits = UNLIMITED,
    ) -> None:
        self.limits = replace(limits, bytes=_below(limits.bytes), messages=_below(limits.messages))
        self.resume = limits.part(RESUME_SHARE)
        self.soft = soft
        self.patience = patience
        self.max_rate = max_rate

    def judge(self, lag: Lag) -> Wait:
        """It waits, and so does the publisher."""
        del lag
        return _WAIT


def _below(limit: int) -> int:
    """The most that is below it."""
    return limit if limit == NONE else limit - 1
