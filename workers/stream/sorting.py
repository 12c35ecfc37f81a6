"""Sorting: a batch of new messages into the picks of the cohorts that want them. Pure.

This is the inner loop for subscribers with watchlists. What a message costs that nobody wants is a
look-up of its topic id; what it costs for each cohort that wants it is one append of a reference.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import compress
from typing import TYPE_CHECKING

from fanout.zmtp.frames import first_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fanout.shm.reader import LogReader
    from fanout.workers.stream.cohorts import Append, Cohort, Cohorts
    from fanout.workers.stream.member import Member

SPARSE_PART = 4  # when less than 1/4 of the messages are wanted, only those are cut out
COHORTS_PER_MATCH = 32  # matching a message again costs as much as a look at so many cohorts


class Sorting:
    """Sorts one batch after another.

    Its mutable state: the batch at hand, to find the sequence of a piece when a socket is full.

    Args:
        log: where the messages are.
        cohorts: whose picks are filled.
    """

    def __init__(self, log: LogReader, cohorts: Cohorts[Member]) -> None:
        self._log = log
        self._cohorts = cohorts
        self._first = 0
        self._wanted: Sequence[int] = ()  # indexes of the messages that were cut out
        self._pieces: list[bytes] = []
        self._indexes: dict[int, int] = {}  # id(piece) -> index, once it is asked for

    def sort(self, first: int, stop: int) -> Iterable[Cohort[Member]]:
        """Fill `picks` from messages `first` up to, not including, `stop`.

        Returns:
            The cohorts to look at; some of them may have no picks. The caller clears the picks.
        """
        found = self._find(first, stop)
        wanted: Sequence[int] = range(stop - first)
        hits = list(filter(None, found))
        if len(hits) * SPARSE_PART < len(found):
            wanted = list(compress(wanted, found))
            pieces = [self._log.piece(first + index) for index in wanted]
            found = hits
        else:
            pieces = self._log.pieces(first, stop)
        for piece, appends in zip(pieces, found, strict=True):
            for append in appends:
                append(piece)
        self._first, self._wanted, self._pieces = first, wanted, pieces
        self._indexes = {}
        if len(wanted) * COHORTS_PER_MATCH < len(self._cohorts):
            match = self._cohorts.match
            return {cohort: None for piece in pieces for cohort in match(first_frame(piece))}
        return self._cohorts.filtered

    def sequence_of(self, piece: bytes) -> int:
        """The sequence of this very piece; one with the same bytes is another message."""
        if not self._indexes:
            self._indexes = {id(p): i for p, i in zip(self._pieces, self._wanted, strict=True)}
        return self._first + self._indexes[id(piece)]

    def _find(self, first: int, stop: int) -> list[tuple[Append, ...]]:
        """For each message, the appends of the cohorts that want it."""
        ids = self._log.topic_ids(first, stop)
        known = self._cohorts.known_ids
        with suppress(KeyError):
            return list(map(known.__getitem__, ids))
        distinct = set(ids)
        missing = distinct - known.keys()
        if missing and self._cohorts.make_room(len(missing)):
            missing = distinct
        if missing:
            seen_at = dict(zip(ids, range(first, stop), strict=True))
            for topic_id in missing - {0}:
                name = self._cohorts.name(topic_id)
                if name is None:
                    name = first_frame(self._log.piece(seen_at[topic_id]))
                self._cohorts.remember(topic_id, name)
        if 0 not in distinct:
            return list(map(known.__getitem__, ids))
        return [
            known[i] if i else self._cohorts.appends(first_frame(self._log.piece(sequence)))
            for sequence, i in enumerate(ids, first)
        ]
