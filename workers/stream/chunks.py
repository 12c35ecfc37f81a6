"""Chunks: stretches of the log, sorted by topic once, for members that are behind. Pure.

Each blocked member picks what it wants out of the log again. Those that are at about the same place
share the work that does not depend on who is asking: cutting the bytes into messages and grouping
them by topic. What is left for each costs as much as it gets, not as much as there is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from typing import TYPE_CHECKING, Any

from fanout.workers.stream.chain import NEVER, Chain
from fanout.workers.tuning import TUNING, Tuning
from fanout.zmtp.frames import first_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.shm.reader import LogReader
    from fanout.workers.stream.cohort import Cohort
    from fanout.workers.stream.cohorts import Cohorts


class Chunk:
    """Messages `first` up to, not including, `stop`.

    Attributes:
        pieces: their wire bytes, copies.
    """

    __slots__ = (
        "_by_name",
        "_by_prefix",
        "_longest",
        "_names",
        "_tables",
        "first",
        "pieces",
        "stop",
    )

    def __init__(
        self,
        first: int,
        pieces: list[bytes],
        by_name: dict[bytes, list[int]],
        tables: int = TUNING.chunk_tables,
    ) -> None:
        self.first = first
        self.stop = first + len(pieces)
        self.pieces = pieces
        self._by_name = by_name
        self._longest = max(map(len, by_name))
        self._by_prefix: dict[int, dict[bytes, list[int]]] = {}  # for the first lengths asked for
        self._tables = tables
        self._names: list[bytes] = []  # sorted, once one of another length is asked for

    def pick(self, cohort: Cohort[Any]) -> list[int]:
        """Indexes of the messages that a cohort wants, in order."""
        if type(cohort) is Chain:
            return self._pick_chain(cohort.floors)
        if cohort.without is not None:
            found, others = self._pick(cohort), set(self._pick(cohort.without))
            return [index for index in found if index not in others]
        return self._pick(cohort)

    def _pick_chain(self, floors: dict[bytes, int]) -> list[int]:
        by_name, first = self._by_name, self.first
        found: list[int] = []
        for name in floors if len(floors) < len(by_name) else by_name:
            floor, indexes = floors.get(name, NEVER), by_name.get(name, ())
            if floor <= first:
                found += indexes
            elif floor < self.stop:
                found += [index for index in indexes if floor <= first + index]
        found.sort()
        return found

    def _pick(self, cohort: Cohort[Any]) -> list[int]:
        found: list[int] = []
        if len(cohort.key) > len(self._by_name):
            for name, indexes in self._by_name.items():
                if cohort.wants(name):
                    found += indexes
        else:
            tables, longest = self._by_prefix, self._longest
            for prefix in cohort.key:
                length = len(prefix)
                if length in tables:  # the usual case, and there may be many prefixes
                    found += tables[length].get(prefix, ())
                elif length <= longest:  # no topic has a longer prefix; a table is not free
                    found += self._having(prefix)
        if not cohort.is_minimal:
            found = list(set(found))
        found.sort()
        return found

    def _having(self, prefix: bytes) -> Sequence[int]:
        """Indexes of the messages whose topics begin with this, in no order.

        There is no table for its length yet.
        """
        # Peers choose how many lengths there are, and each table has all topics once more.
        if len(self._by_prefix) >= self._tables:
            return self._among_sorted(prefix)
        table: dict[bytes, list[int]] = {}
        length = len(prefix)
        for name, indexes in self._by_name.items():
            if len(name) >= length:
                table.setdefault(name[:length], []).extend(indexes)
        self._by_prefix[length] = table
        return table.get(prefix, ())

    def _among_sorted(self, prefix: bytes) -> list[int]:
        names = self._names = self._names or sorted(self._by_name)
        found: list[int] = []
        for at in range(bisect_left(names, prefix), len(names)):
            if not names[at].startswith(prefix):
                break
            found += self._by_name[names[at]]
        return found


class Chunks:
    """The chunks that were used lately.

    Args:
        log: where the messages are.
        cohorts: what topic ids stand for.
        tuning: how large a chunk is, and how many are kept.
    """

    def __init__(self, log: LogReader, cohorts: Cohorts[Any], tuning: Tuning = TUNING) -> None:
        self._log = log
        self._cohorts = cohorts
        self._messages = tuning.chunk_messages
        self._bytes = tuning.chunk_bytes
        self._tables = tuning.chunk_tables
        self._kept: deque[Chunk] = deque(maxlen=tuning.chunks_kept)

    def __len__(self) -> int:
        return len(self._kept)

    def at(self, sequence: int, front: int) -> Chunk:
        """A chunk that contains message `sequence`, which is below `front` and protected."""
        for chunk in self._kept:
            if chunk.first <= sequence < chunk.stop:
                return chunk
        chunk = self._cut(sequence, front)
        self._kept.append(chunk)
        return chunk

    def _cut(self, first: int, front: int) -> Chunk:
        stop = self._log.batch_end(first, min(front, first + self._messages), self._bytes)
        pieces = self._log.pieces(first, stop)
        by_id: dict[int, list[int]] = {}
        by_name: dict[bytes, list[int]] = {}
        for index, topic_id in enumerate(self._log.topic_ids(first, stop)):
            if topic_id:
                by_id.setdefault(topic_id, []).append(index)
            else:
                by_name.setdefault(first_frame(pieces[index]), []).append(index)
        for topic_id, indexes in by_id.items():
            name = self._cohorts.name(topic_id)
            if name is None:
                name = first_frame(pieces[indexes[0]])
            by_name.setdefault(name, []).extend(indexes)
        return Chunk(first, pieces, by_name, self._tables)
