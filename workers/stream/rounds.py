"""Rounds: new messages to the members that are ready. Pure.

The front is one sequence for the whole worker: every ready member has been sent all that it wants
below it. A *round* takes the next batch, moves the front behind it, and sends each cohort its share
of it. Thousands of members take longer than a turn may: then the round is interrupted, and goes on
in the next turn. Who has not had his turn by then *waits*: he is ready, but his stream still stands
where the round began. Whoever wants to do something else with him first gives him a cursor there.

There may be more members than there is time for, and then they are not equal. Those who are not
*steady* do not wait: they go on by themselves, as if their sockets had been full, so that the front
moves on for those who are. Else some who have come to read nothing would set the pace for all.
"""

from __future__ import annotations

from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias

from fanout.workers.stream.pace import Pace
from fanout.workers.stream.sends import Sends
from fanout.workers.tuning import TUNING, Tuning

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from fanout.shm.reader import LogReader
    from fanout.workers.stream.cohort import Cohort
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.sorting import Load, Share
    from fanout.workers.stream.totals import Totals
    from fanout.workers.stream.turn_part import TurnPart

    # Yields when the time is over; how many different loads, and how many sends of how many bytes.
    Sending: TypeAlias = Generator[None, None, tuple[int, int, int]]


class Rounds(Sends):
    """Sends new messages to the ready members of one worker.

    Its mutable state, beside that of `Sends`: the round under way.

    Args:
        part: bounds what one call of `_advance()` does.

    Attributes:
        steady: members that have kept up for a while; filled by others.
    """

    def __init__(
        self,
        log: LogReader,
        tuning: Tuning = TUNING,
        totals: Totals | None = None,
        part: TurnPart | None = None,
    ) -> None:
        super().__init__(log, tuning, totals, part)
        self._span_bytes = tuning.span_bytes
        self._sends_per_look = tuning.sends_per_look
        self._bytes_per_send = tuning.bytes_per_send
        self._batch_bytes = tuning.batch_bytes
        self._pace = Pace(tuning)
        self._round: Iterable[None] | None = None
        self._has_sent = False  # in that round: each gets on by a few sends, whatever the time
        self._is_divided = False  # in that round: who waits is steady, or nobody is
        self.steady: dict[Member, None] = {}

    @property
    def share(self) -> float:
        """Of the log's bytes that one send carries to a member, on average; 1.0 = all of them."""
        return 1.0 if self.cohorts.everything.ready else self._pace.share

    @property
    def in_round(self) -> bool:
        """Whether a round was interrupted, and is not over yet."""
        return self._round is not None

    def _advance(self, head: int, now: int) -> bool:
        """See `Judging.advance()`."""
        self._now = now
        if self._round is None:
            if self.front >= head:
                return False
            self._round = self._begin(head)
        for _interruption in self._round:
            if self._is_divided or not self._divide():
                return True
        self._round = None
        return self.front < head

    def follow(self) -> None:
        if self._round is not None:  # nobody is left to be sent the rest
            self._round = None
            self.totals.matched_bytes += self.sorting.clear(self._now)
        super().follow()

    @property
    def matched_bytes(self) -> int:
        """Those of the totals, with those of the round at hand."""
        return self.totals.matched_bytes + self.sorting.matched_bytes()

    # A round.

    def _begin(self, head: int) -> Iterable[None]:
        """Move the front behind the next batch; what is returned sends what is not sent yet."""
        first = self.front
        everything = self.cohorts.everything
        start = everything.counted_bytes  # where the front is
        filtered = self._subscribed > everything.members
        if filtered:
            aim, most = min(head, first + self._pace.messages), self._batch_bytes
        else:
            aim, most = head, self._span_bytes
        end = self._log.start_of(aim)
        if end - start > most:
            aim = self._log.batch_end(first, aim, most)
            end = self._log.start_of(aim)
        stop = aim
        if filtered:
            stop = self.sorting.sort(first, aim)
            if stop < aim:
                self._pace.cut(stop - first)
                end = self._log.start_of(stop)
            self.totals.matched += self.sorting.count()
        members = everything.members
        self.totals.matched += (stop - first) * members
        self.totals.matched_bytes += (end - start) * members
        self.front = everything.counted = stop
        everything.counted_bytes = end
        self._round_first = first
        self._is_interrupted = self._has_sent = self._is_divided = False
        ready = everything.ready
        if filtered:
            if ready or self.sorting.direct or self.sorting.prefixes:
                return self._send_round(first, stop, start, end)
            self._pace.learn(stop - first, end - start, 0, 0, 0)
            return ()  # as mostly for who wants a few of very many topics
        if len(ready) * (1 + (end - start) // self._bytes_per_send) <= self._sends_per_look:
            # It is over before the first look at the clock. So nothing has to be come back to: with
            # a generator, a message to a single member takes twice as long.
            self._send_span(tuple(ready), first, stop, start, end)
            return ()
        return self._send_spans(first, stop, start, end, ())

    def _send_round(self, first: int, stop: int, start: int, end: int) -> Iterator[None]:
        """Send the batch, which is sorted, from message and position to message and position.

        Yields when the time is over.
        """
        sorting = self.sorting
        shares = sorting.shares() if sorting.prefixes else []
        if self.cohorts.everything.ready:
            later = _ready_in(shares, sorting.direct)
            yield from self._send_spans(first, stop, start, end, later)
        shared = (yield from self._send_shares(shares, sorting.direct)) if shares else (0, 0, 0)
        own = yield from self._send_direct(sorting.direct)
        loads, sends, sent_bytes = shared[0] + own[0], shared[1] + own[1], shared[2] + own[2]
        self._pace.learn(stop - first, end - start, loads, sends, sent_bytes)
        self.totals.matched_bytes += sorting.clear(self._now)

    def _interrupt(self, members: Iterable[Member], later: Iterable[Member]) -> None:
        """The time is over: these wait, if they are the first who do."""
        if not self._is_interrupted:
            self._is_interrupted = True
            self.sorting.hold()
            self.waiting.update(members, later)

    def _divide(self) -> bool:
        """There is not time for all: have those go on by themselves who are not steady.

        Returns:
            Whether there are such: the steady ones who wait have time of their own then.
        """
        self._is_divided = True
        steady = self.steady
        if not steady or self._subscribed <= len(steady):
            return False
        others = [member for member in self.waiting if member not in steady]
        for member in sorted(others, key=attrgetter("id")):
            self._block(member, self._round_first, 0, self._now)
            self.runnable[member] = None
        self._part.begin()
        return True

    def _send_spans(
        self, first: int, stop: int, start: int, end: int, later: Iterable[Member]
    ) -> Iterator[None]:
        """Send the batch as it is in the log to those who want everything.

        Args:
            later: who is to be sent something after them.
        """
        members = tuple(self.cohorts.everything.ready)
        each = self._sends_at_once(end - start)
        for place in range(0, len(members), each):
            if place and self._part.is_over():
                self._interrupt(members[place:], later)
                yield
            chosen: Sequence[Member] = members[place : place + each]
            if self._is_interrupted:
                chosen = self._in_turn(chosen)
            self._send_span(chosen, first, stop, start, end)

    def _send_shares(self, shares: list[Share], direct: list[Cohort[Member]]) -> Sending:
        """Send these cohorts what their prefixes have; `direct` are sent something after them."""
        sends = sent_bytes = 0
        for at, (cohorts, prefixes, encoding) in enumerate(shares, 1):
            load = self.sorting.joined(self.sorting.merged(prefixes), encoding)
            if len(prefixes) == 1 and encoding is None:
                prefixes[0].size = len(load[2])
            members = [member for cohort in cohorts for member in cohort.ready]
            taken = yield from self._send_in_slices(members, load, _ready_in(shares, direct, at))
            sends += taken
            sent_bytes += taken * len(load[2])
        return len(shares), sends, sent_bytes

    def _send_direct(self, direct: list[Cohort[Member]]) -> Sending:
        """Send each of these cohorts its own picks."""
        others: list[Cohort[Member]] = []
        sends, sent_bytes = yield from self._send_alone(direct, others)
        loads = len(direct) - len(others)
        left = 0 if self._has_sent else self._sends_per_look
        for at, cohort in enumerate(others, 1):
            if not cohort.ready:
                continue
            members = [*cohort.ready]
            load = self.sorting.joined(cohort.picks, cohort.encoding)
            size = len(load[2])
            if cohort.encoding is None:
                cohort.size = size
            left -= len(members) * (1 + size // self._bytes_per_send)
            if left >= 0:
                taken = self._send_load(members, *load)
                self._count_sent(taken * len(load[0]), taken * size)
            else:
                left = self._sends_per_look
                later = _ready_in((), others, 0, at)
                taken = yield from self._send_in_slices(members, load, later)
            loads += 1
            sends += taken
            sent_bytes += taken * size
        return loads, sends, sent_bytes

    def _send_alone(
        self, direct: list[Cohort[Member]], others: list[Cohort[Member]]
    ) -> Generator[None, None, tuple[int, int]]:
        """Send their own picks to those of these cohorts that have one ready member.

        Most messages for watchlists go through this. So it counts in local names, and calls nobody
        for what almost all of them have in common, as `_send_direct()` does for the others: that
        takes half the time.

        Args:
            others: are added here.

        Returns:
            How many sends of how many bytes.
        """
        join, large = b"".join, self._bytes_per_send
        uncounted: list[Cohort[Member]] = []
        # The first few sends do without a look at the clock; the last three count from one.
        interrupted, left = self._is_interrupted, 0 if self._has_sent else self._sends_per_look
        sends = sent_bytes = sent = counted_bytes = matched_bytes = 0
        for at, cohort in enumerate(direct):
            if left <= 0:
                self._count_sent(sent, sent_bytes - counted_bytes, matched_bytes)
                sent, counted_bytes, matched_bytes = 0, sent_bytes, 0
                left, self._has_sent = self._sends_per_look, True
                if self._part.is_over():
                    self._interrupt((), _ready_in((), [*others, *direct[at:]]))
                    interrupted = True
                    yield
            ready, picks = cohort.ready, cohort.picks
            if len(ready) != 1 or cohort.encoding is not None:
                others.append(cohort)
                continue
            (member,) = ready
            if interrupted and not self._has_turn(member):
                uncounted.append(cohort)
                continue
            size = len(blob := join(picks))
            left -= 1 + size // large
            try:
                count = member.send(blob)
            except OSError as error:
                count = self._not_taken(member, error)
            if count == size:
                member.sent += len(picks)
                member.sent_bytes += size
                sends += 1
                sent += len(picks)
                sent_bytes += size
                if not interrupted:  # what `clear()` does, while it is at hand
                    cohort.counted_bytes += size
                    matched_bytes += size * cohort.members
                    picks.clear()
                    continue
            else:
                self._cut_off(member, picks, picks, count)
            cohort.size = size
            uncounted.append(cohort)
        self._has_sent = self._has_sent or left < self._sends_per_look
        self._count_sent(sent, sent_bytes - counted_bytes, matched_bytes)
        self.sorting.direct = uncounted + others
        return sends, sent_bytes

    def _send_in_slices(
        self, members: Sequence[Member], load: Load, later: Iterable[Member]
    ) -> Generator[None, None, int]:
        """Send these the same, and look at the clock before each few; returns how many took it."""
        messages, size, taken = len(load[0]), len(load[2]), 0
        each = self._sends_at_once(size)
        for place in range(0, len(members), each):
            if self._has_sent and self._part.is_over():
                self._interrupt(members[place:], later)
                yield
            self._has_sent = True
            now_taken = self._send_load(members[place : place + each], *load)
            self._count_sent(now_taken * messages, now_taken * size)
            taken += now_taken
        return taken

    def _sends_at_once(self, size: int) -> int:
        """How many sends of so many bytes there may be between two looks at the clock."""
        return max(1, self._sends_per_look // (1 + size // self._bytes_per_send))


def _ready_in(
    shares: Sequence[Share], direct: Sequence[Cohort[Member]], shares_from: int = 0, start: int = 0
) -> Iterator[Member]:
    """The ready members of these, from some place on; looked at when somebody asks."""
    for cohorts, _prefixes, _encoding in islice(shares, shares_from, None):
        for cohort in cohorts:
            yield from cohort.ready
    for cohort in islice(direct, start, None):
        yield from cohort.ready
