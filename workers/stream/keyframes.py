"""Keyframes: which messages of the log are some, found when somebody asks. Pure.

The index of the log says it, in the ids of topics. It is looked through once, a slice at a time,
from where it was left the last time; so it costs nothing while nobody subscribes, and no message is
looked at twice, however many do. For one that is further behind than those before it, what lies in
front of that is looked through as well.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING

from fanout.shm.value_layout import KEYFRAME
from fanout.workers.tuning import TUNING, ShowTuning

if TYPE_CHECKING:
    from fanout.shm.reader import LogReader

KEPT_PART = 3 / 4  # of the index of the log, as much as is there at any time
NONE_BEFORE = -1 << 63


class Keyframes:
    """Those of one log.

    Its mutable state: from where up to where it has been looked through, and the keyframes found
    that may still be there, in their order; of each its topic, and the number of the one before it
    of the same topic. They are numbered as they lie, the first that were found from 0 on.
    """

    def __init__(self, log: LogReader, tuning: ShowTuning = TUNING.show) -> None:
        self._log = log
        self._at_once = tuning.messages_per_look
        self._start = self._stop = 0
        self._lowest = 0  # number of the first that is kept
        self._sequences = array("Q")
        self._ids = array("Q")
        self._before = array("q")
        self._latest: dict[int, int] = {}  # id of a topic -> number of its last keyframe
        self._first: dict[int, int] = {}  # id of a topic -> number of its first keyframe

    def __len__(self) -> int:
        return len(self._sequences)

    def advance(self, first: int, stop: int) -> bool:
        """Look through some more; returns whether all is known up to, not including, `stop`.

        Args:
            first: nothing is of interest below this message, from which on the log is protected.
        """
        if first > self._stop:
            self._begin(first)
        self._forget(min(first, stop - int(self._log.entries * KEPT_PART)))
        if first < self._start:
            low = max(first, self._start - self._at_once)
            self._put_before(_keyframes_of(self._log, low, self._start))
            self._start = low
        elif self._stop < stop:
            until = min(stop, self._stop + self._at_once)
            for sequence, topic_id in _keyframes_of(self._log, self._stop, until):
                self._enter(sequence, topic_id)
            self._stop = until
        return self._start <= first and self._stop >= stop

    def last_before(self, topic_id: int, stop: int) -> int | None:
        """The last keyframe of a topic before a message, of those found; None = there is none."""
        at = self._latest.get(topic_id, NONE_BEFORE)
        while at >= self._lowest:
            sequence = self._sequences[at - self._lowest]
            if sequence < stop:
                return sequence
            at = self._before[at - self._lowest]
        return None

    def _begin(self, first: int) -> None:
        """What lies in between may be overwritten: nothing is known that is of use from there."""
        self._start = self._stop = first
        self._lowest += len(self._sequences)
        self._latest.clear()
        self._first.clear()
        for column in (self._sequences, self._ids, self._before):
            del column[:]

    def _enter(self, sequence: int, topic_id: int) -> None:
        number = self._lowest + len(self._sequences)
        self._before.append(self._latest.get(topic_id, NONE_BEFORE))
        self._latest[topic_id] = number
        self._first.setdefault(topic_id, number)
        self._sequences.append(sequence)
        self._ids.append(topic_id)

    def _put_before(self, found: list[tuple[int, int]]) -> None:
        """These lie in front of all that are known."""
        if not found:
            return
        lowest = self._lowest - len(found)
        before, latest, first = array("q"), dict[int, int](), dict[int, int]()
        for number, (_sequence, topic_id) in enumerate(found, lowest):
            before.append(latest.get(topic_id, NONE_BEFORE))
            latest[topic_id] = number
            first.setdefault(topic_id, number)
        for topic_id, number in latest.items():
            follows = self._first.get(topic_id)
            if follows is None:
                self._latest[topic_id] = number
            else:
                self._before[follows - self._lowest] = number
        self._first.update(first)
        self._sequences = array("Q", [sequence for sequence, _topic_id in found]) + self._sequences
        self._ids = array("Q", [topic_id for _sequence, topic_id in found]) + self._ids
        self._before = before + self._before
        self._lowest = lowest

    def _forget(self, first: int) -> None:
        """What is below is gone; of a few it is not worth while."""
        count = bisect_left(self._sequences, first)
        if 2 * count <= len(self._sequences):
            return
        self._start = max(self._start, first)
        for number, topic_id in enumerate(self._ids[:count], self._lowest):
            if self._latest[topic_id] == number:
                del self._latest[topic_id]
        del self._sequences[:count]
        del self._ids[:count]
        del self._before[:count]
        self._lowest += count
        self._first.clear()
        for number, topic_id in enumerate(self._ids, self._lowest):
            self._first.setdefault(topic_id, number)


def _keyframes_of(log: LogReader, first: int, stop: int) -> list[tuple[int, int]]:
    """Those of some messages: their sequences, and the ids of their topics."""
    ids = log.topic_ids(first, stop)
    if max(ids) < KEYFRAME:
        return []
    each = enumerate(ids, first)
    return [(sequence, topic_id - KEYFRAME) for sequence, topic_id in each if topic_id >= KEYFRAME]
