"""What a worker that is lost owed to its subscribers, counted in the log itself.

A slot says what its worker had counted when it wrote the last checkpoint. What was published after
that is still in the log, because the tail of the dead keeps it there, and the coordinator knows who
wants what. So it counts the rest: matched, and not delivered as far as anybody can know.

It is exact for who has changed no subscription since its checkpoint but the first; for others it is
assumed that they wanted all the time what they want now. What was sent after the checkpoint counts
as discarded, unless the worker's tail has passed it and the subscriber took everything then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fanout.shm.census import Censuses, count_topics, minimal
from fanout.shm.reader import LogReader
from fanout.shm.subscriber_slot import SubscriberSlot
from fanout.shm.worker_slot import NO_TAIL, WorkerSlot
from fanout.zmtp.errors import ProtocolError
from fanout.zmtp.frames import first_frame

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from fanout.coordinator.roster import Accepted
    from fanout.shm.segment import Segment

COUNTING_MAX = 0.5  # seconds for one lost worker: accepting and supervision wait for it
PIECE = 65_536  # messages between two looks at the clock
PIECES_KEPT = 64  # more than a log of the default size has
DOUBT = "; what was published last is not counted"


class Later(NamedTuple):
    """What has come for a subscriber after its last checkpoint."""

    matched: int
    sent: int
    doubt: str = ""  # for people, if it was not all counted


NOTHING_LATER = Later(0, 0)


class TooLateError(Exception):
    """There was no time to count the rest."""


class _Topics:
    """Counts the topics in a stretch of the log. Not a part of `Lost`, which refers to it.

    The memory of the log goes with the last reference to the publisher: there is to be no circle.

    Its mutable state: the names of topics, by id.
    """

    def __init__(self, log: LogReader, now: Callable[[], float], until: float) -> None:
        self._log = log
        self._now = now
        self._until = until
        self._names: dict[int, bytes] = {}

    def count(self, first: int, stop: int) -> Counter[bytes]:
        """Messages by topic, from `first` up to, not including, `stop`.

        Raises:
            TooLateError: the time is up.
        """
        if self._now() >= self._until:
            raise TooLateError
        return count_topics(self._log.topic_ids(first, stop), first, self._name)

    def _name(self, topic_id: int, sequence: int) -> bytes:
        name = self._names.get(topic_id)
        if name is None:
            name = first_frame(self._log.piece(sequence))
            if topic_id:
                self._names[topic_id] = name
        return name


class Lost:
    """Counts what the subscribers of a lost worker have not got; on the coordinator's thread.

    Its mutable state: what is counted already, and until when counting may take.

    Args:
        prefixes: the subscriptions of a subscriber.
        now: seconds.
    """

    def __init__(
        self,
        segment: Segment,
        prefixes: Callable[[int], frozenset[bytes]],
        now: Callable[[], float],
    ) -> None:
        self._segment = segment
        self._log = LogReader(segment)
        self._prefixes = prefixes
        self._now = now
        self.begin()

    def begin(self) -> None:
        """A worker is lost; its tail is still where it was."""
        self._until = self._now() + COUNTING_MAX
        self._head = self._log.head()
        topics = _Topics(self._log, self._now, self._until)
        self._censuses = Censuses(topics.count, PIECE, PIECES_KEPT)

    def since_checkpoint(self, connection: Accepted) -> Later:
        """What was published for this subscriber since its last checkpoint, up to `begin()`."""
        tail = WorkerSlot(self._segment, connection.worker).tail
        wanted = self._prefixes(connection.subscriber)
        if tail == NO_TAIL or not wanted:
            return NOTHING_LATER
        last = SubscriberSlot(self._segment, connection.slot).read(connection.subscriber)
        first = max(last.counted, connection.wanted_since)
        kept = min(max(first, tail), self._head)
        try:
            key = minimal(wanted)
            passed = self._count_passed(key, first, kept)
            matched = passed + self._count(key, kept, self._head)
        except TooLateError:
            return Later(0, 0, DOUBT)
        return Later(matched, 0 if last.blocked_since else passed)

    def _count(self, key: frozenset[bytes], first: int, stop: int) -> int:
        if first >= stop:
            return 0
        if b"" in key:
            return stop - first
        if self._now() >= self._until:
            raise TooLateError
        return self._censuses.count(key, first, stop)

    def _count_passed(self, key: frozenset[bytes], first: int, stop: int) -> int:
        """The same below the tail, which no longer keeps it; 0 if it may be overwritten by now."""
        if first >= stop or b"" in key:
            return max(0, stop - first)
        if not self._is_there(first):
            return 0
        try:
            found = self._count(key, first, stop)
        except ProtocolError:  # it was overwritten while it was read
            return 0
        return found if self._is_there(first) else 0

    def _is_there(self, first: int) -> bool:
        """Whether message `first` is not overwritten, nor about to be: half of the log is free."""
        log = self._log
        head, position = log.length()
        few = head - first < log.entries // 2
        return few and position - log.start_of(first) < log.size // 2
