"""Lags: how much of what waits for a blocked member is how old, and where it would jump to. Pure.

Messages and their bytes are counted by who matches them, so how many wait for a member is known at
any time, and only looked up here. Which of them are the newest so many is found out when it jumps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.reasons import Reason
from fanout.workers.policy.limits import NONE, Lag
from fanout.workers.stream.looks import Looks, is_filtered, pieces
from fanout.workers.stream.segments import segments
from fanout.workers.stream.values import Values

if TYPE_CHECKING:
    from fanout.shm.reader import LogReader
    from fanout.workers.policy.ages import Ages
    from fanout.workers.policy.base import KeepNewest, Policy
    from fanout.workers.policy.limits import Limits
    from fanout.workers.stream.backlog import Backlog
    from fanout.workers.stream.cohort import Cohort
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.turn_part import TurnPart

# Messages that are looked through at once for where a member jumps to. The worker serves nobody
# meanwhile, for some 10 ms if they were not looked at before; peers choose policies, and when.
LOOKED_MAX = 4_096
# A member that loses whatever comes, and is subscribed to some topics only, has its losses counted
# at the latest after so many messages: to look through more of them at once would hold up others,
# and until it reads again, which may be long, nothing else would have them counted.
LOSING_MAX = 16_384
# CPU time for each message that is looked through, where all that waits is. Measured with 524,288
# of 20 bytes: 0.7 us where one conflates that wants all, 0.8 to 1.9 us by prefixes.
LOOK_NS = 1_000


class Lags:
    """Measures blocked members; what they have of spills is part of it.

    Args:
        log: where the messages are.
        backlog: counts what a cohort wants of them.
        ages: when they came.
        piece: messages that are counted at once.
        part: bounds what is done at once.

    Attributes:
        looks: what was counted so far for those of whom all is to be known.
    """

    def __init__(
        self,
        log: LogReader,
        backlog: Backlog,
        ages: Ages,
        piece: int,
        part: TurnPart,
    ) -> None:
        self._log = log
        self._backlog = backlog
        self._ages = ages
        self._piece = piece
        self.looks = Looks(backlog.count, piece, part)

    def of(self, member: Member, limits: Limits, front: int, now: int) -> Lag:
        """How far a member is behind; what there is no limit for is not looked up."""
        self._backlog.settle(member, front)
        waits = member.queued > 0
        return Lag(
            member.queued_bytes if limits.bytes != NONE else 0,
            member.queued if limits.messages != NONE else 0,
            self._age(member, front, now, limits.age_ns) if waits and limits.age_ns != NONE else 0,
            self._log.start_of(front) - member.position,
            front - member.sequence,
        )

    def exceeds(self, member: Member, limits: Limits, front: int, now: int) -> bool:
        """Whether it is further behind than that, as far as is known.

        Of a message that it may want, but is not where it is looked at once, nobody knows the age.
        """
        reason = limits.exceeded_by(self.of(member, limits, front, now))
        if reason is not Reason.LAG_AGE or _waits_for_rest(member):
            return reason is not None
        within = self.within(member, front)
        return within == front or self.first(member, front, within) < within

    def first(self, member: Member, front: int, within: int | None = None) -> int:
        """The next message that a settled member is to be sent, from its start on; or the front.

        Args:
            within: where to stop looking: this is returned when there is nothing for it before.
        """
        if member.offset or member.replay is not None:  # what of it is wanted is not counted
            return member.sequence
        if member.queued <= bool(member.spill):
            return front
        stop = front if within is None else min(front, within + 1)
        return self._first_after(member, 1, 0, stop) - 1

    def within(self, member: Member, front: int) -> int:
        """Up to where it is looked at once for what a settled member wants; at most the front.

        Of who wants everything, or what was chosen, two positions say it.
        """
        is_filtered = self._is_filtered(member, front)
        return min(front, member.sequence + LOOKED_MAX) if is_filtered else front

    def _is_filtered(self, member: Member, front: int) -> bool:
        wanted = segments(member, member.sequence, front)
        return any(is_filtered(wants) for _start, _stop, wants in wanted)

    def uncounted_most(self, member: Member) -> int:
        """How many messages may come before it is to be settled, so that its losses are counted."""
        is_counted = member.finishing is not None and is_filtered(member.cohort)
        return LOSING_MAX if is_counted else NONE

    def cost_of(self, member: Member, policy: Policy, front: int) -> int:
        """CPU time in ns that it may take to find what a policy leaves of what waits for a member.

        While it is sent what it has missed that is not looked for.
        """
        if not member.blocked or member.replay is not None:
            return 0
        is_looked_for = policy.conflates or self._is_filtered(member, front)
        return (front - member.sequence) * LOOK_NS if is_looked_for else 0

    def first_kept(self, member: Member, keep: KeepNewest, front: int, now: int) -> int:
        """The message that a settled member, which is between two, jumps to, to keep only this.

        No further than it is looked at once, see `within()`: then it is to be judged again.
        """
        target = 0
        if keep.age_ns != NONE:
            target = min(front, self._ages.first_within(keep.age_ns, now))
        messages = size = 0
        if keep.messages != NONE:
            messages = member.queued - keep.messages
        if keep.bytes != NONE:
            size = member.queued_bytes - keep.bytes
        return max(target, self._first_after(member, messages, size, self.within(member, front)))

    def first_over(self, member: Member, limits: Limits, front: int) -> int:
        """The first message that is more than may wait for a settled member; the front if none is.

        One message always fits, and so does what was chosen by conflation.
        """
        stop = front
        if member.queued > limits.messages:
            stop = self._first_after(member, limits.messages - bool(member.spill), 0, front)
        if member.queued_bytes > limits.bytes:
            more = limits.bytes + 1 + member.offset - len(member.spill)
            stop = min(stop, self._first_after(member, 0, more, front) - 1)
        least = member.sequence if member.spill else self.first(member, front) + 1
        chosen = [until for until, wants in member.older if isinstance(wants, Values)]
        return max(stop, least, *chosen)

    def _first_after(self, member: Member, messages: int, size: int, front: int) -> int:
        """The first message with so many messages and bytes before it that the member wants."""
        if messages <= 0 and size <= 0:
            return min(member.sequence, front)
        count = self.looks.counts(member)
        for first, end, cohort in pieces(member, member.sequence, front, self._piece):
            found = count(cohort, first, end)
            if found.messages >= messages and found.bytes >= size:
                assert cohort is not None
                return self._first_in(cohort, first, end, messages, size)
            messages -= found.messages
            size -= found.bytes
            if messages <= 0 and size <= 0:
                return end
        return front

    def _first_in(
        self, cohort: Cohort[Member] | Values, first: int, stop: int, messages: int, size: int
    ) -> int:
        """The same in a stretch where it is known that there are as many."""
        if isinstance(cohort, Values):
            picks = cohort.sizes(first)
        elif cohort.everything:
            position = self._log.start_of(first) + size
            by_size = self._log.sequence_at(position - 1, first, stop) + 1 if size > 0 else first
            return max(by_size, first + messages)
        else:
            picks = iter(self._backlog.picks(cohort, first, stop))
        for sequence, length in picks:
            messages -= 1
            size -= length
            if messages <= 0 and size <= 0:
                return sequence + 1
        return stop

    def _age(self, member: Member, front: int, now: int, limit_ns: int) -> int:
        """Since when the oldest message waits: one that was begun, or the next one it wants.

        It may wait for less long if that is within the limit, or if it is not where it is looked at
        once, see `within()`.
        """
        if _waits_for_rest(member):
            return self._ages.age_of(member.spilled, now)
        age = self._ages.age_of(member.sequence, now)
        if age <= limit_ns:
            return age
        first = self.first(member, front, self.within(member, front))
        return self._ages.age_of(first, now)


def _waits_for_rest(member: Member) -> bool:
    """Whether it has begun to get a message that came when others came that wait for it.

    A last value is older, but has waited only since its member came to where it is due.
    """
    if not member.spill:
        return False
    snapshots = member.snapshots
    return snapshots is None or not snapshots.pending[0].is_begun
