"""Edges: the first and the last message of a range of the log that somebody wanted. Pure.

Only those who are told of gaps need them, so nothing is kept for the others, and each range is
looked through when it is asked for: once by its topics, not by its messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.shm.prefix_table import PrefixTable
from fanout.workers.stream.chain import Chain

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from fanout.shm.reader import LogReader
    from fanout.workers.stream.cohort import Cohort
    from fanout.workers.stream.member import Member

PIECE = 16_384  # messages that are looked at together: some ms


class Edges:
    """Finds the edges of what was lost.

    Its mutable state: the wants that were looked for last.

    Args:
        name_of: the topic of an id; of id 0, that of the message with this sequence.
    """

    def __init__(self, log: LogReader, name_of: Callable[[int, int], bytes]) -> None:
        self._log = log
        self._name_of = name_of
        self._last: tuple[Collection[bytes], PrefixTable[bool]] | None = None

    def of(self, cohort: Cohort[Member], first: int, stop: int) -> tuple[int, int]:
        """The first and the last message from `first` up to, not including, `stop` it wants.

        Raises:
            ValueError: there is none.
        """
        if cohort.everything:
            return first, stop - 1
        if isinstance(cohort, Chain):
            found = [one for one, _size in cohort.chosen(first, stop, self._log, self._name_of)]
            return _found(found[:1]), _found(found[-1:])
        wanted, without = self._table(cohort.key), cohort.without
        begins = range(first, stop, PIECE)
        lows = (self._edge(wanted, without, low, min(stop, low + PIECE)) for low in begins)
        highs = (
            self._edge(wanted, without, low, min(stop, low + PIECE), last=True)
            for low in reversed(begins)
        )
        return _found(lows), _found(highs)

    def _table(self, key: Collection[bytes]) -> PrefixTable[bool]:
        """These prefixes in a table; that of a long list is kept for the next range."""
        if self._last is not None and self._last[0] is key:
            return self._last[1]
        table: PrefixTable[bool] = PrefixTable()
        for prefix in key:
            table.put(prefix, True)
        if isinstance(key, frozenset):  # else it is changed in place
            self._last = key, table
        return table

    def _edge(
        self,
        wanted: PrefixTable[bool],
        without: Cohort[Member] | None,
        first: int,
        stop: int,
        *,
        last: bool = False,
    ) -> int | None:
        """The first of these that is wanted, or the last; None if none is."""
        ids = self._log.topic_ids(first, stop)
        sequences = range(first, stop)
        if last:
            ids, sequences = ids[::-1], sequences[::-1]
        known: dict[int, bool] = {0: False}
        for topic_id, sequence in zip(ids, sequences, strict=True):
            is_wanted = known.get(topic_id) if topic_id else None
            if is_wanted is None:
                name = self._name_of(topic_id, sequence)
                is_wanted = bool(wanted.matching(name))
                if is_wanted and without is not None:
                    is_wanted = not without.wants(name)
                known[topic_id] = is_wanted
            if is_wanted:
                return sequence
        return None


def _found(edges: Iterable[int | None]) -> int:
    for edge in edges:
        if edge is not None:
            return edge
    raise ValueError("none of these is wanted")
