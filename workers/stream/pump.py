"""The pump: new messages to the members that are ready, and the blocked ones after them. Pure.

It owns no socket and no clock: members have a `send`, `now` comes in, and what happened comes out
as effects. One turn is bounded; whoever drives it says how often.

The front is one sequence for the whole worker: every ready member has been sent all that it wants
below it. `advance()` takes the next batch, sends each cohort its share of it, and moves the front.
A member whose socket does not take its share becomes blocked and trails behind; the front does not
wait. `serve()` lets it continue, from its own cursor, whenever its socket is writable, until it has
caught up.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate, islice
from typing import TYPE_CHECKING

from fanout.reasons import Reason
from fanout.workers.policy.base import KeepNewest, Lag
from fanout.workers.stream.backlog import Step
from fanout.workers.stream.effects import Slowed, broken
from fanout.workers.stream.member import BLOCKED
from fanout.workers.stream.members import Members, position_of
from fanout.workers.stream.pace import Pace
from fanout.workers.stream.sorting import Sorting
from fanout.workers.tuning import TUNING, Tuning

if TYPE_CHECKING:
    from fanout.shm.reader import LogReader
    from fanout.workers.policy.limits import Limits
    from fanout.workers.stream.cohort import Cohort
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.totals import Totals


class Pump(Members):
    """Sends to the members of one worker.

    Args:
        limits: no member's policy has smaller ones: while nobody is over these, none is asked.
    """

    def __init__(
        self,
        log: LogReader,
        limits: Limits,
        tuning: Tuning = TUNING,
        totals: Totals | None = None,
    ) -> None:
        super().__init__(log, tuning, totals)
        self._limits = limits
        self._span_bytes = tuning.span_bytes
        self._batch_bytes = tuning.batch_bytes
        self._serve_steps = tuning.serve_steps
        self._control_bytes_max = tuning.control_bytes_max
        self.sorting = Sorting(log, self.cohorts)
        self._pace = Pace(tuning)

    @property
    def share(self) -> float:
        """Of the log's bytes that one send carries to a member, on average; 1.0 = all of them."""
        return 1.0 if self.cohorts.everything.ready else self._pace.share

    def advance(self, head: int, now: int) -> bool:
        """Send the next batch below `head` to all ready members; True if there is more."""
        first = self.front
        if first >= head:
            return False
        stop = self._batch_end(first, head)
        everything = self.cohorts.everything
        if everything.ready:
            self._send_spans(everything, first, stop, now)
        if self.cohorts.has_filtered:
            self._distribute(first, stop, now)
        self.front = stop
        everything.counted = stop
        self.totals.matched += (stop - first) * everything.members
        return stop < head

    def speak(self, member: Member, data: bytes, now: int) -> None:
        """Send the member something that is not in the log, between two messages."""
        if not member.blocked:
            count = self._try_send(member, data)
            if count < 0:
                return
            member.sent_bytes -= count
            member.spoken_bytes += count
            if count < len(data):
                self._block(member, self.front, 0, now)
                member.control = data[count:]
            return
        if len(member.control) + len(data) > self._control_bytes_max:
            self._lose(member, Reason.UNREAD_ANSWERS, Reason.UNREAD_ANSWERS.text)
            return
        self.backlog.detach(member, self.front)
        member.control += data

    def writable(self, member: Member) -> None:
        """The socket of this member has room again."""
        if member.blocked:
            self.runnable[member] = None

    def serve(self, member: Member, now: int) -> None:
        """Continue with a blocked member whose socket is writable, for a few sends."""
        if member.state is not BLOCKED:
            return
        sent, spoken = member.sent_bytes, member.spoken_bytes
        step = Step.MORE
        try:
            for _ in range(self._serve_steps):
                step = self.backlog.step(member, self.front)
                if step is not Step.MORE:
                    break
        except OSError as error:
            self._lose(member, *broken(error))
        sent = member.sent_bytes - sent
        self.totals.sent_bytes += sent
        if member.state is not BLOCKED:
            return
        if step is Step.DONE:
            self._unblock(member)
            return
        if sent or member.spoken_bytes != spoken:
            self._progressed(member, now)
        if step is Step.MORE:
            self.runnable[member] = None

    def serve_runnable(self, now: int, limit: int) -> None:
        """Continue with members whose sockets have room; neighbours in the log share its work."""
        for member in sorted(islice(self.runnable, limit), key=position_of):
            del self.runnable[member]
            self.serve(member, now)

    def enforce(self, now: int) -> None:
        """Judge the members that are far behind."""
        lag_messages = self.front - self.move_tail()
        lag_bytes = self._log.start_of(self.front) - self._log.start_of(self.backlog.tail)
        if self._limits.are_exceeded(lag_bytes, lag_messages):
            self._judge(now)
            self.move_tail()
        if self.backlog.spills.are_too_many:
            self.lose_spilled()

    def behind(self, member: Member) -> int:
        """How far a blocked member is behind the front, in bytes of log."""
        return self._log.start_of(self.front) - member.position

    def lowest_within(self, limits: Limits) -> int:
        """The lowest position of a member that is not over these limits."""
        lowest = self._log.start_of(self.front) - limits.bytes
        if self.front - limits.messages > self.backlog.tail:
            return max(lowest, self._log.start_of(self.front - limits.messages))
        return lowest

    # Inside a turn.

    def _batch_end(self, first: int, head: int) -> int:
        if self.cohorts.has_filtered:
            stop = min(head, first + self._pace.messages)
            return self._log.batch_end(first, stop, self._batch_bytes)
        return self._log.batch_end(first, head, self._span_bytes)

    def _send_spans(self, cohort: Cohort[Member], first: int, stop: int, now: int) -> None:
        start, end = self._log.start_of(first), self._log.start_of(stop)
        span = self._log.span(start, end)
        size = len(span)
        wrapped = self._log.span(start + size, end) if size < end - start else None
        totals = self.totals
        for member in tuple(cohort.ready):
            count = self._try_send(member, span)
            if count == size and wrapped is not None:
                more = self._try_send(member, wrapped)
                if more < 0:
                    member.position += count  # what the first piece completed was sent
                    totals.sent_bytes += count
                count = count + more if more >= 0 else -1
            if count >= 0 and count < end - start:
                totals.sent_bytes += count
                self._block(member, first, count, now)
        taken = len(cohort.ready)  # the others are not ready any more
        totals.sent += taken * (stop - first)
        totals.sent_bytes += taken * (end - start)

    def _distribute(self, first: int, stop: int, now: int) -> None:
        sorting, totals = self.sorting, self.totals
        sorting.sort(first, stop)
        totals.matched += sorting.count()
        distinct = sends = sent = sent_bytes = 0
        for cohorts, picks, encoding in sorting.shares():
            pieces = picks
            if encoding is not None:
                numbers = map(sorting.sequence_of, picks)
                pieces = list(map(encoding.encode, picks, numbers))
            blob = b"".join(pieces) if len(pieces) > 1 else pieces[0]
            distinct += 1
            for cohort in cohorts:
                self._send_picks(cohort, picks, pieces, blob, now)
                taken = len(cohort.ready)  # who has not taken all of it is not ready any more
                sends += taken
                sent += taken * len(picks)
                sent_bytes += taken * len(blob)
        totals.sent += sent
        totals.sent_bytes += sent_bytes
        sorting.clear()
        size = self._log.start_of(stop) - self._log.start_of(first)
        self._pace.learn(stop - first, size, distinct, sends, sent_bytes)

    def _send_picks(
        self,
        cohort: Cohort[Member],
        picks: list[bytes],
        pieces: list[bytes],
        blob: bytes,
        now: int,
    ) -> None:
        """Send messages to every ready member of a cohort.

        Who has taken all of it is ready afterwards, and has still to be added to the totals.

        Args:
            picks: the messages, as they are in the log.
            pieces: and as they are in the blob, which is sent.
        """
        size = len(blob)
        matches = len(picks)
        for member in tuple(cohort.ready):
            count = self._try_send(member, blob)
            if count == size:
                member.sent += matches
            elif count >= 0:
                ends = list(accumulate(map(len, pieces)))
                whole = bisect_right(ends, count)
                member.sent += whole
                self.totals.sent += whole
                self.totals.sent_bytes += count
                sent_of_next = count - (ends[whole - 1] if whole else 0)
                sequence = self.sorting.sequence_of(picks[whole])
                self._block(member, sequence, sent_of_next, now)

    def _try_send(self, member: Member, data: bytes | memoryview) -> int:
        """Bytes that the socket took, -1 if the connection is dead."""
        try:
            count = member.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._lose(member, *broken(error))
            return -1
        member.sent_bytes += count
        return count

    # Limits.

    def _judge(self, now: int) -> None:
        """Ask the policies of the members that are over their limits, and do as they say."""
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

    def _first_of(self, newest: KeepNewest) -> int:
        """The first of the newest messages that are no more than this."""
        position = self._log.start_of(self.front) - newest.bytes
        first = self._log.sequence_at(position - 1, self.backlog.tail, self.front) + 1
        return min(max(first, self.front - newest.messages), self.front)

    def _jump(self, member: Member, target: int) -> None:
        lost = self.backlog.jump(member, target, self.front)
        if lost and not member.slow:
            member.slow = True
            limits = member.policy.limits
            lag = f"{limits.bytes:,} bytes or {limits.messages:,} messages"
            self.effects.append(Slowed(member, f"is more than {lag} behind"))
