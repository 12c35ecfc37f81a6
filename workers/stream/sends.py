"""Sends: the same to several members, whose sockets take it or not. Pure.

Who takes all of it is counted. Whoever does not goes on by himself, from where his socket was full.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from fanout.workers.stream.effects import broken
from fanout.workers.stream.member import LOST
from fanout.workers.stream.members import Members
from fanout.workers.stream.sorting import Sorting
from fanout.workers.stream.turn_part import TurnPart, without_clock
from fanout.workers.tuning import TUNING, Tuning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.shm.reader import LogReader
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.totals import Totals


class Sends(Members):
    """Sends something to some of the ready members of one worker.

    Its mutable state, beside that of `Members`: whether the round at hand was interrupted.

    Args:
        part: bounds what is done at once.
    """

    def __init__(
        self,
        log: LogReader,
        tuning: Tuning = TUNING,
        totals: Totals | None = None,
        part: TurnPart | None = None,
    ) -> None:
        super().__init__(log, tuning, totals)
        self._part = part or without_clock()
        self.sorting = Sorting(log, self.cohorts, self._part, tuning)
        self._is_interrupted = False  # the round: who is not in `waiting` has had his turn

    def _in_turn(self, members: Sequence[Member]) -> Sequence[Member]:
        """Of an interrupted round: those of them who have not had their turn; now they have it."""
        members = [member for member in members if member in self.waiting]
        self.waiting.difference_update(members)
        return members

    def _send_span(
        self,
        members: Sequence[Member],
        first: int,
        start: int,
        span: memoryview,
        wrapped: memoryview | None,
    ) -> int:
        """Send these the same stretch of the log; returns how many have taken all of it."""
        size = len(span)
        whole = size if wrapped is None else size + len(wrapped)
        taken = 0
        for member in members:
            count = 0
            try:
                count = member.send(span)
                if count == size and wrapped is not None:
                    count += member.send(wrapped)
            except BlockingIOError:
                pass
            except OSError as error:
                self._break_off(member, error)
            member.sent_bytes += count
            if count == whole:
                taken += 1
                continue
            self.totals.sent_bytes += count
            if member.state is LOST:
                member.position += count  # what the first piece completed was sent
                continue
            self.waiting.add(member)  # it stands where the round began, and some bytes on
            self._block(member, first, 0, self._now)
            member.place(first, count, start)
        return taken

    def _send_load(
        self, members: Sequence[Member], picks: list[bytes], pieces: list[bytes], blob: bytes
    ) -> int:
        """Send these the same; returns how many took all of it, who have still to be counted."""
        size, matches, taken = len(blob), len(picks), 0
        if self._is_interrupted:
            members = self._in_turn(members)
        for member in members:
            try:
                count = member.send(blob)
            except BlockingIOError:
                count = 0
            except OSError as error:
                self._break_off(member, error)
                continue
            member.sent_bytes += count
            if count == size:
                member.sent += matches
                taken += 1
            else:
                self._cut_off(member, picks, pieces, count)
        if pieces is not picks:
            added = size - sum(map(len, picks))
            for member in members:
                if not member.blocked:
                    self.backlog.correct(member, 0, added)
        return taken

    def _count_sent(self, messages: int, size: int) -> None:
        self.totals.sent += messages
        self.totals.sent_bytes += size

    def _cut_off(self, member: Member, picks: list[bytes], pieces: list[bytes], count: int) -> None:
        """The socket took less than its share: the member goes on from there by itself.

        Args:
            picks: the messages, as they are in the log.
            pieces: and as they are sent.
            count: bytes that were taken.
        """
        ends = list(accumulate(map(len, pieces)))
        whole = bisect_right(ends, count)
        member.sent += whole
        self.totals.sent += whole
        self.totals.sent_bytes += count
        sent_of_next = count - (ends[whole - 1] if whole else 0)
        if pieces is not picks:
            begun = whole + (sent_of_next > 0)
            added = sum(map(len, pieces[:begun])) - sum(map(len, picks[:begun]))
            self.backlog.correct(member, 0, added)
        self._block(member, self.sorting.sequence_of(picks[whole]), sent_of_next, self._now)

    def _break_off(self, member: Member, error: OSError) -> None:
        """Its connection is dead; it was not sent its share of this round."""
        self.waiting.add(member)
        self._lose(member, *broken(error))
