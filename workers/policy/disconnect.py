"""`disconnect`: a member that is too far behind is closed, and may connect again. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.policy.base import Part
from fanout.workers.policy.bounded import Bounded

if TYPE_CHECKING:
    from fanout.workers.policy.limits import Lag


class Disconnect(Bounded):
    """Loses nobody a message without its being seen: the connection ends; a `Policy`."""

    __slots__ = ()

    def judge(self, lag: Lag) -> Part:
        """It is closed."""
        return Part(self.exceeded(lag))
