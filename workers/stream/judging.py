"""Judging: what becomes of members that are far behind, as their policies say. Pure.

Each is looked at when it may be over one of its limits, and not before: see `Dues`.
"""

from __future__ import annotations

from collections import deque
from itertools import count
from typing import TYPE_CHECKING

from fanout.reasons import Reason
from fanout.terms.slow_policy import LOG_PART
from fanout.workers.policy.ages import Ages
from fanout.workers.policy.base import FinishThenJump, KeepNewest, KeepOfLog, Part, Thin, Wait
from fanout.workers.policy.dues import Dues
from fanout.workers.policy.limits import NONE, Lag, describe, left_of
from fanout.workers.stream.conflating import Conflating
from fanout.workers.stream.effects import Slowed
from fanout.workers.stream.holding import NOBODY
from fanout.workers.stream.lags import Lags
from fanout.workers.stream.member import BLOCKED, HELD, LOST, READY
from fanout.workers.stream.newest import Newest
from fanout.workers.stream.resting import Resting
from fanout.workers.stream.sealed_turns import SealedTurns
from fanout.workers.tuning import TUNING, Tuning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fanout.shm.reader import LogReader
    from fanout.workers.policy.base import Policy, Verdict
    from fanout.workers.stream.holding import Allowance
    from fanout.workers.stream.member import Member, MemberState
    from fanout.workers.stream.totals import Totals
    from fanout.workers.stream.turn_part import TurnPart

    Targets = dict[KeepOfLog, int]  # where those jump to who keep so much of the log

VERDICTS_MAX = 2  # on one member at once: by the log, and by what is left then
# Who is thinned at half of the log may be so much more of it behind before all that waits for it is
# looked through; beyond that it loses what the log cannot keep without being thinned.
THIN_PART = 8
# Sealed ones that are judged in a turn while others have news: 0.3 ms; they come together.
SEALED_JUDGED = 8


class Judging(Resting):
    """Asks the policies of the members of one worker.

    Its mutable state, beside that of `Resting`: who is to be looked at when, those who became
    blocked since the last look, or whose turn it was not in it, and notes of when messages came.
    """

    def __init__(
        self,
        log: LogReader,
        tuning: Tuning = TUNING,
        totals: Totals | None = None,
        part: TurnPart | None = None,
    ) -> None:
        super().__init__(log, tuning, totals, part)
        self.ages = Ages()
        newest = Newest(log, self.backlog.topic, tuning)
        piece = tuning.census_messages
        self._conflating = Conflating(self.backlog, log, newest, self.totals, piece, self._part)
        self.backlog.conflate = self._conflating.conflate
        self.lags = Lags(log, self.backlog, self.ages, piece, self._part)
        times = tuning.others_ns, tuning.behind_ns
        self.sealed_turns = SealedTurns(self._part, *times, self.has_news)
        self.jumped: list[Member] = []  # members whose streams go on otherwise than before
        self._watches = count(1)
        self._anew: deque[tuple[int, Member]] = deque()
        # Who waits for its turn to be looked for would be judged over and over in this one.
        self._next_turn: list[tuple[int, Member]] = []
        self._by_sequence: Dues[Member] = Dues()
        self._by_position: Dues[Member] = Dues()
        self._by_time: Dues[Member] = Dues()

    # What others do that changes who is to be looked at.

    def set_policy(self, member: Member, policy: Policy, now: int) -> int:
        """This happens to the member from now on; returns what to look for that may take, in ns."""
        if member.state is LOST:  # and to be closed: what was found about it stands
            return 0
        if member.finishing is not None:
            self.backlog.end_finishing(member, self.front)
        old, member.policy = member.policy, policy
        if member in self.rests:
            self.rests.end(member)
            self._progressed(member, now)
        self.begin(member, now, throttled=policy.max_rate != old.max_rate)
        self.writable(member)  # it may have waited for `max_rate` or `min_interval`
        member.watch = 0
        if member.blocked:
            self._look_anew(member)
        return self.lags.cost_of(member, policy, self.front)

    def begin(self, member: Member, now: int, *, throttled: bool = True) -> None:
        """What its policy says of how a member is sent something holds from now on.

        Args:
            throttled: its rate, too.
        """
        policy = member.policy
        self.holding.obey(member)
        member.conflating = policy.conflates
        if throttled:
            self.throttles.now = now
            self.throttles.set(member, policy.max_rate)
        if policy.min_interval_ns and member.state is READY:
            self._block(member, self.front, 0, 0)
            self.runnable[member] = None

    def advance(self, head: int, now: int) -> bool:
        """Send the next batch below `head` to all ready members; True if there is more.

        Once the time is over it returns at the next opportunity, and goes on where it was when it
        is called again.
        """
        self.throttles.now, self.ages.head = now, head
        if self._by_time.entries:
            self.ages.note(head, now)
        return self._advance(head, now)

    def release(self, member: Member, prefixes: Iterable[bytes], since: int, now: int) -> None:
        super().release(member, prefixes, since, now)
        self._look_anew(member)

    def _block(
        self, member: Member, sequence: int, offset: int, now: int, state: MemberState = BLOCKED
    ) -> None:
        super()._block(member, sequence, offset, now, state)
        if not member.watch:
            self._look_anew(member)

    def _recover(self, member: Member) -> None:
        if member.slow:
            member.watch = 0  # else it would be looked at too late, if it is to be slow again
            if member.policy.min_interval_ns:
                self._look_anew(member)
        super()._recover(member)

    def _look_anew(self, member: Member, *, next_turn: bool = False) -> None:
        member.watch = next(self._watches)
        (self._next_turn if next_turn else self._anew).append((member.watch, member))

    # Limits.

    def enforce(self, now: int) -> bool:
        """Judge the members that may be too far behind.

        Returns:
            Whether somebody is still to be judged: the time was over, or one is to be again.
        """
        self.move_tail()
        targets: Targets = {}
        more, sealed = False, 0
        began = self._part.in_time(0) if self.throttles.seals else 0
        for member in self._due(now):
            if member.sealed is not None:
                if sealed >= SEALED_JUDGED and self.has_news():
                    self._look_anew(member, next_turn=True)
                    continue
                sealed += 1
            self._judge(member, now, targets)
            if self._part.is_over():
                more = True
                break
        self._anew += self._next_turn
        self._next_turn.clear()
        if targets:
            self.move_tail()
        if self.backlog.spills.are_too_many:
            self.lose_spilled()
        self._tidy()
        if self.throttles.seals:
            self.sealed_turns.leave_out(began)
        return more or bool(self._anew)

    def is_in_the_way(self, member: Member, now: int) -> bool:
        """Whether a blocked member is further behind than its policy has patience for."""
        lags, front = self.lags, self.front
        is_held = member in self.holding and self.holding.is_held_by(member, lags, front, now)
        return is_held or lags.exceeds(member, member.policy.patience, front, now)

    def allowed(self, now: int) -> Allowance:
        """For whom the publisher is to wait, and how far it may go; each turn."""
        if not self.holding.has_any:  # as mostly
            return NOBODY
        unseen = [one for watch, one in self._anew if one.watch == watch and one.blocked]
        return self.holding.allowed(self.lags, self.front, self.served, now, unseen)

    def behind(self, member: Member) -> int:
        """How far a blocked member is behind the front, in bytes of log."""
        return self._log.start_of(self.front) - member.position

    def _due(self, now: int) -> Iterator[Member]:
        while self._anew:
            watch, member = self._anew.popleft()
            if member.watch == watch:
                yield member
        levels = self.front, self._log.start_of(self.front), now
        for dues, level in zip(self._dues, levels, strict=True):
            while (found := dues.pop(level)) is not None:
                yield found

    @property
    def _dues(self) -> tuple[Dues[Member], ...]:
        return self._by_sequence, self._by_position, self._by_time

    def _tidy(self) -> None:
        for dues in self._dues:
            dues.sweep(len(self.blocked))
        if self._by_time or self._anew:
            self.ages.forget(self.backlog.tail)
        else:
            self.ages.clear()
        self.lags.looks.sweep()
        self._conflating.sweep()

    def _judge(self, member: Member, now: int, targets: Targets) -> None:
        """Ask the policy of a member, if it is over a limit, and do as it says."""
        member.watch = 0
        if member not in self.blocked:
            return
        policy = member.policy
        if policy.soft.age_ns != NONE:
            self.ages.note(self.front, now)
        lag = self._lag(member, now)
        is_held = member.state is HELD  # it may want what it does not want yet: that is promised
        is_far = policy.soft.exceeded_by(lag) is Reason.LAG_LOG
        if lag.age_ns > policy.soft.age_ns:  # that of what it wants may have been out of sight
            is_far = is_far or self.lags.within(member, self.front) < self.front
        if not is_held and is_far and not member.offset:
            # It may be far back only for what it does not want: that does not wait for it.
            self.jumped.append(member)
            within = self.lags.within(member, self.front)
            self._jump(member, self.lags.first(member, self.front, within), Reason.LAG)
            if member.watch:
                return
            lag = self._lag(member, now)
        self._report_slow(member, lag)
        for _ in range(VERDICTS_MAX):
            if policy.limits.exceeded_by(lag) is None or member.watch:
                break
            verdict = policy.judge(lag)
            if isinstance(verdict, Wait):
                self.holding.add(member)
                break
            self.jumped.append(member)
            self._carry_out(member, verdict, now, targets)
            lag = self._lag(member, now)
            if isinstance(verdict, Thin):  # the newest are the newest, however many they are
                break
        if member.state is not LOST and not member.watch:
            self._look_no_more(member)
            self._watch(member, lag, now)

    def _look_no_more(self, member: Member) -> None:
        """Nothing is to be looked for because of a limit now: let others have its place there."""
        self.lags.looks.end(member)
        if not member.conflating:
            self._conflating.end(member)

    def _lag(self, member: Member, now: int) -> Lag:
        lag = self.lags.of(member, member.policy.soft, self.front, now)
        if member.finishing is None:
            return lag
        return lag._replace(bytes=0, messages=0, age_ns=0)  # nothing is added to what waits

    def _carry_out(self, member: Member, verdict: Verdict, now: int, targets: Targets) -> None:
        backlog, front = self.backlog, self.front
        if isinstance(verdict, KeepOfLog):
            if verdict not in targets:
                targets[verdict] = self._first_of(verdict)
            self._jump(member, targets[verdict], Reason.LAG_LOG)
        elif isinstance(verdict, KeepNewest):
            backlog.detach(member, front)
            target = self.lags.first_kept(member, verdict, front, now)
            self._jump(member, target, verdict.reason)
        elif isinstance(verdict, FinishThenJump):
            if len(member.older) >= self._older_max and member.state is not LOST:
                text = f"its policy has changed {len(member.older) // 2} times, and it took nothing"
                self._lose(member, Reason.RESTLESS, text)
            self._finish(member, verdict.reason)
        elif isinstance(verdict, Thin):
            is_thin = backlog.conflate(member, front)
            is_far = member.policy.limits.exceeded_by(self._lag(member, now)) is Reason.LAG_LOG
            if is_far and (is_thin or self._cannot_wait(member)):
                self._carry_out(member, verdict.of_log, now, targets)
            if not is_thin and not member.watch:
                self._look_anew(member, next_turn=True)
        elif isinstance(verdict, Part) and member.state is not LOST:
            self._lose(member, Reason.TOO_SLOW, describe(self._lag(member, now), verdict.reason))

    def _finish(self, member: Member, reason: Reason) -> None:
        """It loses what is too much for it, once it is known how much that is."""
        lags, front = self.lags, self.front
        self.backlog.settle(member, front)
        if not lags.looks.go_on(member, front):
            self._look_anew(member, next_turn=True)
            return
        stop = lags.first_over(member, member.policy.limits, front)
        self.backlog.finish(member, stop, front, reason, lags.looks.counts(member))
        lags.looks.end(member)

    def _cannot_wait(self, member: Member) -> bool:
        """Whether it is too far behind to be thinned first, which takes several turns."""
        log, more = self._log, 1 / LOG_PART + 1 / THIN_PART
        is_far = self.behind(member) > log.size * more
        return is_far or self.front - member.sequence > log.entries * more

    def _jump(self, member: Member, target: int, reason: Reason) -> None:
        """As far as it is looked at once; if it is to jump further, it is judged again."""
        within = self.lags.within(member, self.front)
        self.backlog.jump(member, min(target, within), self.front, reason)
        if target >= within < self.front:
            self._look_anew(member)

    def _first_of(self, newest: KeepOfLog) -> int:
        """The first of the newest messages that are no more than this."""
        position = self._log.start_of(self.front) - newest.bytes
        first = self._log.sequence_at(position - 1, self.backlog.tail, self.front) + 1
        return min(max(first, self.front - newest.messages), self.front)

    def _report_slow(self, member: Member, lag: Lag) -> None:
        """Once, before it loses anything."""
        reason = member.policy.soft.exceeded_by(lag)
        if reason is not None and not member.slow:
            member.slow = True
            self.effects.append(Slowed(member, describe(lag, reason)))

    def _watch(self, member: Member, lag: Lag, now: int) -> None:
        """Have it looked at when it may be over a limit, at the earliest."""
        member.watch = next(self._watches)
        limits = member.policy.limits if member.slow else member.policy.soft
        front, end = self.front, self._log.start_of(self.front)
        self.holding.watch(member, lag, front)
        messages = left_of(limits.messages, lag.messages)
        left = min(messages, left_of(limits.log_messages, lag.log_messages))
        left = min(left, self.lags.uncounted_most(member))
        if left != NONE:
            self._by_sequence.add(front + left, member)
        left = min(left_of(limits.bytes, lag.bytes), left_of(limits.log_bytes, lag.log_bytes))
        if left != NONE:
            self._by_position.add(end + left, member)
        left = left_of(limits.age_ns, lag.age_ns)
        if left != NONE:
            self._by_time.add(now + left, member)
