"""The policy of a member that is sent what it had missed. Pure.

It is far behind because it has asked for that, so the limits of its own policy would cut what it
was promised. It never makes the publisher wait: it may fall as far behind as the log allows that is
kept for everybody, and then it loses the oldest of what it was still to be sent.

Nor is it conflated: which messages of half a log are the newest of their topics would have to be
found at once, and others would wait for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.policy.bounded import Bounded
from fanout.workers.policy.limits import Limits

if TYPE_CHECKING:
    from fanout.workers.policy.base import KeepOfLog, Policy
    from fanout.workers.policy.limits import Lag

PARTS = 8
BEHIND_PARTS = 5  # of the log: what may be asked for is 4 of them, and 6 are kept at any time


class WhileReplaying(Bounded):
    """Up to the first message that it wants by itself; then its own policy holds.

    Args:
        own: that.
        log_bytes, entries: bytes and messages that the log holds.
    """

    __slots__ = ("own",)

    def __init__(self, own: Policy, log_bytes: int, entries: int) -> None:
        limits = Limits(
            log_bytes=log_bytes * BEHIND_PARTS // PARTS,
            log_messages=entries * BEHIND_PARTS // PARTS,
        )
        super().__init__(limits, 1.0, own.max_rate)
        self.own = own

    def judge(self, _lag: Lag) -> KeepOfLog:
        """It keeps the newest of what there may be."""
        return self.of_log
