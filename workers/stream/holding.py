"""Holding: members that are over their limits, and for which the publisher is to wait. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.policy.block import Block
from fanout.workers.stream.member import LOST

if TYPE_CHECKING:
    from collections.abc import Container

    from fanout.workers.stream.lags import Lags
    from fanout.workers.stream.member import Member


class Holding:
    """Remembers who was found to be over a limit, until that is not so any more.

    They hold the publisher up together: so after each turn only one of them is looked at, as long
    as there is one.

    Args:
        blocked: who has anything to be sent.
    """

    def __init__(self, blocked: Container[Member]) -> None:
        self._blocked = blocked
        self._members: dict[Member, None] = {}

    def __contains__(self, member: Member) -> bool:
        return member in self._members

    def add(self, member: Member) -> None:
        """It was found to be over a limit."""
        self._members[member] = None

    def discard(self, member: Member) -> None:
        """It is gone."""
        self._members.pop(member, None)

    def held_by(self, lags: Lags, front: int, now: int) -> int:
        """For whom the publisher is to wait: one of them; 0 = for nobody."""
        while self._members:
            member = next(iter(self._members))
            if self.is_held_by(member, lags, front, now):
                return member.id
            del self._members[member]
        return 0

    def is_held_by(self, member: Member, lags: Lags, front: int, now: int) -> bool:
        """Whether it is still to wait for one of them."""
        policy = member.policy
        if not isinstance(policy, Block) or member not in self._blocked or member.state is LOST:
            return False
        return lags.exceeds(member, policy.resume, front, now)
