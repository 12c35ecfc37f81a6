"""`block`: the publisher waits for the slowest member, which loses nothing. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.policy.base import Wait
from fanout.workers.policy.limits import UNLIMITED

if TYPE_CHECKING:
    from fanout.workers.policy.limits import Lag, Limits

_WAIT = Wait()


class Block:
    """Has no limits: what ends the lag of a member is the size of the log; a `Policy`.

    The publisher commits a message before anybody knows who wants it. So it cannot wait for less.

    Args:
        soft: from where on it is reported as slow.
        patience: up to which a member that takes nothing does not hold the publisher up soon.
    """

    __slots__ = ("max_rate", "patience", "soft")

    limits = UNLIMITED
    conflates = False
    min_interval_ns = 0

    def __init__(
        self, soft: Limits = UNLIMITED, patience: Limits = UNLIMITED, max_rate: int = 0
    ) -> None:
        self.soft = soft
        self.patience = patience
        self.max_rate = max_rate

    def judge(self, lag: Lag) -> Wait:
        """It waits, and so does the publisher."""
        del lag
        return _WAIT
