"""Keyframes: which messages of the log are some, found when somebody asks. Pure.

The index of the log says it, in the ids of topics. It is looked through once, a slice at a time,
from where it was left the last time; so it costs nothing while nobody subscribes, and no message is
looked at twice, however many do.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING

from fanout.shm.value_layout import KEYFRAME

if TYPE_CHECKING:
    from fanout.shm.reader import LogReader

LOOKED_AT = 16_384  # messages at once: less than 1 ms
NONE_BEFORE = (1 << 64) - 1


class Keyframes:
    """Those of one log.

    Its mutable state: up to where it has been looked through, and the keyframes found that may
    still be there, in their order; of each its topic, and where among all ever found the one before
    it of the same topic is.
    """

    def __init__(self, log: LogReader) -> None:
        self._log = log
        self._stop = 0
        self._gone = 0  # keyframes found that are not kept any more
        self._sequences = array("Q")
        self._ids = array("Q")
        self._before = array("Q")
        self._latest: dict[int, int] = {}  # by the id of the topic, where among all ever found

    def __len__(self) -> int:
        return len(self._sequences)

    def advance(self, first: int, stop: int) -> bool:
        """Look through some more; returns whether all is known up to, not including, `stop`.

        Args:
            first: nothing is of interest below this message, from which on the log is protected.
        """
        if self._stop < first:
            self._stop = first
        self._forget(first)
        if self._stop < stop:
            until = min(stop, self._stop + LOOKED_AT)
            ids = self._log.topic_ids(self._stop, until)
            if max(ids) >= KEYFRAME:
                for sequence, topic_id in enumerate(ids, self._stop):
                    if topic_id >= KEYFRAME:
                        self._enter(sequence, topic_id - KEYFRAME)
            self._stop = until
        return self._stop >= stop

    def last_before(self, topic_id: int, stop: int) -> int | None:
        """The last keyframe of a topic before a message, of those found; None = there is none."""
        at = self._latest.get(topic_id, NONE_BEFORE)
        while at != NONE_BEFORE and at >= self._gone:
            sequence = self._sequences[at - self._gone]
            if sequence < stop:
                return sequence
            at = self._before[at - self._gone]
        return None

    def _enter(self, sequence: int, topic_id: int) -> None:
        self._before.append(self._latest.get(topic_id, NONE_BEFORE))
        self._latest[topic_id] = self._gone + len(self._sequences)
        self._sequences.append(sequence)
        self._ids.append(topic_id)

    def _forget(self, first: int) -> None:
        """What is below is gone; of a few it is not worth while."""
        count = bisect_left(self._sequences, first)
        if 2 * count <= len(self._sequences):
            return
        for at, topic_id in enumerate(self._ids[:count], self._gone):
            if self._latest[topic_id] == at:
                del self._latest[topic_id]
        del self._sequences[:count]
        del self._ids[:count]
        del self._before[:count]
        self._gone += count
