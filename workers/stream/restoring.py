"""Restoring: a member goes on where another worker has left its stream. Pure.

Nobody has written down what that worker sent last. But the kernel has counted the bytes, and what
they were follows from the record, the log and the member's wants. So all since the record is sent
once more by the same code, to a socket that swallows exactly as many bytes as were sent: after
that the member is where it was, to the byte, and so are its counters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.shm.census import minimal
from fanout.shm.stream_record import Kind
from fanout.workers.policy.drop_newest import DropNewest
from fanout.workers.stream.chain import Chain
from fanout.workers.stream.cohort import Cohort
from fanout.workers.stream.gaps import Gaps
from fanout.workers.stream.more import (
    NOTHING_MORE,
    finishing_of,
    gaps_of,
    mark_in,
    replay_of,
    segments_of,
)
from fanout.workers.stream.replaying import Replaying
from fanout.workers.stream.segments import segments
from fanout.workers.stream.shown import Shown, snapshots_of
from fanout.workers.stream.steps import Step

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fanout.shm.stream_record import StreamRecord
    from fanout.workers.policy.base import Policy
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.more import More, Read

INTACT_PART = 4  # the writer may be ahead of the head by 1/4 of the log: that is not looked at


class MismatchError(Exception):
    """A stream is not where it should be: it was sent something that follows from nothing."""


class Swallower:
    """The `send` of a member that was sent all of this already.

    Attributes:
        left: bytes that it still takes.
    """

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self, data: bytes | memoryview) -> int:
        if not self.left:
            raise BlockingIOError
        count = min(self.left, len(data))
        self.left -= count
        return count


def _nothing(_offset: int, _size: int) -> bytes:
    return b""


def _refuse(_member: Member) -> None:
    raise MismatchError("it got more than there was before a record that is missing")


class Restoring(Replaying):
    """Takes over members of other workers."""

    def restore(
        self,
        member: Member,
        record: StreamRecord,
        written: int,
        past: Sequence[tuple[int, Collection[bytes]]],
        wants: Collection[bytes],
        now: int,
        *,
        subscriptions: Collection[bytes] = (),
        more: More = NOTHING_MORE,
        read: Read = _nothing,
    ) -> bool:
        """Have a new member go on by this record; it is blocked afterwards, and runnable.

        The front is not below that of the worker which had it, and the log is there from the
        message on that the record needs.

        Args:
            written: bytes that the kernel has counted on its connection.
            past: until which message it wanted what before that, the oldest first.
            wants: and now.
            subscriptions: the same, as they are at any time later.
            more: what the record points to.
            read: what is stored somewhere in so many bytes.

        Returns:
            Whether it had got all of its pass since: when that was, nobody has written down.

        Raises:
            MismatchError: it cannot; it is to be removed, as if it had gone on for a while.
        """
        sequence = self.front if record.kind == Kind.WANTS_NOTHING else record.following
        offset = 0
        if record.kind == Kind.GOES_ON and record.following == record.sequence:
            offset = record.offset
        self.backlog.tail = min(self.backlog.tail, sequence)
        self._take_figures(member, record)
        self._block(member, sequence, offset, now)
        self._want(member, sequence, past, wants)
        self._count_since(member, record.counted)
        member.gaps, member.mark = gaps_of(more, self._log.epoch), mark_in(more)
        if more.shown:
            member.snapshots = snapshots_of(Shown(*more.shown), subscriptions, read)
        if more.segments:
            self._take_segments(member, record, more, read)
        if record.following != record.sequence:
            self._take_rest(member, record, read)
        member.control = more.speech or record.speech
        has_passed = self._send_again(member, written - record.stream_bytes)
        self.runnable[member] = None
        return has_passed

    def go_by(self, member: Member, policy: Policy, now: int, rests_until: int = 0) -> None:
        """A member that was restored has this policy.

        Args:
            rests_until: before that it is sent nothing, if its policy says that it rests.
        """
        self.end_replay(member)
        member.policy = policy if member.replay is None else self._while_replaying(policy)
        if member.finishing is not None and not isinstance(policy, DropNewest):
            self.backlog.end_finishing(member, self.front)  # its policy was `drop_newest` before
        self.begin(member, now)
        if policy.min_interval_ns and rests_until > now:
            self.rest(member, min(rests_until, now + policy.min_interval_ns))
            self.writable(member)  # it may be sent what it has missed

    def let_go(self, member: Member) -> None:
        """Another worker goes on with a member: what waits for it is in the totals of that one."""
        self.remove(member)
        totals = self.totals
        totals.discarded -= member.queued
        totals.discarded_bytes -= member.queued_bytes
        totals.matched -= member.queued
        totals.matched_bytes -= member.queued_bytes

    def _take_figures(self, member: Member, record: StreamRecord) -> None:
        """What it was counted; of that, what waits for it comes to the totals of this worker."""
        member.matched_before = record.matched
        member.matched_bytes_before = record.matched_bytes
        member.sent, member.sent_bytes = record.sent, record.sent_bytes
        member.dropped, member.dropped_bytes = record.dropped, record.dropped_bytes
        member.conflated, member.conflated_bytes = record.conflated, record.conflated_bytes
        member.drops = record.drops
        member.spoken_bytes = record.stream_bytes - record.sent_bytes
        self.totals.matched += member.queued
        self.totals.matched_bytes += member.queued_bytes

    def _want(
        self,
        member: Member,
        sequence: int,
        past: Sequence[tuple[int, Collection[bytes]]],
        wants: Collection[bytes],
    ) -> None:
        """From this message on it wants what it did want, and then what it wants now."""
        for until, wanted in past:
            if until > sequence:
                key = minimal(wanted)
                member.older.append((until, Cohort(key, member.encoding) if key else None))
        self._change_cohort(member, wants)

    def _count_since(self, member: Member, front: int) -> None:
        """It has matched what came since the record: so it costs no more if it is far behind."""
        if member.cohort is None and not member.older:
            return
        for first, stop, cohort in segments(member, front, self.front):
            found = self.backlog.count(cohort, first, stop)
            self.backlog.correct(member, found.messages, found.bytes)

    def _take_segments(self, member: Member, record: StreamRecord, more: More, read: Read) -> None:
        """What it is to get is not simply what it wants; it may lose what comes."""
        own = list(segments_of(more, member, self._log, read))
        member.finishing = finishing_of(more)
        if member.finishing is not None:
            self.backlog.lose_since(member, record.counted, self.front)
            # Up to where it had lost what came, which is the last of these, and may be empty.
            own = [one for one in own if one[1] is not None or one[0] < record.counted]
            own = [one for one in own if one[0] <= record.counted]
            own.append((self.front, None))
        member.older.clear()
        member.older.extend(own)
        self.chains.update([wants for _until, wants in own if isinstance(wants, Chain)])
        member.lossy_until = more.lossy_until
        member.untold_until = more.untold_until
        member.replay = replay_of(more)

    def _take_rest(self, member: Member, record: StreamRecord, read: Read) -> None:
        """The rest of a message comes first, if it is still there."""
        if record.copy:
            member.spill = self.backlog.spills.taken_over(
                *(record.sequence, member.encoding, record.offset),
                *(read(record.copy, record.copy_bytes), record.start),
            )
            member.spilled = record.sequence
            return
        is_there = self._is_intact(record)
        if is_there:
            spills = self.backlog.spills
            member.spill = spills.remainder(record.sequence, member.encoding, record.offset)
            member.spilled = record.sequence
            is_there = self._is_intact(record)
        if not is_there:
            raise MismatchError("the rest of a message begun for it is gone")

    def _is_intact(self, record: StreamRecord) -> bool:
        """Whether the message that a record begins with has not been overwritten, and is not."""
        if record.is_kept:
            return True
        log = self._log
        head, position = log.length()
        kept = log.size - log.size // INTACT_PART
        few = head - record.sequence < log.entries - log.entries // INTACT_PART
        return few and position - record.start < kept

    def _send_again(self, member: Member, count: int) -> bool:
        """Bring it to where it was, so many bytes further on; whether its pass ends there."""
        if count < 0:
            raise MismatchError(f"it got {-count:,} bytes less than recorded")
        real, before = member.send, member.sent_bytes
        member.send = swallower = Swallower(count)
        turned, self.backlog.turned = self.backlog.turned, _refuse
        step = Step.MORE
        try:
            while swallower.left and step is not Step.DONE:
                step = self.backlog.step(member, self.front)
                self._part.is_over()  # the sign of life
        finally:  # whatever a step finds that does not fit, what it was sent before that counts
            self.backlog.turned = turned
            member.send = real
            self.totals.sent_bytes += member.sent_bytes - before
        if swallower.left:
            raise MismatchError(f"it got {swallower.left:,} bytes more than there was")
        return step is Step.PASSED

    def tell_gaps(self, member: Member, *, losses: bool, conflated: bool) -> None:
        """Tell its peer from now on of what it does not get, or not any more.

        Args:
            losses: of what it loses since it is behind.
            conflated: of what a newer message took the place of, too.
        """
        if not losses:
            member.gaps = None
        elif member.gaps is None:
            member.gaps = Gaps(self._log.epoch, conflated=conflated)
        else:
            member.gaps.tell_conflated(also=conflated)
