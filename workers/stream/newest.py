"""Newest: the newest message of each topic, and which of them somebody wants. Pure.

All members that conflate are served up to the same front. So what each of them gets is the newest
messages of its topics, of those that are not older than its cursor: one table for all of them, in
the order of publication, from the end of which it is read off. It costs a few steps for a message
and worker while anybody conflates, and then what is sent; not a step for each member and message.
"""

from __future__ import annotations

from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, TypeVar

from fanout.workers.stream.catching_up import CatchingUp
from fanout.workers.stream.values import Values
from fanout.workers.tuning import TUNING, Tuning

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.shm.reader import LogReader
    from fanout.workers.stream.cohort import Cohort
    from fanout.workers.stream.turn_part import TurnPart

M = TypeVar("M")

PIECE = 8_192  # messages that are entered at once: some milliseconds
TOPICS_PIECE = 4_096  # topics that are looked up at once, whether somebody wants them: as long
FORGOTTEN_MAX = 32_768  # topics that are forgotten at once: more than come with a `PIECE`


class Newest:
    """Keeps the table.

    Its mutable state: the sequence of each topic's newest message, in ascending order; from which
    message up to which one that holds; the topics seen, and what was made of them for this front.

    Args:
        name_of: the topic of an id; of id 0, that of the message with this sequence.
    """

    def __init__(
        self, log: LogReader, name_of: Callable[[int, int], bytes], tuning: Tuning = TUNING
    ) -> None:
        self._log = log
        self._name_of = name_of
        self._topics_max = tuning.topics_remembered
        self._newest: dict[bytes, int] = {}
        self._first = self._stop = 0
        self._topics: list[bytes] = []
        self._known: set[bytes] = set()
        self._generation = 0
        self._catching_up: CatchingUp | None = None  # while there is more to enter
        self._made: dict[tuple[int, Cohort[object]], Values] = {}

    def go_on(self, cohort: Cohort[M], first: int, front: int, tail: int, part: TurnPart) -> bool:
        """Have less to do in `wanted()`, which does the rest at once.

        Args:
            part: bounds what is done at once.

        Returns:
            Whether nothing is left but to collect what is wanted.
        """
        self._begin(first, tail)
        under_way = self._catching_up = self._catching_up or CatchingUp(front)
        under_way.begin(front)
        while self._stop < front:
            is_enough = under_way.is_enough(self._enter_some(front, tail))
            if is_enough and self._stop < front and part.is_over():
                return False
        self._catching_up = None
        if cohort.everything or b"" in cohort.key:
            return True
        while True:
            seen = self._match_some(cohort)
            if seen == len(self._topics):
                return True
            if part.is_over():
                return False

    def wanted(self, cohort: Cohort[M], first: int, front: int, tail: int) -> Values:
        """The newest of each topic that a cohort wants, of the messages from `first` on.

        Args:
            front: up to here; all below `tail` may be overwritten.
        """
        self._advance(first, front, tail)
        asked = first, cohort
        values = self._made.get(asked)  # type: ignore[arg-type]
        if values is not None:
            values.share()
            return values
        values = Values(self._sequences(cohort, first), self._log, are_newest=True)
        if cohort.is_minimal:  # else it may be changed in place before the front moves
            self._made[asked] = values  # type: ignore[index]
        return values

    def _sequences(self, cohort: Cohort[M], first: int) -> list[int]:
        newest = self._newest
        if cohort.everything or b"" in cohort.key:
            found = []
            for sequence in reversed(newest.values()):
                if sequence < first:
                    break
                found.append(sequence)
            found.reverse()
            return found
        topics = self._topics_of(cohort)
        if self._stop - first < len(topics):  # most of them have nothing new
            found = []
            for name, sequence in reversed(newest.items()):
                if sequence < first:
                    break
                if name in topics:
                    found.append(sequence)
            found.reverse()
            return found
        return sorted([s for s in map(newest.get, topics) if s is not None and s >= first])

    def _topics_of(self, cohort: Cohort[M]) -> dict[bytes, None]:
        """Those of the topics seen that a cohort wants; each is matched once."""
        while self._match_some(cohort) < len(self._topics):
            pass
        assert cohort.topics is not None
        return cohort.topics[2]

    def _match_some(self, cohort: Cohort[M]) -> int:
        """Match one piece more; returns how many of the topics seen are matched then."""
        generation, seen, topics = cohort.topics or (self._generation, 0, {})
        if generation != self._generation:
            seen, topics = 0, {}
        some = self._topics[seen : seen + TOPICS_PIECE]
        topics.update(dict.fromkeys(filter(cohort.wants, some)))
        cohort.topics = self._generation, seen + len(some), topics
        return seen + len(some)

    def _advance(self, first: int, front: int, tail: int) -> None:
        """Enter what has come since the last time, or all there is if that is not enough."""
        self._begin(first, tail)
        while self._stop < front:
            self._enter_some(front, tail)

    def _begin(self, first: int, tail: int) -> None:
        """Begin anew if what is there begins too late, or has ended too early."""
        if first < self._first or self._stop < tail:
            self._newest.clear()
            self._made.clear()
            self._first = self._stop = tail

    def _enter_some(self, front: int, tail: int) -> int:
        """Enter one piece; returns how many messages that are."""
        self._made.clear()
        self._forget(tail)
        begin = self._stop
        self._stop = min(front, begin + PIECE)
        self._enter(begin, self._stop)
        return self._stop - begin

    def _forget(self, tail: int) -> None:
        """What may be overwritten is of no use any more, nor are too many topics.

        What is left of the former is behind the cursors of all, and goes later.
        """
        old = []
        for name, sequence in islice(self._newest.items(), FORGOTTEN_MAX):
            if sequence >= tail:
                break
            old.append(name)
        for name in old:
            del self._newest[name]
        self._first = max(self._first, tail)
        if len(self._topics) > max(self._topics_max, 2 * len(self._newest)):
            self._topics, self._known = list(self._newest), set(self._newest)
            self._generation += 1

    def _enter(self, first: int, stop: int) -> None:
        ids = self._log.topic_ids(first, stop)
        last = dict(zip(ids, range(first, stop), strict=True))
        entries = [(sequence, topic_id) for topic_id, sequence in last.items() if topic_id]
        if 0 in last:
            entries += [(first + at, 0) for at, topic_id in enumerate(ids) if not topic_id]
        newest, known = self._newest, self._known
        for sequence, topic_id in sorted(entries, key=itemgetter(0)):
            name = self._name_of(topic_id, sequence)
            newest.pop(name, None)  # to insert it last: in the order of the sequences
            newest[name] = sequence
            if name not in known:
                known.add(name)
                self._topics.append(name)
