"""Judging: what becomes of members that are far behind, as their policies say. Pure.

While nobody is over the smallest limits of any policy, nobody is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.reasons import Reason
from fanout.workers.policy.base import KeepNewest, Lag
from fanout.workers.policy.limits import Limits
from fanout.workers.stream.effects import Slowed
from fanout.workers.stream.rounds import Rounds
from fanout.workers.tuning import TUNING, Tuning

if TYPE_CHECKING:
    from fanout.shm.reader import LogReader
    from fanout.workers.policy.base import Policy
    from fanout.workers.stream.budget import Budget
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.totals import Totals


class Judging(Rounds):
    """Asks the policies of the members of one worker.

    Args:
        limits: no member's policy has smaller ones: while nobody is over these, none is asked.
    """

    def __init__(
        self,
        log: LogReader,
        limits: Limits,
        tuning: Tuning = TUNING,
        totals: Totals | None = None,
        budget: Budget | None = None,
    ) -> None:
        super().__init__(log, tuning, totals, budget)
        self._limits = limits

    def set_policy(self, member: Member, policy: Policy) -> None:
        """Something else happens to this member from now on when it is behind."""
        member.policy = policy
        limits = self._limits
        self._limits = Limits(
            min(limits.bytes, policy.limits.bytes), min(limits.messages, policy.limits.messages)
        )

    def enforce(self, now: int) -> bool:
        """Judge the members that are far behind.

        Returns:
            Whether the time was over before all were judged: call it again.
        """
        lag_messages = self.front - self.move_tail()
        lag_bytes = self._log.start_of(self.front) - self._log.start_of(self.backlog.tail)
        more = False
        if self._limits.are_exceeded(lag_bytes, lag_messages):
            more = self._judge(now)
            self.move_tail()
        if self.backlog.spills.are_too_many:
            self.lose_spilled()
        return more

    def behind(self, member: Member) -> int:
        """How far a blocked member is behind the front, in bytes of log."""
        return self._log.start_of(self.front) - member.position

    def lowest_within(self, limits: Limits) -> int:
        """The lowest position of a member that is not over these limits."""
        lowest = self._log.start_of(self.front) - limits.bytes
        if self.front - limits.messages > self.backlog.tail:
            return max(lowest, self._log.start_of(self.front - limits.messages))
        return lowest

    def _judge(self, now: int) -> bool:
        """Ask the policies of the members that are over their limits, and do as they say.

        Returns:
            Whether the time was over before all were asked. The log still has what the others are
            to be sent, and they are the first to be asked the next time.
        """
        log, front = self._log, self.front
        end = log.start_of(front)
        limits, lowest = self._limits, self.lowest_within(self._limits)
        targets: dict[KeepNewest, int] = {}
        for member, since in self.blocked.items():
            if member.policy.limits is not limits:
                limits = member.policy.limits
                lowest = self.lowest_within(limits)
            if member.position >= lowest:
                continue
            self.backlog.settle(member, front)
            lag = Lag(end - member.position, front - member.sequence, now - since)
            verdict = member.policy.judge(lag)
            if isinstance(verdict, KeepNewest):
                if verdict not in targets:
                    targets[verdict] = self._first_of(verdict)
                self._jump(member, targets[verdict])
                if self._budget.is_over():
                    return True
        return False

    def _first_of(self, newest: KeepNewest) -> int:
        """The first of the newest messages that are no more than this."""
        position = self._log.start_of(self.front) - newest.bytes
        first = self._log.sequence_at(position - 1, self.backlog.tail, self.front) + 1
        return min(max(first, self.front - newest.messages), self.front)

    def _jump(self, member: Member, target: int) -> None:
        lost = self.backlog.jump(member, target, self.front, Reason.LAG)
        if lost and not member.slow:
            member.slow = True
            limits = member.policy.limits
            lag = f"{limits.bytes:,} bytes or {limits.messages:,} messages"
            self.effects.append(Slowed(member, f"is more than {lag} behind"))
