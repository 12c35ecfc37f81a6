"""Replaying: a member is sent what it had missed, out of the log, before what comes. Pure.

It becomes a member that is behind, with a segment in front of those that it has. Nothing else is
new: jumps, counters, gaps, rests of messages and takeovers are those of any member that is behind.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING
from weakref import WeakSet

from fanout.reasons import Reason
from fanout.shm.census import Amount, minimal
from fanout.workers.policy.base import KeepOfLog
from fanout.workers.policy.replaying import BEHIND_PARTS, PARTS, WhileReplaying
from fanout.workers.stream.chain import Chain
from fanout.workers.stream.cohort import Cohort
from fanout.workers.stream.gaps import EXPIRED, OTHER_RUN, Gap
from fanout.workers.stream.judging import Judging
from fanout.workers.stream.member import LOST
from fanout.workers.stream.replay import Replay
from fanout.workers.stream.segments import segments
from fanout.workers.stream.values import Values
from fanout.workers.tuning import TUNING, Tuning

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fanout.shm.reader import LogReader
    from fanout.workers.policy.base import Policy, Verdict
    from fanout.workers.stream.judging import Targets
    from fanout.workers.stream.member import Member, Wants
    from fanout.workers.stream.totals import Totals
    from fanout.workers.stream.turn_part import TurnPart
    from fanout.zmtp.encoding import Encoding


def missed_by(
    added: Collection[bytes], others: Collection[bytes], encoding: Encoding | None = None
) -> Cohort[Member] | None:
    """What somebody wants by these prefixes and not by the others; None = nothing.

    Args:
        added: which it wants since now.
        others: by which it has been sent what it wants, all the time.
    """
    if not others:
        return Cohort(minimal(added), encoding)
    known: Cohort[Member] = Cohort(minimal(others))
    new = minimal([prefix for prefix in added if not known.wants(prefix)])
    if not new:
        return None
    wider: Cohort[Member] = Cohort(new)
    within = frozenset(prefix for prefix in known.key if wider.wants(prefix))
    return Cohort(new, encoding, Cohort(within) if within else None)


def _is_anything(wants: Wants) -> bool:
    """Whether something is wanted by that: a pass may have been sent, or have had nothing."""
    return bool(wants.sequences) if isinstance(wants, Values) else wants is not None


class Replaying(Judging):
    """Puts what members have missed in front of what waits for them.

    Attributes:
        chains: all that are being sent, also those that another worker had begun.
    """

    def __init__(
        self,
        log: LogReader,
        tuning: Tuning = TUNING,
        totals: Totals | None = None,
        part: TurnPart | None = None,
    ) -> None:
        super().__init__(log, tuning, totals, part)
        self.chains: WeakSet[Chain] = WeakSet()

    def replayed_from(self, there: int) -> int:
        """The first message that somebody can have of the past now; what is before is too far back.

        Args:
            there: the log is kept from this message on.
        """
        log, front = self._log, self.front
        first = max(there, front - log.entries * BEHIND_PARTS // PARTS)
        position = log.start_of(front) - log.size * BEHIND_PARTS // PARTS
        if position > log.start_of(first):
            first = log.sequence_at(position - 1, first, front) + 1
        return first

    def tell_missed(self, member: Member, first: int, stop: int, wants: Cohort[Member]) -> None:
        """It has missed what it wants of these messages, for they are not in the log any more.

        How many that are, only who wants everything can be told.
        """
        if member.gaps is not None and first < stop:
            is_all = wants.everything and not any(_is_anything(one) for _until, one in member.older)
            count = stop - first if is_all else 0
            member.gaps.note(Gap(first, stop - 1, count, EXPIRED), stop)

    def tell_other_run(self, member: Member) -> None:
        """What it has was published by another run of this publisher, or another publisher."""
        if member.gaps is not None:
            member.gaps.note(Gap(0, 0, 0, OTHER_RUN), 1)

    def first_within(
        self, member: Member, first: int, until: int, wants: Cohort[Member], most: int
    ) -> int:
        """From which message on a replay looks through no more than so many at once.

        What it wants by these anew of what it was not sent yet, or loses as it comes, has to be
        looked for when it is asked for: nobody else is served meanwhile. What lies before that is
        looked for when it comes to it.
        """
        begins = max(first, member.sequence)
        if not member.blocked or until - begins <= most:
            return first
        others = (one for _low, _high, one in segments(member, member.sequence, until) if one)
        if wants.everything and all(one.everything for one in others):
            return first  # who wants all is counted by two positions: that takes no time
        return until - most

    def replay(
        self, member: Member, first: int, until: int, wants: Cohort[Member], now: int
    ) -> None:
        """Send it what is wanted by that of messages `first` up to, not including, `until`.

        The log keeps them, and what is missing before was told. From `until` on the member wants
        that by itself; what it wanted before, it has been sent, or that waits for it.
        """
        has_news = member.gaps is not None and bool(member.gaps.pending)
        if member.state is LOST or (first >= until and not has_news):
            return
        if not member.blocked:
            self._block(member, self.front, 0, now)
            self.runnable[member] = None  # if it is to be told something
        self.backlog.detach(member, self.front)
        if member.replay is not None:
            self.backlog.count_replayed(member, self.front)
        if member.spill and first == member.spilled:
            first += 1  # the rest of that message is being sent already
        if first >= until:
            return
        if member.gaps is not None and member.finishing is None:
            member.gaps.end_losses()  # they may be in front of it again
        cursor = member.sequence
        place = min(first, cursor)
        member.older, losses = self._with(member, first, until, wants)
        member.replay = Replay(until, min(cursor, until), first)
        member.place(place, 0, self._log.start_of(place))
        self.backlog.tail = min(self.backlog.tail, place)
        if member.position < self._last_position:
            self._last, self._last_position = member, member.position
        for start, stop in losses:
            self._lose_replayed(member, wants, start, stop)
        if wants.everything:
            self.backlog.count_replayed(member, until)
        member.policy = self._while_replaying(member.policy)
        member.conflating = False
        self._progressed(member, now)
        self.runnable[member] = None
        self._look_anew(member)

    def mark(self, member: Member, now: int, until: int = 0) -> None:
        """Tell its peer when it has got what it is replayed; at once if nothing is.

        One that is not told yet is told with that: what it was about is sent by then, too.

        Args:
            until: below this message it wants something that it was not sent, though nothing of
                that may be there any more; it is not told before it stands there.
        """
        if member.state is LOST:
            return
        if not member.blocked:
            self._block(member, self.front, 0, now)
        if member.replay is not None:
            member.mark = max(member.replay.until, until)
        else:
            self.backlog.detach(member, self.front)
            member.mark = max(member.sequence, until)
        self.rouse(member, now)

    # Keyframes.

    def hold_from(self, member: Member, first: int, until: int) -> None:
        """Its cursor, at message `until`, goes back; it is not known yet what it wants from there.

        The log keeps that. What it has asked for goes on from there on; of that all is counted, for
        it was not further when it asked.
        """
        if member.gaps is not None and member.finishing is None:
            member.gaps.end_losses()
        asked = member.replay
        goes_on = until if asked is None else max(until, asked.until)
        member.older.appendleft((until, None))
        self._put_back(member, Replay(goes_on, until, until), first)

    def end_hold(self, member: Member, until: int) -> int:
        """It goes on with what it wanted; returns from which message on it was held, or `until`.

        That is message `until`, or before it what it has asked for meanwhile.
        """
        low = member.sequence
        if low >= until:
            return until  # it has jumped beyond it
        stop, wants = member.older[0]
        if wants is None:
            member.older.popleft()
            member.place(stop, 0, self._log.start_of(stop))
        return low

    def chain(self, member: Member, first: int, until: int, wants: Chain) -> None:
        """Send it what is wanted by that of messages `first` up to, not including, `until`.

        Its cursor is there, or before it at what it has asked for: both come in one order.
        """
        self.chains.add(wants)
        cursor, asked = member.sequence, member.replay
        member.older, losses = self._with(member, first, until, wants)
        goes_on = until if asked is None else max(until, asked.until)
        self._put_back(member, Replay(goes_on, min(cursor, until), first), min(first, cursor))
        for start, stop in losses:
            self._lose_replayed(member, wants, start, stop)

    def _put_back(self, member: Member, replay: Replay, first: int) -> None:
        member.replay = replay
        member.place(first, 0, self._log.start_of(first))
        self.backlog.tail = min(self.backlog.tail, first)
        if member.position < self._last_position:
            self._last, self._last_position = member, member.position
        member.policy = self._while_replaying(member.policy)
        member.conflating = False
        self._look_anew(member)

    def _with(
        self, member: Member, first: int, until: int, wants: Cohort[Member]
    ) -> tuple[deque[tuple[int, Wants]], list[tuple[int, int]]]:
        """Its segments with that in them, and what is lost of it: who finishes loses what comes.

        What waits for it is counted already; what it is sent more of that is counted here.
        """
        found: deque[tuple[int, Wants]] = deque()
        losses: list[tuple[int, int]] = []
        cursor = member.sequence
        if first < cursor:
            stop = min(cursor, until)
            pending = member.gaps.pending if member.gaps is not None else ()
            # It is told of what it has lost in there when it comes to where that begins.
            told = sorted({gap.first for gap in pending if first < gap.first < stop})
            found.extend([(at, wants) for at in (*told, stop)])
            if until < cursor:
                found.append((cursor, None))
        start = cursor
        for stop, present in member.older:
            low, high = max(start, first), min(stop, until)
            is_lost = present is None and member.finishing is not None
            if low >= high or is_lost:
                if low < high:
                    losses.append((low, high))
                found.append((stop, present))
            else:
                if start < low:
                    found.append((low, self._part_of(present, start, low)))
                found.append((high, self._both(member, present, wants, low, high)))
                if high < stop:
                    found.append((stop, self._part_of(present, high, stop)))
            start = stop
        return found, losses

    def _part_of(self, wants: Wants, first: int, stop: int) -> Wants:
        if isinstance(wants, Values):
            return Values(wants.between(first, stop), self._log)
        return wants

    def _both(
        self, member: Member, present: Wants, wants: Cohort[Member], first: int, stop: int
    ) -> Wants:
        """What it wants by either in this stretch; what is new by that is counted."""
        both: Wants = wants
        if isinstance(present, Values) or (
            present is not None
            and (present.without or wants.without or Chain in (type(present), type(wants)))
        ):
            chosen = {*self._chosen(present, first, stop), *self._chosen(wants, first, stop)}
            both = Values(sorted(chosen), self._log)
        elif present is not None:
            both = Cohort(minimal({*present.key, *wants.key}), member.encoding)
        found, before = (
            self.backlog.count(both, first, stop),
            self.backlog.count(present, first, stop),
        )
        self.backlog.add_replayed(
            member, Amount(found.messages - before.messages, found.bytes - before.bytes)
        )
        return both

    def _chosen(self, wants: Cohort[Member] | Values, first: int, stop: int) -> Sequence[int]:
        if isinstance(wants, Values):
            return wants.between(first, stop)
        if wants.everything:
            return range(first, stop)
        return [one for one, _size in self.backlog.picks(wants, first, stop)]

    def _lose_replayed(self, member: Member, wants: Cohort[Member], first: int, stop: int) -> None:
        self.backlog.add_replayed(member, self.backlog.count(wants, first, stop))
        self.backlog.lose_of(member, wants, first, stop)

    # Its policy.

    def set_policy(self, member: Member, policy: Policy, now: int) -> int:
        if member.replay is not None:
            policy = self._while_replaying(policy)
        return super().set_policy(member, policy, now)

    def end_replay(self, member: Member) -> None:
        """It may have come to what it wants by itself: then its own policy holds."""
        replay, policy = member.replay, member.policy
        if replay is None or member.sequence < replay.until:
            return
        member.replay = None
        if isinstance(policy, WhileReplaying):
            member.policy = policy.own
            self.begin(member, 0, throttled=False)
        if member.blocked:
            self._look_anew(member)

    def _while_replaying(self, policy: Policy) -> Policy:
        own = policy.own if isinstance(policy, WhileReplaying) else policy
        return WhileReplaying(own, self._log.size, self._log.entries)

    def _judge(self, member: Member, now: int, targets: Targets) -> None:
        super()._judge(member, now, targets)
        if member.replay is not None:
            self.end_replay(member)

    def _carry_out(self, member: Member, verdict: Verdict, now: int, targets: Targets) -> None:
        replay = member.replay
        if replay is None or not isinstance(verdict, KeepOfLog):
            super()._carry_out(member, verdict, now, targets)
            return
        # Up to `until` it is sent what it has missed. What comes after that is judged by the policy
        # that the member has otherwise, so it is not to jump beyond.
        target = min(self._first_of(verdict), replay.until)
        self._jump(member, target, Reason.LAG_LOG)
