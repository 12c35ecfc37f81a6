"""The backlog of a blocked member: what to send next. Pure.

Nothing is stored for a member that is behind: what it still has to get is picked out of the log
again, from its cursor on. The one exception is the rest of a message that was partly sent when the
log may no longer keep it: that moves to the member's `spill`, so that its stream stays valid.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from fanout.shm.census import Amount
from fanout.workers.stream.chunks import Chunks
from fanout.workers.stream.losing import Losing
from fanout.workers.stream.replay import mark_of
from fanout.workers.stream.steps import Step, send
from fanout.workers.stream.values import Values
from fanout.workers.tuning import TUNING, Tuning

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.shm.reader import LogReader
    from fanout.workers.stream.chunks import Chunk
    from fanout.workers.stream.cohort import Cohort
    from fanout.workers.stream.cohorts import Cohorts
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.replay import Replay
    from fanout.workers.stream.totals import Totals


class Backlog(Losing):
    """Serves blocked members from their own cursors.

    Attributes:
        conflate: leaves the newest of each topic of what waits for a member, and says whether it
            had the time to find these; set by the pump.
        show: sends a member the last values that are due; set if there are any.
    """

    def __init__(
        self,
        log: LogReader,
        cohorts: Cohorts[Member],
        totals: Totals,
        tuning: Tuning = TUNING,
    ) -> None:
        super().__init__(log, cohorts, totals, tuning)
        self._span_bytes = tuning.span_bytes
        self.chunks = Chunks(log, cohorts, tuning)
        self.conflate: Callable[[Member, int], bool] = lambda _member, _front: True
        self.show: Callable[[Member], Step] | None = None

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
            return self._send_spill(member) if member.spill else self._send_control(member)
        if member.mark is not None and self._is_at_mark(member, front):
            return self._send_spill(member) if member.spill else self._send_control(member)
        if member.snapshots is not None and self._has_snapshot(member, front):
            assert self.show is not None
            return self.show(member)
        if member.conflating and not (member.older and type(member.older[0][1]) is Values):
            self.detach(member, front)
            if member.spill:  # its socket may take no more of it: it is nobody's turn until then
                return self._send_spill(member)
            is_thin = self.conflate(member, front)
            if member.older and is_thin:
                self.turned(member)
            if not is_thin:
                return Step.LATER
            if member.gaps is not None and self._has_marker(member, front):
                return self._send_control(member)
        until, cohort = member.older[0] if member.older else (front, member.cohort)
        if cohort is None:
            return self._skip(member, until, front)
        if member.snapshots is not None and type(cohort) is not Values:
            until = self._up_to_snapshot(member, until)
        if cohort.everything:
            return self._send_span(member, until)
        if isinstance(cohort, Values):
            return self._send_values(member, cohort, until)
        return self._send_picks(member, cohort, until, front)

    def catch_up(self, member: Member, front: int, steps: int) -> Step:
        """Send a plain member up to so many pieces, as so many steps would, in less time."""
        cohort = member.cohort
        assert cohort is not None
        step = Step.MORE
        for _ in range(steps):
            if cohort.everything:
                step = self._send_span(member, front)
            else:
                step = self._send_picks(member, cohort, front, front)
            if step is not Step.MORE:
                break
        return step

    def _has_snapshot(self, member: Member, front: int) -> bool:
        """Whether its cursor is where one is due."""
        assert member.snapshots is not None
        self.settle(member, front)
        return not member.offset and member.sequence >= member.snapshots.pending[0].due

    def _up_to_snapshot(self, member: Member, until: int) -> int:
        """No piece goes beyond where one is due, though what comes is the same there and behind.

        Else whoever goes on with the member would show it that elsewhere in its stream.
        """
        assert member.snapshots is not None
        due = member.snapshots.pending[0].due
        return min(until, due) if member.sequence < due else until

    def say(self, member: Member) -> Step:
        """Send what is not in the log, and nothing else."""
        if member.spill and self._send_spill(member) is Step.FULL:
            return Step.FULL
        return self._send_control(member) if member.control else Step.DONE

    def _has_marker(self, member: Member, front: int) -> bool:
        """Whether its peer is to be told of a gap: that is what it is sent next, behind a rest."""
        assert member.gaps is not None
        if member.gaps.pending:
            self.settle(member, front)  # else its message may be gone from the log
            due = self._telling.due_until(member)
            if member.offset and member.gaps.is_due(due):  # what is missing is on both sides of it
                self.detach(member, front)
                return True
            member.control = member.gaps.take(due, member.encoding)
            if member.control:
                self.turned(member)
        return bool(member.control)

    def _is_at_mark(self, member: Member, front: int) -> bool:
        """Whether its peer is told next that it has got what it had missed; a rest comes first.

        Not before it was told what of that it has lost: who loses what comes, too, and has nothing
        to finish with, is told so when it stops losing.
        """
        mark, gaps = member.mark, member.gaps
        assert mark is not None
        self.settle(member, front)
        if member.sequence < mark:
            return False
        if gaps is not None and any(gap.first < mark for gap in gaps.pending):
            return False
        self.detach(member, front)
        if not member.spill:
            told, encoding = mark_of(mark, self._log.epoch), member.encoding
            member.control = told if encoding is None else encoding.encode(told, member.sequence)
            member.mark = None
            self.turned(member)
        return True

    def _skip(self, member: Member, until: int, front: int) -> Step:
        """It has wanted nothing; or has finished, and goes on with the present."""
        has_finished = member.finishing is not None and len(member.older) == 1
        if has_finished:
            self.end_finishing(member, front)
            until = front
        step = self._end_segment(member, until)
        if has_finished:
            self.turned(member)
        return step

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
        replay = member.replay
        if replay is not None and replay.counted < min(stop, replay.stop):
            self._count_picked(member, replay, chunk, picked, stop)
        if not picked:
            self._move(member, stop, 0)
            return Step.MORE
        in_log = pieces = list(map(chunk.pieces.__getitem__, picked))
        if cohort.encoding is not None:
            encode, base = cohort.encoding.encode, chunk.first
            numbers = (base + index for index in picked)
            pieces = list(map(encode, pieces, numbers))
        data, fitting, offset = b"".join(pieces), len(picked), member.offset
        ends: list[int] = []  # of each; in the usual case that is no matter
        if len(data) > self._span_bytes:
            ends = list(accumulate(map(len, pieces)))
            fitting = max(1, bisect_right(ends, self._span_bytes))
            if fitting < len(picked):
                stop = chunk.first + picked[fitting]
                data = data[: ends[fitting - 1]]
        done = offset + send(member, memoryview(data)[offset:] if offset else data)
        if done == len(data) and in_log is pieces:
            whole, rest = fitting, 0
        else:
            ends = ends or list(accumulate(map(len, pieces)))
            whole = bisect_right(ends, done, hi=fitting)
            rest = done - (ends[whole - 1] if whole else 0)
        member.sent += whole
        self._totals.sent += whole
        if in_log is not pieces:  # the first one was counted when it was begun
            begun = slice(offset > 0, whole + (rest > 0))
            added = sum(map(len, pieces[begun])) - sum(map(len, in_log[begun]))
            self.correct(member, 0, added)
        if whole == fitting:
            self._move(member, stop, 0)
            return Step.MORE
        self._move(member, chunk.first + picked[whole], rest)
        return Step.FULL

    def _count_picked(
        self, member: Member, replay: Replay, chunk: Chunk, picked: list[int], stop: int
    ) -> None:
        """It comes to these for the first time, up to message `stop`."""
        new = picked[bisect_left(picked, replay.counted - chunk.first) :]
        self.add_replayed(member, Amount(len(new), sum([len(chunk.pieces[one]) for one in new])))
        replay.counted = stop

    def _send_values(self, member: Member, values: Values, until: int) -> Step:
        at = values.sequences.place_of(member.sequence)
        if at == len(values.sequences):
            return self._end_pass(member, until)
        load = values.load(at, member.encoding)
        bounds, base, stop = load.bounds, load.first, load.stop
        if member.gaps is not None and member.gaps.pending:  # it is told of it in its place
            told_at = values.sequences.place_of(member.gaps.pending[0].first)
            stop = min(stop, max(at + 1, told_at))
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
            return Step.MORE if member.is_to_be_told else Step.DONE
        member.older.popleft()
        return Step.MORE
