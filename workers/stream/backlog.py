"""The backlog of a blocked member: what to send next, and how it jumps when it lags. Pure.

Nothing is stored for a member that is behind: what it still has to get is picked out of the log
again, from its cursor on. The one exception is the rest of a message that was partly sent when the
log may no longer keep it: that moves to the member's `spill`, so that its stream stays valid.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from fanout.shm.census import NOTHING, Amount
from fanout.workers.stream.chunks import Chunks
from fanout.workers.stream.edges import Edges
from fanout.workers.stream.segments import segments
from fanout.workers.stream.spills import Spills
from fanout.workers.stream.steps import Step, send
from fanout.workers.stream.stretches import Stretches
from fanout.workers.stream.telling import Telling
from fanout.workers.stream.values import Values
from fanout.workers.tuning import TUNING, Tuning
from fanout.zmtp.frames import first_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.reasons import Reason
    from fanout.shm.reader import LogReader
    from fanout.workers.stream.cohort import Cohort
    from fanout.workers.stream.cohorts import Cohorts
    from fanout.workers.stream.member import Member, Wants
    from fanout.workers.stream.totals import Totals


class Backlog:
    """Serves blocked members from their own cursors.

    Args:
        log: where the messages are.
        cohorts: what topic ids stand for.
        totals: where all messages that are sent or lost are counted once more.

    Attributes:
        tail: what is below this message may be overwritten; kept by the pump.
        spills: the messages that the members have rests of.
        conflate: leaves the newest of each topic of what waits for a member; set by the pump.
    """

    def __init__(
        self,
        log: LogReader,
        cohorts: Cohorts[Member],
        totals: Totals,
        tuning: Tuning = TUNING,
    ) -> None:
        self.tail = log.head()
        self._log = log
        self._cohorts = cohorts
        self._totals = totals
        self._span_bytes = tuning.span_bytes
        self._stretches = Stretches(log, self.topic, tuning.census_messages, tuning.censuses_kept)
        self._telling = Telling(Edges(log, self.topic), self.count)
        self.chunks = Chunks(log, cohorts, tuning)
        self.spills = Spills(log, tuning.spill_logs * log.size)
        self.conflate: Callable[[Member, int], None] = lambda _member, _front: None

    def step(self, member: Member, front: int) -> Step:
        """Send one piece.

        Raises:
            OSError: the connection is dead; BlockingIOError is not raised but FULL returned.
        """
        if member.spill:
            return self._send_spill(member)
        if member.control:
            return self._send_control(member)
        if member.gaps is not None and self._has_marker(member, front):
            return self._send_control(member)
        if member.conflating and not (member.older and type(member.older[0][1]) is Values):
            self.conflate(member, front)
            if member.spill:
                return self._send_spill(member)
            if member.gaps is not None and self._has_marker(member, front):
                return self._send_control(member)
        until, cohort = member.older[0] if member.older else (front, member.cohort)
        if cohort is None:
            return self._skip(member, until, front)
        if cohort.everything:
            return self._send_span(member, until)
        if isinstance(cohort, Values):
            return self._send_values(member, cohort, until)
        return self._send_picks(member, cohort, until, front)

    def say(self, member: Member) -> Step:
        """Send what is not in the log, and nothing else."""
        return self._send_control(member) if member.control else Step.DONE

    def settle(self, member: Member, front: int) -> None:
        """Bring `sequence`, `offset` and `sent` of a blocked member in line with its position."""
        if member.finishing is not None:
            self._lose_newest(member, front)
        until, cohort = member.older[0] if member.older else (front, member.cohort)
        if cohort is None or not cohort.everything:
            return
        # Index entries below `tail` may be overwritten: search from there.
        low = max(member.sequence, self.tail)
        sequence = self._log.sequence_at(member.position, low, until)
        passed = sequence - member.sequence
        member.sent += passed
        self._totals.sent += passed
        member.sequence = sequence
        member.offset = member.position - self._log.start_of(sequence)

    def detach(self, member: Member, front: int) -> None:
        """Move the rest of a partly sent message to the spill; the cursor is then between two."""
        self.settle(member, front)
        if not member.offset:
            return
        stop = self._log.start_of(member.sequence + 1)
        assert not member.spill, "bytes from the log were sent before the spill"
        assert not member.control, "bytes from the log were sent before the control bytes"
        member.spill = self.spills.rest(member.sequence, member.encoding, member.offset)
        member.spilled = member.sequence
        member.place(member.sequence + 1, 0, stop)

    def finish(self, member: Member, stop: int, front: int, reason: Reason) -> None:
        """From message `stop` on the member loses what comes, until it has got all that is below.

        Args:
            reason: one of `DROPPING`, by which it is counted.
        """
        self.settle(member, front)
        if member.finishing is not None:
            return
        member.finishing, lost, older = reason, NOTHING, member.older
        for first, until, wants in segments(member, stop, front):
            some = self.count(wants, first, until)
            self._telling.note(member, wants, first, until, some, reason)
            lost = lost.plus(some)
        kept = [(until, wants) for until, wants in older if until < stop]
        cut = [wants for until, wants in older if until >= stop]
        here = cut[0] if cut else member.cohort and member.cohort.keep()
        older.clear()
        older.extend((*kept, (stop, here), (front, None)))
        self._lose(member, lost, reason)

    def end_finishing(self, member: Member, front: int) -> None:
        """From the front on it gets again what it wants."""
        self.settle(member, front)
        member.finishing, member.lossy_until = None, front
        if member.gaps is not None:
            member.gaps.end_losses()

    def jump(self, member: Member, target: int, front: int, reason: Reason) -> int:
        """Move the cursor forward to message `target`; returns how many it loses by that.

        Args:
            reason: one of `DROPPING`, by which it is counted.
        """
        self.detach(member, front)
        messages = size = 0
        has_passed = False
        while member.sequence < target:
            until, cohort = member.older[0] if member.older else (front, member.cohort)
            stop = min(until, target)
            lost = self.count(cohort, member.sequence, stop)
            self._telling.note(member, cohort, member.sequence, stop, lost, reason)
            messages += lost.messages
            size += lost.bytes
            member.sequence = stop
            if stop == until and member.older:
                has_passed = has_passed or isinstance(cohort, Values)
                member.older.popleft()
        if has_passed and member.policy.min_interval_ns:  # that was its pass, though not all of it
            member.older.appendleft((target, Values((), self._log, are_newest=True)))
        if not member.older:
            member.finishing = None
        member.position = self._log.start_of(member.sequence)
        self._lose(member, Amount(messages, size), reason)
        return messages

    def count(self, cohort: Wants, first: int, stop: int) -> Amount:
        """What a cohort wants of the messages from `first` up to, not including, `stop`."""
        if cohort is None or first >= stop:
            return NOTHING
        if isinstance(cohort, Values):
            return cohort.amount(first, stop)
        if cohort.everything:
            return Amount(stop - first, self._log.start_of(stop) - self._log.start_of(first))
        return self._stretches.count(cohort.minimal_key, first, stop, self.tail)

    def picks(self, cohort: Cohort[Member], first: int, stop: int) -> list[tuple[int, int]]:
        """Which of these messages a cohort wants, and their sizes, in order."""
        return self._stretches.picks(cohort.minimal_key, first, stop, self.tail)

    def _has_marker(self, member: Member, front: int) -> bool:
        """Whether its peer is to be told of a gap now: then that is what it is sent next."""
        assert member.gaps is not None
        if member.gaps.pending:
            self.settle(member, front)  # else its message may be gone from the log
            member.control = member.gaps.take(self._telling.due_until(member), member.encoding)
        return bool(member.control)

    def correct(self, member: Member, messages: int, size: int) -> None:
        """What it matched is so much more: by other wants, or as its encoding has it."""
        member.matched_before += messages
        member.matched_bytes_before += size
        self._totals.matched += messages
        self._totals.matched_bytes += size

    def topic_of(self, sequence: int) -> bytes:
        """The first frame of a message."""
        return first_frame(self._log.piece(sequence))

    def _lose(self, member: Member, lost: Amount, reason: Reason) -> None:
        if lost.messages:
            member.lose(lost, reason)
            self._totals.dropped += lost.messages
            self._totals.dropped_bytes += lost.bytes

    def _lose_newest(self, member: Member, front: int) -> None:
        """What has come for a member that finishes is lost."""
        assert member.finishing is not None
        came_to, _nothing = member.older[-1]
        if came_to < front:
            lost = self.count(member.cohort, came_to, front)
            self._telling.note(member, member.cohort, came_to, front, lost, member.finishing)
            self._lose(member, lost, member.finishing)
            member.older[-1] = front, None

    def _skip(self, member: Member, until: int, front: int) -> Step:
        """It has wanted nothing; or has finished, and goes on with the present."""
        if member.finishing is not None and len(member.older) == 1:
            self.end_finishing(member, front)
            until = front
        return self._end_segment(member, until)

    def topic(self, topic_id: int, sequence: int) -> bytes:
        name = self._cohorts.name(topic_id)
        return self.topic_of(sequence) if name is None else name

    def _send_spill(self, member: Member) -> Step:
        spill = member.spill
        count = send(member, spill)
        if count < len(spill):
            member.spill = memoryview(spill)[count:]
            return Step.FULL
        member.spill = b""
        member.sent += 1
        self._totals.sent += 1
        return Step.MORE

    def _send_control(self, member: Member) -> Step:
        try:
            count = member.send(member.control)
        except BlockingIOError:
            return Step.FULL
        member.spoken_bytes += count
        member.control = member.control[count:]
        return Step.FULL if member.control else Step.MORE

    def _send_span(self, member: Member, until: int) -> Step:
        stop = self._log.start_of(until)
        if member.position >= stop:
            self.settle(member, until)
            return self._end_segment(member, until)
        span = self._log.span(member.position, min(stop, member.position + self._span_bytes))
        count = send(member, span)
        member.position += count
        return Step.FULL if count < len(span) else Step.MORE

    def _send_picks(self, member: Member, cohort: Cohort[Member], until: int, front: int) -> Step:
        first = member.sequence
        if first >= until:
            return self._end_segment(member, until)
        chunk = self.chunks.at(first, front)
        stop = min(until, chunk.stop)
        picked = chunk.pick(cohort)
        picked = picked[bisect_left(picked, first - chunk.first) :]
        picked = picked[: bisect_left(picked, stop - chunk.first)]
        if not picked:
            self._move(member, stop, 0)
            return Step.MORE
        pieces = [chunk.pieces[index] for index in picked]
        in_log = pieces
        if cohort.encoding is not None:
            encode, base = cohort.encoding.encode, chunk.first
            numbers = (base + index for index in picked)
            pieces = list(map(encode, pieces, numbers))
        ends = list(accumulate(map(len, pieces)))
        fitting = max(1, bisect_right(ends, self._span_bytes))
        if fitting < len(picked):
            stop = chunk.first + picked[fitting]
        count = send(member, memoryview(b"".join(pieces[:fitting]))[member.offset :])
        done = member.offset + count
        whole = bisect_right(ends, done, hi=fitting)
        member.sent += whole
        self._totals.sent += whole
        offset = done - (ends[whole - 1] if whole else 0)
        if in_log is not pieces:  # the first one was counted when it was begun
            begun = slice(member.offset > 0, whole + (offset > 0))
            added = sum(map(len, pieces[begun])) - sum(map(len, in_log[begun]))
            self.correct(member, 0, added)
        if whole == fitting:
            self._move(member, stop, 0)
            return Step.MORE
        self._move(member, chunk.first + picked[whole], offset)
        return Step.FULL

    def _send_values(self, member: Member, values: Values, until: int) -> Step:
        at = bisect_left(values.sequences, member.sequence)
        if at == len(values.sequences):
            return self._end_pass(member, until)
        load = values.load(at, member.encoding, self._log)
        bounds, base, stop = load.bounds, load.first, load.stop
        if member.gaps is not None and member.gaps.pending:  # it is told of it in its place
            stop = min(stop, bisect_left(values.sequences, member.gaps.pending[0].first, at + 1))
        begin = bounds[at - base] + member.offset
        done = begin + send(member, memoryview(load.data)[begin : bounds[stop - base]])
        now_at = base + bisect_right(bounds, done) - 1
        member.sent += now_at - at
        self._totals.sent += now_at - at
        offset = done - bounds[now_at - base]
        if member.encoding is not None:  # the first one was counted when it was begun
            low, high = at + (member.offset > 0), max(at, now_at) + (offset > 0)
            if high > low:
                size = bounds[high - base] - bounds[low - base]
                self.correct(member, 0, size - values.bytes_between(low, high))
        if now_at == len(values.sequences):
            return self._end_pass(member, until)
        self._move(member, values.sequences[now_at], offset)
        return Step.MORE if now_at == stop else Step.FULL

    def _end_pass(self, member: Member, until: int) -> Step:
        step = self._end_segment(member, until)
        return Step.PASSED if member.policy.min_interval_ns else step

    def _move(self, member: Member, sequence: int, offset: int) -> None:
        member.place(sequence, offset, self._log.start_of(sequence))

    def _end_segment(self, member: Member, until: int) -> Step:
        self._move(member, until, 0)
        if not member.older:
            # Who has not been told of a gap yet is told it before it gets anything new.
            return Step.MORE if member.gaps is not None and member.gaps.pending else Step.DONE
        member.older.popleft()
        return Step.MORE
