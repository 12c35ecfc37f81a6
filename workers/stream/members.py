"""The members of a worker: their wants and states, and what the log must keep for them. Pure.

The pump, which is one of these, sends; here is what changes between its sends.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from fanout.reasons import Reason
from fanout.shm.prefix_table import weight
from fanout.workers.stream.backlog import Backlog
from fanout.workers.stream.cohort import EVERYTHING
from fanout.workers.stream.cohorts import Cohorts
from fanout.workers.stream.effects import Effect, Lost, Recovered, Stalled
from fanout.workers.stream.member import BLOCKED, HELD, LOST, READY
from fanout.workers.stream.segments import handed_over
from fanout.workers.stream.totals import Totals

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from fanout.shm.reader import LogReader
    from fanout.workers.stream.member import Member, MemberState
    from fanout.workers.tuning import Tuning

position_of = attrgetter("position")
OLDER_WANTS_MAX = 500_000  # copies of wants of a member that changes them and takes nothing: 30 MB
QUIET_NS = 250_000_000  # without a change, after which a member shares a cohort again
CALMED_PER_TICK = 5_000  # short prefixes of members that do: some 10 ms
CALMED_MAX = 20_000  # short prefixes of one; with more, it is not worth what it costs


class Members:
    """Keeps the states and wants of the members of one worker.

    Its mutable state: the front, the cohorts, the blocked members with the time of their last
    progress (in that order: the longest blocked is first), those of them that have more to send and
    room for it, the ready ones that wait for their turn in a round, and those with a cohort of
    their own with the time of their last change, in that order.

    Args:
        log: where the messages are.
        totals: what its predecessor had counted; counted on from there.
    """

    def __init__(self, log: LogReader, tuning: Tuning, totals: Totals | None) -> None:
        self._log = log
        self._older_max, self._owned_from = tuning.older_max, tuning.owned_from
        self.totals = totals or Totals()
        self.cohorts: Cohorts[Member] = Cohorts(tuning)
        self.backlog = Backlog(log, self.cohorts, self.totals, tuning)
        self.front, self.cohorts.everything.counted_bytes = log.length()
        self.cohorts.everything.counted = self.front
        self.blocked: dict[Member, int] = {}
        self.runnable: dict[Member, None] = {}
        self.effects: list[Effect] = []
        self.waiting: set[Member] = set()
        self._round_first = self.front
        self._now = 0  # when the pieces of a round at hand are sent
        self._subscribed = 0  # members with a cohort
        self._last: Member | None = None  # of the blocked ones, when it was looked for
        self._last_position = 0
        self._large_change = tuning.large_change
        self._changing: dict[Member, int] = {}
        self._calm_credit = 0  # short prefixes

    @property
    def needs_log(self) -> bool:
        """Whether any member wants anything, now or from before."""
        return bool(self._subscribed or self.blocked)

    def follow(self) -> None:
        """Nobody wants anything: let the front be the head."""
        everything = self.cohorts.everything
        head, everything.counted_bytes = self._log.length()
        self.front = self.backlog.tail = everything.counted = head

    @property
    def served(self) -> int:
        """The message below which every ready member has been sent everything."""
        return self._round_first if self.waiting else self.front

    # What they want.

    def subscribe(self, member: Member, prefixes: Iterable[bytes], now: int = 0) -> None:
        """The member's subscriptions are now these, for messages from the front on."""
        self._end_wants(member, now)
        self._change_cohort(member, prefixes)

    def change(
        self,
        member: Member,
        wants: Collection[bytes],
        added: Collection[bytes],
        cancelled: Collection[bytes],
        now: int,
    ) -> None:
        """As `subscribe`, but told what the change is: a small one of a long list costs little.

        Args:
            wants: all of its subscriptions, after the change.
            now: monotonic ns.
        """
        cohort = member.cohort
        if b"" in wants:  # it implies all the others, however many there are
            if cohort is None or cohort.key != EVERYTHING:
                self.subscribe(member, EVERYTHING, now)
            return
        alone = cohort is not None and self.cohorts.is_alone_in(cohort)
        each = 1 if alone else self._large_change
        is_long = len(wants) > self._owned_from or weight(wants) > self._owned_from
        is_small = len(wants) > (len(added) + len(cancelled)) * each
        if cohort is None or cohort.everything or not (is_long and is_small) or member.encoding:
            self.subscribe(member, wants, now)
            return
        if alone and cohort.is_minimal:
            self.cohorts.own(cohort)
            added = set(wants).difference(cohort.key)  # also what was implied
        self._end_wants(member, now)
        if cohort.is_minimal:
            self._change_cohort(member, wants, own=True)
        else:
            self.cohorts.change(cohort, added, cancelled)
        self._changing.pop(member, None)  # insert it last: in the order of the last change
        self._changing[member] = now

    def calm(self, now: int) -> None:
        """Have members share cohorts again that have not changed their wants for a while."""
        self._calm_credit = min(CALMED_PER_TICK, self._calm_credit + CALMED_PER_TICK)
        for member, changed in list(self._changing.items()):
            if self._calm_credit <= 0 or now - changed < QUIET_NS:
                return
            if member in self.waiting:  # in the middle of a round
                continue
            del self._changing[member]
            assert member.cohort is not None
            size = weight(member.cohort.key)
            if size <= CALMED_MAX:
                self._calm_credit -= size
                if not self.cohorts.share(member.cohort):
                    self._change_cohort(member, member.cohort.key)

    def hold(self, member: Member) -> None:
        """Stop serving the member at the front, until `release()`."""
        if member.state is LOST:
            return
        if member.state is READY:
            self._block(member, self.front, 0, 0, HELD)
        member.become(HELD)

    def release(self, member: Member, prefixes: Iterable[bytes], since: int, now: int) -> None:
        """Serve a held member again; its subscriptions are these from message `since` on.

        What came between `since` and the front was matched for it by its old subscriptions. If it
        had to jump beyond `since`, what it lost was theirs.
        """
        self.backlog.settle(member, self.front)
        said, older = since, member.older
        since = max(said, member.sequence, older[-1][0] if older else 0)
        member.untold_until = since if since > said else member.untold_until
        old = self.backlog.count(member.cohort, since, self.front)
        if member.state is HELD:
            member.become(BLOCKED)
        self._keep_until(member, since)
        self._change_cohort(member, prefixes)
        new = self.backlog.count(member.cohort, since, self.front)
        self.backlog.correct(member, new.messages - old.messages, new.bytes - old.bytes)
        self._progressed(member, now)
        self.runnable[member] = None

    def lose_spilled(self) -> None:
        """Lose who has been longest in the middle of a message, if such take too much memory.

        One that takes a byte now and then is not silent, and keeps what the log need not keep.
        """
        torn = [member for member in self.blocked if member.spill and member.state is not LOST]
        for member in sorted(torn, key=attrgetter("spilled")):
            if not self.backlog.spills.exceed([one.spill for one in torn if one.spill]):
                break
            member.spill = b""
            self._lose(member, Reason.TORN, Reason.TORN.text)

    def remove(self, member: Member) -> None:
        """The member's connection is closed; afterwards its counters are final."""
        self.settle(member, stay=True)
        self.blocked.pop(member, None)
        self.runnable.pop(member, None)
        self.waiting.discard(member)
        if member.cohort is not None:
            self._leave_cohort(member)
        self._changing.pop(member, None)
        member.become(LOST)
        member.spill, member.snapshots = b"", None  # somebody may still refer to the member
        self.totals.discarded += member.queued
        self.totals.discarded_bytes += member.queued_bytes

    # What is found out about those that take nothing.

    def excuse(self, member: Member, now: int) -> None:
        """A blocked member is alive, although its socket takes nothing: its time begins anew."""
        self._progressed(member, now)

    def note_stalled(self, member: Member, text: str) -> None:
        """A blocked member has taken nothing for a while; to be reported until it recovers."""
        member.stalled = True
        self.effects.append(Stalled(member, text))

    def give_up(self, member: Member, reason: Reason, text: str) -> None:
        """A blocked member has taken nothing for too long."""
        self._lose(member, reason, text)

    # What the log must keep.

    def move_tail(self) -> int:
        """Look for the oldest message that a member may still have to be sent, and note it."""
        backlog, served = self.backlog, self.served
        if self.blocked:
            last = self._last
            # Cursors only move forward: while the last one stands still, it is the last.
            if last is None or last not in self.blocked or last.position != self._last_position:
                last = self._last = min(self.blocked, key=position_of)
                self._last_position = last.position
            if (lowest := self._last_position) < self._log.start_of(served):
                if lowest >= self._log.start_of(backlog.tail + 1):
                    backlog.tail = self._log.sequence_at(lowest, backlog.tail, self.front)
                return backlog.tail
        backlog.tail = served
        return served

    def flushed(self) -> int:
        """The message below which all was handed to the sockets; last values and records, too."""
        if not self.blocked:
            return self.backlog.tail
        return min(self.backlog.tail, handed_over(self.blocked, self.front))

    def settle(self, member: Member, *, stay: bool = False) -> None:
        """Bring counters and cursor of a member up to date; `stay`: the front does, in any case."""
        if member.blocked:
            self.backlog.settle(member, self.front)
            member.counted = self.front
            return
        self._count_ready(member)
        if not (stay or self._subscribed or self.blocked):  # the front may be far behind the log
            self.follow()
        member.sequence = member.counted = self.front
        member.offset, member.position = 0, self.cohorts.everything.counted_bytes
        if member in self.waiting:
            member.sequence = self._round_first
            member.position = self._log.start_of(self._round_first)

    # Their states.

    def _block(
        self, member: Member, sequence: int, offset: int, now: int, state: MemberState = BLOCKED
    ) -> None:
        """Give a ready member a cursor of its own: `offset` bytes into message `sequence`.

        For a member that takes everything, `offset` may reach into later messages. One that waits
        for its turn stands where the round began, whatever is said.
        """
        self._count_ready(member)
        if member in self.waiting:
            self.waiting.remove(member)
            sequence, offset = self._round_first, 0
        if member.cohort is not None:
            self.cohorts.drop_ready(member.cohort, member)
        member.become(state)
        member.place(sequence, offset, self._log.start_of(sequence))
        self.blocked[member] = now
        if member.sealed is not None:  # it is not its socket that keeps it from going on
            self.runnable[member] = None
        if member.position < self._last_position:
            self._last, self._last_position = member, member.position

    def _unblock(self, member: Member) -> None:
        member.become(READY)
        del self.blocked[member]
        self.runnable.pop(member, None)
        if member.cohort is not None:
            self.cohorts.add_ready(member.cohort, member)
        self._recover(member)

    def _recover(self, member: Member) -> None:
        if member.slow or member.stalled:
            member.slow = member.stalled = False
            self.effects.append(Recovered(member))

    def _progressed(self, member: Member, now: int) -> None:
        """Its socket has taken something, or its time begins anew."""
        del self.blocked[member]  # insert it last: `blocked` is ordered by the last progress
        self.blocked[member] = now

    def _lose(self, member: Member, reason: Reason, text: str) -> None:
        self.effects.append(Lost(member, reason, text))
        if member.state is READY:
            self._block(member, self.front, 0, 0, LOST)
        member.become(LOST)

    def _count_ready(self, member: Member) -> None:
        """A ready member that takes everything was sent all that matched; the totals have it."""
        cohort = member.cohort
        if not member.blocked and cohort is not None and cohort.everything:
            matched = member.matched_before + cohort.counted - member.joined_at
            waits_for = self.front - self._round_first if member in self.waiting else 0
            member.sent = matched - member.dropped - member.conflated - waits_for

    # Their cohorts.

    def _end_wants(self, member: Member, now: int) -> None:
        """What the member wants holds for messages below the front only."""
        if member in self.waiting:
            self._block(member, self.front, 0, now)  # `blocked` is in the order of these times
            self.runnable[member] = None
        if member.blocked:
            self._keep_until(member, self.front)

    def _keep_until(self, member: Member, sequence: int) -> None:
        """Messages below `sequence` are for the member's present cohort, whatever it is later."""
        self.backlog.settle(member, self.front)
        if member.finishing is not None or member.position >= self._log.start_of(sequence):
            return  # nothing below `sequence` is to be sent to it
        if len(member.older) >= self._older_max or member.older_wants > OLDER_WANTS_MAX:
            text = f"changed its subscriptions {len(member.older)} times and took nothing"
            self._lose(member, Reason.RESTLESS, text)
        # Also of one that is lost: until it is closed it jumps, and is counted by this.
        member.older.append((sequence, member.cohort and member.cohort.keep()))

    def _change_cohort(
        self, member: Member, prefixes: Iterable[bytes], *, own: bool = False
    ) -> None:
        if member.cohort is not None:
            self._count_ready(member)
            self._leave_cohort(member)
        self._changing.pop(member, None)
        cohorts, encoding = self.cohorts, member.encoding
        new = cohorts.join_own(prefixes) if own else cohorts.join(prefixes, encoding)
        if new is not None:
            member.join(new)
            self._subscribed += 1
            if not member.blocked:
                self.cohorts.add_ready(new, member)

    def _leave_cohort(self, member: Member) -> None:
        """It takes with it what it matched there."""
        old = member.leave()
        self.cohorts.drop_ready(old, member)
        self.cohorts.leave(old)
        self._subscribed -= 1
