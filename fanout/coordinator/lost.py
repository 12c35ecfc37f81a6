"""What a worker that is lost owed to its subscribers, counted in the log itself, step by step.

A slot says what its worker had counted when it wrote the last checkpoint, or the last record. What
was published after that is still in the log, because the tail of the dead keeps it there, and the
coordinator knows who wants what, and what has changed about that lately. So it counts the rest:
matched, and not delivered as far as anybody can know. What was sent after the checkpoint counts as
discarded, unless the worker's tail has passed it and the subscriber took everything then; always,
if its worker died in the middle of a checkpoint, or has sealed what it sent.

Counting takes a while with many subscribers and topics, so it is done in steps, between which
others have their turn. It has a limit, since the log is held meanwhile. Who is not counted by then
is told of as such: its loss is at least what the slot says.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from fanout.shm.census import NOTHING, Amount, Census, Censuses, Tally, count_topics, minimal
from fanout.shm.fence import keep_order
from fanout.shm.header import Header
from fanout.shm.last_known import last_known
from fanout.shm.reader import LogReader
from fanout.shm.worker_slot import NO_TAIL, WorkerSlot
from fanout.zmtp.frames import first_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from fanout.coordinator.changes import Changes
    from fanout.coordinator.interest import Interest
    from fanout.coordinator.roster import Accepted
    from fanout.shm.segment import Segment

    Counting: TypeAlias = Generator[None, None, Amount]

COUNTING_MAX = 0.5  # seconds from a loss: the log keeps so long what the lost worker held back
PIECE = 16_384  # messages of a step: some ms, 20 if all of their topics are too long to be interned
PIECES_KEPT = 128  # two logs of the default size
TOPICS_MAX = 65_536  # in one census of all that was held back: sorted in some 20 ms
NO_TIME = "; what was published last is not counted, there was no time"
GONE = "; what was published last is not counted, it is overwritten"
UNSURE = "; what was published last is counted by its last subscriptions, they changed too often"

UNCOUNTED = "; what it was still to be sent of the past is not counted"


class Unreported(NamedTuple):
    """What has come for a subscriber after its last checkpoint; bytes as they lie in the log."""

    matched: int
    sent: int
    doubt: str = ""  # for people, if there may be more that was not delivered
    matched_bytes: int = 0
    sent_bytes: int = 0
    complete: bool = True  # False = some was sent and is overwritten: it is in neither


NOTHING_LATER = Unreported(0, 0)


class TooLateError(Exception):
    """There was no time to count the rest."""


class OverwrittenError(Exception):
    """What is to be counted was not kept, and may be overwritten by now.

    So it is where one asks what a worker owes that lives, for its tail goes on meanwhile, and of a
    worker that has died just as it went back to a message for which it came too late.
    """


class _Topics:
    """Counts the topics in a stretch of the log. Not a part of `Loss`, which refers to it.

    The memory of the log goes with the last reference to the publisher: there is to be no circle.

    Its mutable state: the names of topics, by id.
    """

    def __init__(self, log: LogReader, header: Header) -> None:
        self._log = log
        self._header = header
        self._names: dict[int, bytes] = {}

    def count(self, first: int, stop: int) -> Tally:
        """What there is by topic, from message `first` up to, not including, `stop`.

        Raises:
            OverwrittenError: some of that may be overwritten; what was read is forgotten.
        """
        sizes = [end - start for start, end in pairwise(self._log.boundaries(first, stop))]
        ids = self._log.topic_ids(first, stop)
        self.require_kept(first)
        return count_topics(ids, sizes, first, self._name)

    def require_kept(self, first: int) -> None:
        """What was read from this message on was there, and not overwritten meanwhile."""
        keep_order()
        if self._header.floor > first:
            raise OverwrittenError

    def _name(self, topic_id: int, sequence: int) -> bytes:
        name = self._names.get(topic_id)
        if name is None:
            wire = self._log.piece(sequence)
            self.require_kept(sequence)
            name = first_frame(wire)
            if topic_id:
                self._names[topic_id] = name
        return name


class Losses:
    """Finds what workers owed when they were lost; on the coordinator's thread.

    Args:
        interest: who wants what now.
        changes: of that.
        now: seconds.
    """

    def __init__(
        self, segment: Segment, interest: Interest, changes: Changes, now: Callable[[], float]
    ) -> None:
        self._segment = segment
        self._log = LogReader(segment)
        self._interest = interest
        self._changes = changes
        self._now = now

    def begin(self) -> Loss:
        """A worker is lost now; its tail is still where it was."""
        return Loss(self._segment, self._log, self._interest, self._changes, self._now)


class Loss:
    """What was owed at one time; whoever asks has all that is asked for counted in steps.

    Its mutable state: what is counted already, and until when counting may take.
    """

    def __init__(
        self,
        segment: Segment,
        log: LogReader,
        interest: Interest,
        changes: Changes,
        now: Callable[[], float],
    ) -> None:
        self._segment = segment
        self._log = log
        self._interest = interest
        self._changes = changes
        self._now = now
        self._until = now() + COUNTING_MAX
        self._head = log.head()
        topics = _Topics(log, Header(segment))
        self._censuses = Censuses(topics.count, PIECE, PIECES_KEPT)
        self._topics = topics
        self._counted: dict[tuple[frozenset[bytes], int, int], Amount] = {}
        # Of all from a tail on: most subscribers of a worker are counted from there. None = there
        # are too many topics for one.
        self._whole: dict[int, Census | None] = {}

    def since_checkpoint(self, connection: Accepted) -> Generator[None, None, Unreported]:
        """What was published for this subscriber since its last checkpoint; yields after a step."""
        tail = connection.lost_from
        if tail is None:
            tail = WorkerSlot(self._segment, connection.worker).tail
        last = last_known(self._segment, connection.slot, connection.subscriber)
        if tail == NO_TAIL:
            changes = self._changes.of(connection.subscriber)
            if any(change.sequence > last.counted for change in changes):
                return NOTHING_LATER._replace(complete=False)  # wants have changed since
            return NOTHING_LATER
        first = max(last.counted, connection.wanted_since)
        kept = min(max(first, tail), self._head)
        matched = passed = NOTHING
        complete = True
        try:
            for low, stop, wanted in self._wants(connection.subscriber, first):
                key = minimal(wanted)
                start = last.position if low == last.counted == last.sequence else None
                some, all_of_it = yield from self._count_passed(key, low, min(stop, kept), start)
                passed = passed.plus(some)
                complete = complete and all_of_it
                if key and b"" not in key and (max(low, kept), stop) == (tail, self._head):
                    found = yield from self._count_whole(key, tail)
                else:
                    found = yield from self._count(key, max(low, kept), stop)
                matched = matched.plus(found)
        except TooLateError:
            return Unreported(0, 0, NO_TIME, complete=False)
        except OverwrittenError:
            return Unreported(0, 0, GONE, complete=False)
        known = self._changes.are_known(connection.subscriber, first)
        known = known and not connection.over_limit  # of those it is not kept what they wanted
        # What was sealed is kept by its worker, if its socket does not take it: then it is gone.
        is_unknown = last.blocked_since or connection.is_sealed
        sent = NOTHING if is_unknown else passed
        matched = matched.plus(passed)
        return Unreported(
            *(matched.messages, sent.messages, "" if known else UNSURE),
            *(matched.bytes, sent.bytes, complete),
        )

    def _wants(self, subscriber: int, first: int) -> Iterator[tuple[int, int, frozenset[bytes]]]:
        """From which message up to which it wanted what: the newest first."""
        stop = self._head
        if first >= stop:
            return
        wanted = self._interest.prefixes(subscriber)
        for change in self._changes.of(subscriber):
            if change.sequence <= first:  # those before it are older still
                break
            since = min(change.sequence, stop)
            if since < stop:
                yield since, stop, wanted
            stop = since
            wanted = wanted - change.added | change.cancelled
        if first < stop:
            yield first, stop, wanted

    def _count_whole(self, key: frozenset[bytes], tail: int) -> Counting:
        """All from a tail on; one census for all who ask for that."""
        if tail not in self._whole:
            tally = Tally()
            first = tail
            while first < self._head and len(tally) <= TOPICS_MAX:
                if self._now() >= self._until:
                    raise TooLateError
                end = min(self._head, first - first % PIECE + PIECE)
                tally.update(self._topics.count(first, end))
                first = end
                yield
            self._whole[tail] = Census(tally) if len(tally) <= TOPICS_MAX else None
        census = self._whole[tail]
        if census is None:
            return (yield from self._count(key, tail, self._head))
        if self._now() >= self._until:
            raise TooLateError
        return census.count(key)

    def _count(self, key: frozenset[bytes], first: int, stop: int) -> Counting:
        if first >= stop or not key:
            return NOTHING
        if b"" in key:
            start, end = self._log.start_of(first), self._log.start_of(stop)
            self._topics.require_kept(first)
            return Amount(stop - first, end - start)
        asked = key, first, stop
        if asked in self._counted:
            return self._counted[asked]
        total = NOTHING
        while first < stop:
            if self._now() >= self._until:
                raise TooLateError
            end = min(stop, first - first % PIECE + PIECE)
            total = total.plus(self._censuses.count(key, first, end))
            first = end
            yield
        self._counted[asked] = total
        return total

    def _count_passed(
        self, key: frozenset[bytes], first: int, stop: int, start: int | None
    ) -> Generator[None, None, tuple[Amount, bool]]:
        """The same below the tail, which no longer keeps it.

        Args:
            start: position of message `first`, if that is known whatever the log still has.

        Returns:
            What can be counted, and whether that is all: not if some may be overwritten by now.
        """
        if first >= stop or not key:
            return NOTHING, True
        takes_all = b"" in key
        if takes_all and start is not None:
            return Amount(stop - first, self._log.start_of(stop) - start), True
        unknown = Amount(stop - first if takes_all else 0, 0), False
        if not self._is_there(first):
            return unknown
        try:
            found = yield from self._count(key, first, stop)
        except OverwrittenError:  # while it was read
            return unknown
        return (found, True) if self._is_there(first) else unknown

    def _is_there(self, first: int) -> bool:
        """Whether message `first` is not overwritten, nor about to be: half of the log is free."""
        log = self._log
        head, position = log.length()
        few = head - first < log.entries // 2
        return few and position - log.start_of(first) < log.size // 2
