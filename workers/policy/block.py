"""`block`: the publisher waits for the slowest member, which loses nothing. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.policy.base import Wait
from fanout.workers.policy.limits import UNLIMITED

if TYPE_CHECKING:
    from fanout.workers.policy.base import Lag

_WAIT = Wait()


class Block:
    """Has no limits of its own: what ends the lag of a member is the size of the log; a `Policy`.

    Who takes nothing at all is lost after `send_timeout`, as under every policy.
    """

    __slots__ = ()

    limits = UNLIMITED

    def judge(self, lag: Lag) -> Wait:
        """It waits, and so does the publisher."""
        del lag
        return _WAIT
