"""`block`: the publisher waits for the slowest member, which loses nothing. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.policy.base import Wait
from fanout.workers.policy.limits import UNLIMITED

if TYPE_CHECKING:
    from fanout.workers.policy.base import Lag
    from fanout.workers.policy.limits import Limits

_WAIT = Wait()


class Block:
    """Has no limits of its own: what ends the lag of a member is the size of the log; a `Policy`.

    Args:
        patience: up to which a member that takes nothing does not hold the publisher up soon.
    """

    __slots__ = ("patience",)

    limits = UNLIMITED

    def __init__(self, patience: Limits = UNLIMITED) -> None:
        self.patience = patience

    def judge(self, lag: Lag) -> Wait:
        """It waits, and so does the publisher."""
        del lag
        return _WAIT
