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

    def _has_turn(self, member: Member) -> bool:
        """The same for one of them."""
        if member not in self.waiting:
            return False
        self.waiting.remove(member)
        return True

    def _send_span(
        self, members: Sequence[Member], first: int, stop: int, start: int, end: int
    ) -> None:
        """Send these a stretch of the log, from message and position to message and position."""
        span = self._log.span(start, end)
        size, whole = len(span), end - start
        wrapped = self._log.span(start + size, end) if size < whole else None
        taken, totals = len(members), self.totals
        for member in members:
            count = 0
            try:
                count = member.send(span)
                if wrapped is not None and count == size:
                    count += member.send(wrapped)
            except BlockingIOError:
                pass
            except OSError as error:
                self._break_off(member, error)
            member.sent_bytes += count
            if count == whole:
                continue
            taken -= 1
            totals.sent_bytes += count
            if member.state is LOST:
                member.position += count  # whole messages in the first piece count as sent
                continue
            self.waiting.add(member)  # it stands where the round began, and some bytes on
            self._block(member, first, 0, self._now)
            member.place(first, count, start)
        totals.sent += taken * (stop - first)
        totals.sent_bytes += taken * whole

    def _send_load(
        self, members: Sequence[Member], picks: list[bytes], pieces: list[bytes], blob: bytes
    ) -> int:
        """Send these the same; returns how many took all of it, who have still to be counted."""
        if self._is_interrupted:
            members = self._in_turn(members)
        size, matches, taken = len(blob), len(picks), len(members)
        for member in members:
            try:
                count = member.send(blob)
            except OSError as error:
                count = self._not_taken(member, error)
            if count == size:
                member.sent += matches
                member.sent_bytes += size
                continue
            taken -= 1
            self._cut_off(member, picks, pieces, count)
        if pieces is not picks:
            added = size - sum(map(len, picks))
            for member in members:
                if not member.blocked:
                    self.backlog.correct(member, 0, added)
        return taken

    def _count_sent(self, messages: int, size: int, matched_size: int = 0) -> None:
        """So many were sent, of so many bytes; and bytes that matched, whose picks are emptied."""
        self.totals.sent += messages
        self.totals.sent_bytes += size
        self.totals.matched_bytes += matched_size

    def _not_taken(self, member: Member, error: OSError) -> int:
        """Its socket is full (0), or its connection dead (-1)."""
        if isinstance(error, BlockingIOError):
            return 0
        self._break_off(member, error)
        return -1

    def _cut_off(self, member: Member, picks: list[bytes], pieces: list[bytes], count: int) -> None:
        """The socket took less than its share: the member goes on from there by itself.

        Args:
            picks: the messages, as they are in the log.
            pieces: and as they are sent.
            count: bytes that were taken; below 0 = it was broken off.
        """
        if count < 0:
            return
        member.sent_bytes += count
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
