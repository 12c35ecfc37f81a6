"""Rounds: new messages to the members that are ready. Pure.

The front is one sequence for the whole worker: every ready member has been sent all that it wants
below it. A *round* takes the next batch, moves the front behind it, and sends each cohort its share
of it. Thousands of members take longer than a turn may: then the round is interrupted, and goes on
in the next turn. Who has not had his turn by then *waits*: he is ready, but his stream still stands
where the round began. Whoever wants to do something else with him first gives him a cursor there.

There may be more members than there is time for, and then they are not equal. Once a round has had
some parts of turns, those who are not *steady* do not wait any more: they go on by themselves, as
if their sockets had been full, so that the front moves on for those who are. Else some who have
come to read nothing would set the pace for all. But not before: who goes on by himself picks what
he wants out of the log again, which with a long list of his own takes several times as long. Where
sends are large, it is the next round that is made shorter, and all wait for longer until it is.
Crowds do not wait either, steady or not, while a round has few messages: else thousands who have
one feed in common make whoever has another one wait until each of them was sent a few bytes.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from fanout.workers.stream.pace import Pace
from fanout.workers.stream.round_sends import RoundSends, ready_in
from fanout.workers.tuning import TUNING, Tuning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fanout.shm.reader import LogReader
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.totals import Totals
    from fanout.workers.stream.turn_part import TurnPart

DIVIDED_PER_LOOK = 128  # members that go on by themselves, between two looks at the clock: 1 ms


class Rounds(RoundSends):
    """Sends new messages to the ready members of one worker.

    Its mutable state, beside that of `RoundSends`: the round under way.

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
        self._batch_bytes = tuning.batch_bytes
        self._crowd_messages = tuning.crowd_messages
        self._round_parts = tuning.round_parts
        self._round_parts_max = tuning.round_parts_max
        self._pace = Pace(tuning)
        self._round: Iterable[None] | None = None
        self._round_bytes = 0  # of the log, in its batch
        self._parts = 0  # of turns that it has had
        self._is_sorted = False  # the batch of that round, so that `_pace` is about it
        self._is_divided = False  # in that round: who waits is steady, or nobody is
        self._is_too_long = False  # that round, for who is steady
        self.steady: dict[Member, None] = {}

    @property
    def share(self) -> float:
        """Of the log's bytes that one send carries to a member, on average; 1.0 = all of them."""
        return 1.0 if self.cohorts.everything.ready else self._pace.share

    @property
    def in_round(self) -> bool:
        """Whether a round was interrupted, and is not over yet."""
        return self._round is not None

    def has_news(self) -> bool:
        """Whether somebody waits for the next turn: for something new, or in a round."""
        return self._log.head() != self.front or bool(self.waiting)

    def _advance(self, head: int, now: int) -> bool:
        """See `Judging.advance()`."""
        self._now = now
        if self._round is None:
            if self.front >= head:
                return False
            self._round = self._begin(head)
            self._parts, self._is_too_long = 1, False
        else:
            if not (self._is_divided or self._divide()):
                return True
            self._parts += 1
        for _interruption in self._round:
            return True
        self._round = None
        return self.front < head

    def pass_by(self, head: int) -> bool:
        """Move the front past messages below `head` that nobody here wants; whether it moved.

        Nobody is sent anything, nor counts anything by that. Not while a round is under way.
        """
        first, everything = self.front, self.cohorts.everything
        if first >= head or everything.members or self._round is not None:
            return False
        stop = self.sorting.wanted_from(first, head)
        self.front = everything.counted = stop
        everything.counted_bytes = self._log.start_of(stop)
        return stop > first

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
        filtered = self._is_sorted = self._subscribed > everything.members
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
        self._round_first, self._round_bytes = first, end - start
        self._is_interrupted = self._has_sent = self._is_divided = False
        ready = everything.ready
        if filtered:
            if ready or self.sorting.direct or self.sorting.prefixes:
                return self._send_round(first, stop, start, end)
            self._pace.learn(stop - first, end - start, 0, 0, 0)
            return ()  # the usual case for who wants a few of very many topics
        if len(ready) * (1 + (end - start) // self._bytes_per_send) <= self._sends_per_look:
            # It is over before the first look at the clock. So nothing has to be come back to: with
            # a generator, a message to a single member takes twice as long.
            self._send_span(tuple(ready), first, stop, start, end)
            return ()
        return self._send_spans(first, stop, start, end, ())

    def _send_round(self, first: int, stop: int, start: int, end: int) -> Iterator[None]:
        """Send the batch, which is sorted, from message and position to message and position.

        Crowds come last, those whose prefixes more than `shared_from` lists have: who is of few
        waits for one round of thousands then, the one before, and not for two. Yields when the time
        is over.
        """
        sorting = self.sorting
        shares = sorting.shares() if sorting.prefixes else []
        if self.cohorts.everything.ready:
            later = ready_in(shares, sorting.direct)
            yield from self._send_spans(first, stop, start, end, later)
        own = yield from self._send_direct(sorting.direct, shares)
        shared = (yield from self._send_shares(shares)) if shares else (0, 0, 0)
        loads, sends, sent_bytes = shared[0] + own[0], shared[1] + own[1], shared[2] + own[2]
        self._pace.learn(stop - first, end - start, loads, sends, sent_bytes)
        if self._is_too_long:
            self._pace.shorten(stop - first, end - start)
        self.totals.matched_bytes += sorting.clear(self._now)

    def _divide(self) -> bool:
        """There was not time for all: have those go on by themselves who are not to wait.

        Who is steady may turn out while the round goes on; as long as nobody is, all but the crowds
        wait for each other, and so do all for some parts of turns: for more of them if sends are
        large, for then the next round is shorter.

        Returns:
            Whether that is done: if not, the time is over, and there are more of them.
        """
        is_long = self._parts >= self._round_parts and 0 < len(self.steady) < self._subscribed
        self._is_too_long |= is_long
        if self._is_sorted and self._pace.has_large_sends(self._round_bytes):
            is_long = is_long and self._parts >= self._round_parts_max
        others = sorted(self._not_to_wait(is_long=is_long), key=attrgetter("id"))
        for done, member in enumerate(others, 1):
            self._block(member, self._round_first, 0, self._now)
            self.runnable[member] = None
            if not done % DIVIDED_PER_LOOK and self._part.is_over():
                return False
        self._is_divided = is_long
        return True

    def _not_to_wait(self, *, is_long: bool) -> list[Member]:
        """Those who wait for the rest of a long round and are not steady, or belong to a crowd.

        To pick again what a crowd is sent takes little: such cohorts have few prefixes.
        """
        steady = self.steady if is_long else None
        is_crowded = self.front - self._round_first <= self._crowd_messages
        if not (steady or is_crowded):
            return []
        return [
            member
            for member in self.waiting
            if (steady and member not in steady) or (is_crowded and _is_of_crowd(member))
        ]


def _is_of_crowd(member: Member) -> bool:
    return member.cohort is not None and not member.cohort.direct
