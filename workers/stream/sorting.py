"""Sorting: a batch of new messages into the picks of those who want them. Pure.

This is the inner loop for subscribers with watchlists. What a message costs that nobody wants is a
look-up of its topic id; what it costs for each prefix that it begins with, and for each cohort with
picks of its own that wants it, is one append of a reference.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import compress
from typing import TYPE_CHECKING, TypeAlias

from fanout.zmtp.frames import first_frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fanout.shm.reader import LogReader
    from fanout.workers.stream.cohort import Append, Cohort, Prefix
    from fanout.workers.stream.cohorts import Cohorts
    from fanout.workers.stream.member import Member
    from fanout.zmtp.encoding import Encoding

    Share: TypeAlias = tuple[Sequence[Cohort[Member]], list[bytes], Encoding | None]
    Sharers: TypeAlias = dict[
        tuple[tuple[Prefix[Member], ...], Encoding | None], list[Cohort[Member]]
    ]

SPARSE_PART = 4  # when less than 1/4 of the messages are wanted, only those are cut out
LOOKS_PER_MATCH = 32  # matching a message again costs as much as a look at so many


class Sorting:
    """Sorts one batch after another.

    Its mutable state: the batch at hand, to find the sequence of a piece when a socket is full.

    Args:
        log: where the messages are.
        cohorts: whose picks are filled, and those of their prefixes.

    Attributes:
        prefixes: of those that somebody counts by, the ones that the batch has picks for.
        direct: of the cohorts with picks of their own, the ones that it has any for.
    """

    def __init__(self, log: LogReader, cohorts: Cohorts[Member]) -> None:
        self._log = log
        self._cohorts = cohorts
        self.prefixes: list[Prefix[Member]] = []
        self.direct: list[Cohort[Member]] = []
        self._first = 0
        self._wanted: Sequence[int] = ()  # indexes of the messages that were cut out
        self._pieces: list[bytes] = []
        self._indexes: dict[int, int] = {}  # id(piece) -> index, once it is asked for

    def sort(self, first: int, stop: int) -> None:
        """Fill `picks` from messages `first` up to, not including, `stop`; then see `clear()`."""
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
        self._look(pieces)

    def count(self) -> int:
        """Count what is picked for the cohorts; returns how many members it matched, in all."""
        matched = sum([prefix.count() for prefix in self.prefixes])
        for cohort in self.direct:
            messages = len(cohort.picks)
            cohort.counted += messages
            matched += messages * cohort.members
        return matched

    def shares(self) -> Iterator[Share]:
        """What is to be sent, for all cohorts that are sent the same at once."""
        for (prefixes, encoding), cohorts in self._sharers().items():
            yield cohorts, self._merge(prefixes), encoding
        for cohort in self.direct:
            if cohort.ready:
                yield (cohort,), cohort.picks, cohort.encoding

    def _sharers(self) -> Sharers:
        """The cohorts that are sent what the same prefixes have."""
        found: dict[Cohort[Member], tuple[Prefix[Member], ...]] = {}
        for prefix in self.prefixes:
            alone = prefix.alone
            for cohort in prefix.ready:
                found[cohort] = (*found[cohort], prefix) if cohort in found else alone
        sharers: Sharers = {}
        for cohort, prefixes in found.items():
            sharers.setdefault((prefixes, cohort.encoding), []).append(cohort)
        return sharers

    def _merge(self, prefixes: Sequence[Prefix[Member]]) -> list[bytes]:
        """What these prefixes have, in the order of the log."""
        if len(prefixes) == 1:
            return prefixes[0].picks
        indexes = self._index()
        picks = [piece for prefix in prefixes for piece in prefix.picks]
        picks.sort(key=lambda piece: indexes[id(piece)])
        return picks

    def clear(self) -> None:
        """All picks are sent: they are empty again."""
        for prefix in self.prefixes:
            prefix.picks.clear()
        for cohort in self.direct:
            if not cohort.ready:
                self._cohorts.picked_for_nobody(cohort, len(cohort.picks))
            cohort.picks.clear()
        self.prefixes, self.direct = [], []

    def sequence_of(self, piece: bytes) -> int:
        """The sequence of this very piece; one with the same bytes is another message."""
        return self._first + self._index()[id(piece)]

    def _index(self) -> dict[int, int]:
        if not self._indexes:
            self._indexes = {id(p): i for p, i in zip(self._pieces, self._wanted, strict=True)}
        return self._indexes

    def _look(self, pieces: list[bytes]) -> None:
        """Find out who has any picks."""
        cohorts = self._cohorts
        prefixes, direct = cohorts.counting, cohorts.direct
        if len(pieces) * LOOKS_PER_MATCH < len(prefixes) + len(direct):
            topics = set(map(first_frame, pieces))
            prefixes = {one: None for topic in topics for one in cohorts.prefixes_of(topic)}
            self.direct = list({cohort: None for prefix in prefixes for cohort in prefix.direct})
        else:
            self.direct = [cohort for cohort in direct if cohort.picks]
        self.prefixes = [prefix for prefix in prefixes if prefix.picks]

    def _find(self, first: int, stop: int) -> list[tuple[Append, ...]]:
        """For each message, the appends of those that want it."""
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
