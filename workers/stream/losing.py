"""What a blocked member loses: where it stands, and how it jumps when it lags. Pure.

The backlog, which is one of these, sends; here is what changes between its sends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.shm.census import NOTHING, Amount
from fanout.workers.stream.chain import Chain
from fanout.workers.stream.edges import Edges
from fanout.workers.stream.looks import pieces_of
from fanout.workers.stream.segments import segments
from fanout.workers.stream.spills import Spills
from fanout.workers.stream.stretches import Stretches
from fanout.workers.stream.telling import Telling
from fanout.workers.stream.values import Values
from fanout.zmtp.frames import first_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.reasons import Reason
    from fanout.shm.reader import LogReader
    from fanout.workers.stream.cohort import Cohort
    from fanout.workers.stream.cohorts import Cohorts
    from fanout.workers.stream.member import Member, Wants
    from fanout.workers.stream.totals import Totals
    from fanout.workers.tuning import Tuning


class Losing:
    """Moves the cursors of blocked members, and counts what they lose by that.

    Args:
        log: where the messages are.
        cohorts: what topic ids stand for.
        totals: where all messages that are sent or lost are counted once more.

    Attributes:
        tail: what is below this message may be overwritten; kept by the pump.
        spills: the messages that the members have rests of.
        turned: is called before a member is sent what does not follow from where it stood before
            and from what came since; set by who writes records.
    """

    def __init__(
        self, log: LogReader, cohorts: Cohorts[Member], totals: Totals, tuning: Tuning
    ) -> None:
        self.tail = log.head()
        self._log = log
        self._cohorts = cohorts
        self._totals = totals
        self._stretches = Stretches(log, self.topic, tuning.census_messages, tuning.censuses_kept)
        self._piece = tuning.census_messages
        self._telling = Telling(Edges(log, self.topic), self.count)
        self.spills = Spills(log, tuning.spill_logs * log.size)
        self.turned: Callable[[Member], None] = lambda _member: None

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
        member.spill = self.spills.remainder(member.sequence, member.encoding, member.offset)
        member.spilled = member.sequence
        member.place(member.sequence + 1, 0, stop)

    def finish(
        self,
        member: Member,
        stop: int,
        front: int,
        reason: Reason,
        count: Callable[[Wants, int, int], Amount] | None = None,
    ) -> None:
        """From message `stop` on the member loses what comes, until it has got all that is below.

        Args:
            reason: one of `DROPPING`, by which it is counted.
            count: knows what it wants of what waits for it; None = that is counted now.
        """
        self.settle(member, front)
        if member.finishing is not None:
            return
        member.finishing, older = reason, member.older
        lost = self._lost_from(member, stop, front, reason, count or self.count)
        kept = [(until, wants) for until, wants in older if until < stop]
        cut = [wants for until, wants in older if until >= stop]
        here = cut[0] if cut else member.cohort and member.cohort.keep()
        older.clear()
        older.extend((*kept, (stop, here), (front, None)))
        self._lose(member, lost, reason)

    def lose_since(self, member: Member, first: int, front: int) -> None:
        """A member that finishes has lost what came from message `first` on, by its wants."""
        assert member.finishing is not None
        lost = self._lost_from(member, first, front, member.finishing, self.count)
        self._lose(member, lost, member.finishing)

    def _lost_from(
        self,
        member: Member,
        first: int,
        front: int,
        reason: Reason,
        count: Callable[[Wants, int, int], Amount],
    ) -> Amount:
        """What it wants from there on; it is told of it, by what it wanted when."""
        lost = NOTHING
        for start, until, wants in segments(member, first, front):
            some, low, high = NOTHING, until, start  # and between which messages that is
            for begin, end, _wants in pieces_of(wants, start, until, self._piece):
                found = count(wants, begin, end)
                if found.messages:
                    some, low, high = some.plus(found), min(low, begin), end
            self._telling.note(member, wants, start, until, some, reason, (low, high))
            lost = lost.plus(some)
        return lost

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
        if member.replay is not None:
            self.count_replayed(member, target)
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
        if isinstance(cohort, Chain):
            sizes = [size for _one, size in cohort.chosen(first, stop, self._log, self.topic)]
            return Amount(len(sizes), sum(sizes))
        found = self._stretches.count(cohort.minimal_key, first, stop, self.tail)
        if cohort.without is None:
            return found
        others = self.count(cohort.without, first, stop)
        return Amount(found.messages - others.messages, found.bytes - others.bytes)

    def picks(self, cohort: Cohort[Member], first: int, stop: int) -> list[tuple[int, int]]:
        """Which of these messages a cohort wants, and their sizes, in order."""
        if isinstance(cohort, Chain):
            return [*cohort.chosen(first, stop, self._log, self.topic)]
        found = self._stretches.picks(cohort.minimal_key, first, stop, self.tail)
        if cohort.without is None:
            return found
        others = {one for one, _size in self.picks(cohort.without, first, stop)}
        return [(one, size) for one, size in found if one not in others]

    def correct(self, member: Member, messages: int, size: int) -> None:
        """What it matched is so much more: by other wants, or as its encoding has it."""
        member.matched_before += messages
        member.matched_bytes_before += size
        self._totals.matched += messages
        self._totals.matched_bytes += size

    def count_replayed(self, member: Member, stop: int) -> None:
        """What it wants below message `stop` that was published before that is counted then."""
        replay = member.replay
        assert replay is not None
        stop = min(stop, replay.stop)
        if replay.counted < stop:
            _until, wants = member.older[0]  # as long as it has not come to where that ends
            self.add_replayed(member, self.count(wants, replay.counted, stop))
            replay.counted = stop

    def add_replayed(self, member: Member, more: Amount) -> None:
        """So much it has matched that was published before it wanted it."""
        self.correct(member, more.messages, more.bytes)
        self._totals.replayed += more.messages

    def lose_of(self, member: Member, wants: Wants, first: int, stop: int) -> None:
        """A member that finishes has lost what it wants by this of what it was to be sent, too."""
        assert member.finishing is not None
        lost = self.count(wants, first, stop)
        self._telling.note(member, wants, first, stop, lost, member.finishing)
        self._lose(member, lost, member.finishing)

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

    def topic(self, topic_id: int, sequence: int) -> bytes:
        name = self._cohorts.name(topic_id)
        return self.topic_of(sequence) if name is None else name
