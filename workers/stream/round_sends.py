"""The sends of a round: what each member gets of a batch, in turn. Pure.

Those who want everything get a stretch of the log. Cohorts with picks of their own are sent these.
Cohorts that count by their prefixes are sent what these have: those together that get the same,
which is joined once. They are the crowds, and come last. The loops that most messages go through
count in local names, and call nobody for what almost all members have in common.

Each looks at the clock now and then. Once the time is over, it yields: who has not had his turn by
then waits for it.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

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

MERGED_PER_SEND = 64  # messages of several prefixes that take as long to put in order as one send


class RoundSends(Sends):
    """Sends a batch that is sorted to the ready members of one worker.

    Its mutable state, beside that of `Sends`: whether anything was sent yet.
    """

    def __init__(
        self,
        log: LogReader,
        tuning: Tuning = TUNING,
        totals: Totals | None = None,
        part: TurnPart | None = None,
    ) -> None:
        super().__init__(log, tuning, totals, part)
        self._sends_per_look = tuning.sends_per_look
        self._bytes_per_send = tuning.bytes_per_send
        self._has_sent = False  # in this round: each gets on by a few sends, whatever the time

    def _interrupt(self, members: Iterable[Member], later: Iterable[Member]) -> None:
        """The time is over: these wait, if they are the first who do."""
        if not self._is_interrupted:
            self._is_interrupted = True
            self.sorting.hold()
            self.waiting.update(members, later)

    def _send_spans(
        self, first: int, stop: int, start: int, end: int, later: Iterable[Member]
    ) -> Iterator[None]:
        """Send the batch as it is in the log to those who want everything.

        Args:
            later: who is to be sent something after them.
        """
        members = tuple(self.cohorts.everything.ready)
        each = self._sends_at_once(end - start)
        is_first = True  # of this turn, and goes out whatever the time
        for place in range(0, len(members), each):
            chosen: Sequence[Member] = members[place : place + each]
            if self._is_interrupted and self.waiting.isdisjoint(chosen):
                continue
            if not is_first and self._part.is_over():
                self._interrupt(members[place:], later)
                yield
            if self._is_interrupted:
                chosen = self._in_turn(chosen)
            is_first = not chosen
            self._send_span(chosen, first, stop, start, end)

    def _send_shares(self, shares: Sequence[Share]) -> Sending:
        """Send these cohorts what their prefixes have.

        Args:
            shares: those without an encoding come first.
        """
        join, large = b"".join, self._bytes_per_send
        interrupted, left = self._is_interrupted, 0 if self._has_sent else self._sends_per_look
        sends = sent_bytes = sent = counted_bytes = 0
        for at, (cohorts, prefixes, encoding) in enumerate(shares, 1):
            if encoding is not None:
                self._count_sent(sent, sent_bytes - counted_bytes)
                more = yield from self._send_encoded(shares, at - 1)
                return len(shares), sends + more[0], sent_bytes + more[1]
            if len(prefixes) == 1:
                picks = prefixes[0].picks
                size = prefixes[0].size = len(blob := join(picks))
            else:
                picks = self.sorting.merged(prefixes)
                size = len(blob := join(picks))
                left -= len(picks) // MERGED_PER_SEND
            messages, cost, taken = len(picks), 1 + size // large, 0
            members = _ready_members(cohorts)
            for member in members:
                if left <= 0:
                    left, self._has_sent = self._sends_per_look, True
                    if self._part.is_over():
                        self._count_sent(
                            sent + taken * messages, sent_bytes - counted_bytes + taken * size
                        )
                        sends, sent_bytes = sends + taken, sent_bytes + taken * size
                        sent, counted_bytes, taken = 0, sent_bytes, 0
                        rest = members[members.index(member) :]
                        self._interrupt(rest, ready_in(shares, (), at))
                        interrupted = True
                        yield
                if interrupted and not self._has_turn(member):
                    continue
                left -= cost
                try:
                    count = member.send(blob)
                except OSError as error:
                    count = self._not_taken(member, error)
                if count == size:
                    member.sent += messages
                    member.sent_bytes += size
                    taken += 1
                else:
                    self._cut_off(member, picks, picks, count)
            sends += taken
            sent += taken * messages
            sent_bytes += taken * size
        self._has_sent = self._has_sent or left < self._sends_per_look
        self._count_sent(sent, sent_bytes - counted_bytes)
        return len(shares), sends, sent_bytes

    def _send_encoded(
        self, shares: Sequence[Share], start: int
    ) -> Generator[None, None, tuple[int, int]]:
        """The same for those from some place on, who have an encoding; returns sends and bytes."""
        sends = sent_bytes = 0
        for at, (cohorts, prefixes, encoding) in enumerate(islice(shares, start, None), start + 1):
            load = self.sorting.joined(self.sorting.merged(prefixes), encoding)
            later = ready_in(shares, (), at)
            taken = yield from self._send_in_slices(_ready_members(cohorts), load, later)
            sends += taken
            sent_bytes += taken * len(load[2])
        return sends, sent_bytes

    def _send_direct(self, direct: list[Cohort[Member]], shares: Sequence[Share]) -> Sending:
        """Send each of these cohorts its own picks; `shares` are sent something after them."""
        others: list[Cohort[Member]] = []
        sends, sent_bytes = yield from self._send_alone(direct, others, shares)
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
                later = ready_in(shares, others, 0, at)
                taken = yield from self._send_in_slices(members, load, later)
            loads += 1
            sends += taken
            sent_bytes += taken * size
        return loads, sends, sent_bytes

    def _send_alone(
        self, direct: list[Cohort[Member]], others: list[Cohort[Member]], shares: Sequence[Share]
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
                    self._interrupt((), ready_in(shares, [*others, *direct[at:]]))
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
            chosen = members[place : place + each]
            if self._is_interrupted and self.waiting.isdisjoint(chosen):
                continue
            if self._has_sent and self._part.is_over():
                self._interrupt(members[place:], later)
                yield
                if self.waiting.isdisjoint(chosen):
                    self._has_sent = False
                    continue
            self._has_sent = True
            now_taken = self._send_load(chosen, *load)
            self._count_sent(now_taken * messages, now_taken * size)
            taken += now_taken
        return taken

    def _sends_at_once(self, size: int) -> int:
        """How many sends of so many bytes there may be between two looks at the clock."""
        return max(1, self._sends_per_look // (1 + size // self._bytes_per_send))


def _ready_members(cohorts: Sequence[Cohort[Member]]) -> list[Member]:
    if len(cohorts) == 1:
        return list(cohorts[0].ready)
    return [member for cohort in cohorts for member in cohort.ready]


def ready_in(
    shares: Sequence[Share], direct: Sequence[Cohort[Member]], shares_from: int = 0, start: int = 0
) -> Iterator[Member]:
    """The ready members of these, from some place on; looked at when somebody asks."""
    for cohorts, _prefixes, _encoding in islice(shares, shares_from, None):
        for cohort in cohorts:
            yield from cohort.ready
    for cohort in islice(direct, start, None):
        yield from cohort.ready
