"""Rounds: new messages to the members that are ready. Pure.

The front is one sequence for the whole worker: every ready member has been sent all that it wants
below it. A *round* takes the next batch, moves the front behind it, and sends each cohort its share
of it. Thousands of members take longer than a turn may: then the round is interrupted, and goes on
in the next turn. Who has not had his turn by then *waits*: he is ready, but his stream still stands
where the round began. Whoever wants to do something else with him first gives him a cursor there.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from fanout.workers.stream.budget import Budget, without_clock
from fanout.workers.stream.effects import broken
from fanout.workers.stream.members import Members
from fanout.workers.stream.pace import Pace
from fanout.workers.stream.sorting import Sorting
from fanout.workers.tuning import TUNING, Tuning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fanout.shm.reader import LogReader
    from fanout.workers.stream.cohort import Cohort
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.sorting import Share
    from fanout.workers.stream.totals import Totals


class Rounds(Members):
    """Sends new messages to the ready members of one worker.

    Its mutable state, beside that of `Members`: the round under way.

    Args:
        budget: bounds what one call of `advance()` does.
    """

    def __init__(
        self,
        log: LogReader,
        tuning: Tuning = TUNING,
        totals: Totals | None = None,
        budget: Budget | None = None,
    ) -> None:
        super().__init__(log, tuning, totals)
        self._budget = budget or without_clock()
        self._span_bytes = tuning.span_bytes
        self._sends_per_look = tuning.sends_per_look
        self._batch_bytes = tuning.batch_bytes
        self.sorting = Sorting(log, self.cohorts, self._budget, tuning)
        self._pace = Pace(tuning)
        self._round: Iterator[None] | None = None
        self._is_interrupted = False  # that round: who is not in `waiting` has had his turn

    @property
    def share(self) -> float:
        """Of the log's bytes that one send carries to a member, on average; 1.0 = all of them."""
        return 1.0 if self.cohorts.everything.ready else self._pace.share

    def advance(self, head: int, now: int) -> bool:
        """Send the next batch below `head` to all ready members; True if there is more.

        Once the time is over it returns at the next opportunity, and goes on where it was when it
        is called again.
        """
        self._now = now
        if self._round is None:
            if self.front >= head:
                return False
            self._round = self._begin(head)
        for _interruption in self._round:
            return True
        self._round = None
        return self.front < head

    def follow(self, head: int) -> None:
        if self._round is not None:  # nobody is left to be sent the rest
            self._round = None
            self.sorting.clear()
        super().follow(head)

    # A round.

    def _begin(self, head: int) -> Iterator[None]:
        """Move the front behind the next batch; what is returned sends it."""
        first = self.front
        everything = self.cohorts.everything
        filtered = self.cohorts.has_filtered
        if filtered:
            aim = min(head, first + self._pace.messages)
            aim = self._log.batch_end(first, aim, self._batch_bytes)
            stop = self.sorting.sort(first, aim)
            if stop < aim:
                self._pace.cut(stop - first)
            self.totals.matched += self.sorting.count()
        else:
            stop = self._log.batch_end(first, head, self._span_bytes)
        self.totals.matched += (stop - first) * everything.members
        self.front = everything.counted = stop
        self._round_first = first
        self._is_interrupted = False
        return self._send_round(first, stop, filtered)

    def _send_round(self, first: int, stop: int, filtered: bool) -> Iterator[None]:
        """Yields when the time is over."""
        shares = self.sorting.shares() if filtered else []
        if self.cohorts.everything.ready:
            yield from self._send_spans(first, stop, shares)
        if filtered:
            yield from self._send_shares(first, stop, shares)
            self.sorting.clear()

    def _interrupt(
        self,
        members: Sequence[Member],
        cohorts: Sequence[Cohort[Member]],
        shares: Sequence[Share],
    ) -> None:
        """The time is over: these wait, if they are the first who do."""
        if self._is_interrupted:
            return
        self._is_interrupted = True
        self.waiting.update(members)
        for cohort in cohorts:
            self.waiting.update(cohort.ready)
        for later, _prefixes, _encoding in shares:
            for cohort in later:
                self.waiting.update(cohort.ready)

    def _send_spans(self, first: int, stop: int, shares: list[Share]) -> Iterator[None]:
        """Send the batch as it is in the log to those who want everything."""
        start, end = self._log.start_of(first), self._log.start_of(stop)
        span = self._log.span(start, end)
        size = len(span)
        wrapped = self._log.span(start + size, end) if size < end - start else None
        totals, waiting, is_over = self.totals, self.waiting, self._budget.is_over
        each = self._sends_per_look
        members = tuple(self.cohorts.everything.ready)
        taken = 0
        for place, member in enumerate(members):
            if not place % each and place and is_over():
                totals.sent += taken * (stop - first)
                totals.sent_bytes += taken * (end - start)
                taken = 0
                self._interrupt(members[place:], (), shares)
                yield
            if self._is_interrupted:
                if member not in waiting:
                    continue
                waiting.remove(member)
            count = self._try_send(member, span)
            if count == size and wrapped is not None:
                more = self._try_send(member, wrapped)
                if more < 0:
                    member.position += count  # what the first piece completed was sent
                    totals.sent_bytes += count
                count = count + more if more >= 0 else -1
            if count == end - start:
                taken += 1
            elif count >= 0:
                totals.sent_bytes += count
                waiting.add(member)  # it stands where the round began, and some bytes on
                self._block(member, first, 0, self._now)
                member.place(first, count, start)
        totals.sent += taken * (stop - first)
        totals.sent_bytes += taken * (end - start)

    def _send_shares(self, first: int, stop: int, shares: list[Share]) -> Iterator[None]:
        """Send each cohort what was picked for it."""
        sorting, waiting, is_over = self.sorting, self.waiting, self._budget.is_over
        each = self._sends_per_look
        place = sends = sent_bytes = 0
        for at, (cohorts, prefixes, encoding) in enumerate(shares, 1):
            picks, pieces, blob = sorting.joined(cohorts, prefixes, encoding)
            size, matches = len(blob), len(picks)
            for number, cohort in enumerate(cohorts, 1):
                members = tuple(cohort.ready)
                taken = 0
                for index, member in enumerate(members):
                    if not place % each and place and is_over():
                        self._count_sent(taken, matches, size)
                        taken = 0
                        self._interrupt(members[index:], cohorts[number:], shares[at:])
                        yield
                    place += 1
                    if self._is_interrupted:
                        if member not in waiting:
                            continue
                        waiting.remove(member)
                    count = self._try_send(member, blob)
                    if count == size:
                        member.sent += matches
                        taken += 1
                    elif count >= 0:
                        self._cut_off(member, picks, pieces, count)
                self._count_sent(taken, matches, size)
                sends += taken
                sent_bytes += taken * size
        size = self._log.start_of(stop) - self._log.start_of(first)
        self._pace.learn(stop - first, size, len(shares), sends, sent_bytes)

    def _count_sent(self, taken: int, messages: int, size: int) -> None:
        self.totals.sent += taken * messages
        self.totals.sent_bytes += taken * size

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
        self._block(member, self.sorting.sequence_of(picks[whole]), sent_of_next, self._now)

    def _try_send(self, member: Member, data: bytes | memoryview) -> int:
        """Bytes of a round that the socket took, -1 if the connection is dead."""
        try:
            count = member.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self.waiting.add(member)  # for what it was not sent
            self._lose(member, *broken(error))
            return -1
        member.sent_bytes += count
        return count
