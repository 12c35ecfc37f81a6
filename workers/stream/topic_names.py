"""Topic names: which topics have a last value, in the order of their names. Pure.

There is no table of names that is shared: a name is the first frame of any message of its topic. So
it is read once, when somebody wants to know which topics there are, and again when a place in the
table of values is another topic's.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING

from fanout.shm.value_layout import KEYFRAME, NO_VALUE
from fanout.zmtp.frames import first_frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fanout.shm.kept_values import KeptValues

LEARNED_BYTES = 1024 * 1024  # of messages that are read together for that
LEARNED = 1_024  # places that are looked at at once: some 2 ms if all are new


class TopicNames:
    """Keeps them; its mutable state.

    Attributes:
        places: by name, in the table of values.
        changes: how often a place was found to be another topic's.
        unsure: whether some may have a value, of which a newer one is just being committed.
    """

    def __init__(self, values: KeptValues) -> None:
        self._values = values
        self._ids = array("Q", [0]) * len(values.ids)  # of those whose names are known
        # What was the last message there when that was no value any more: it never is one again. Of
        # those whose names are known it is any that was.
        self._lacking = array("Q", [NO_VALUE]) * len(values.ids)
        self._names: dict[int, bytes] = {}
        self._sorted: list[bytes] = []
        self._changed: dict[int, int] = {}  # place -> which of these changes was its last one
        self.places: dict[bytes, int] = {}
        self.changes = 0
        self.unsure = False
        self._alone: frozenset[bytes] | None = None  # see `alone()`

    def name(self, place: int) -> bytes:
        """The topic that had this place when it was looked at last."""
        return self._names[place]

    def is_of(self, place: int, topic_id: int, changes: int) -> bool:
        """Whether that topic had the place then, and when so many changes were known.

        Args:
            topic_id: by which it has it; that of its keyframes will do, too.
        """
        is_of_it = (self._ids[place] | KEYFRAME) == (topic_id | KEYFRAME)
        return is_of_it and self._changed.get(place, 0) <= changes

    def learn(self, first: int) -> int:
        """Bring some places up to date, from this one on; returns the next one, 0 = these are all.

        A topic without a value has no name yet: it is looked at again when there is another one.
        """
        values = self._values
        stop = min(first + LEARNED, values.known)
        ids, known = values.ids[first:stop], memoryview(self._ids)[first:stop]
        lacking = memoryview(self._lacking)[first:stop]
        if ids != known and values.last[first:stop] != lacking:
            lasts = array("Q", values.last[first:stop])
            seen = zip(range(first, stop), ids, known, lasts, lacking, strict=True)
            changed = [at for at, one, own, last, none in seen if one != own and last != none]
            self._learn(changed)
            if all(values.last[at] == self._lacking[at] for at in changed if not self._knows(at)):
                lacking[:] = memoryview(lasts)
        return stop if stop < values.known else 0

    def _knows(self, place: int) -> bool:
        return self._ids[place] == self._values.ids[place]

    def _learn(self, changed: Sequence[int]) -> None:
        values, places = self._values, self.places
        new: list[bytes] = []
        gone: set[bytes] = set()
        expired = values.expired
        pieces = self._pieces(changed, expired)
        for place in changed:
            topic_id = values.ids[place]
            sequence = values.last[place]
            wire = pieces.get(sequence)
            if wire is None:
                found = values.find(place)
                if found is None and values.has_lost(place, sequence):
                    self._lacking[place] = sequence
                if found is None or values.ids[place] != topic_id:
                    continue
                if found.sequence >= values.log.head():
                    self.unsure = True
                    continue
                wire = found.wire
            elif values.ids[place] != topic_id:
                continue
            name, before = first_frame(wire), self._names.get(place)
            self._ids[place] = topic_id
            if name == before and places.get(name) == place:
                continue  # it was forgotten, and published again
            if before is not None and name != before:
                self.changes += 1
                self._changed[place] = self.changes
            if before is not None and places.get(before) == place:
                del places[before]
                gone.add(before)
            self._names[place] = name
            if name not in places and name not in gone:
                new.append(name)
            gone.discard(name)
            places[name] = place
        if gone or new:
            self._alone = None
        if gone:
            self._sorted = [name for name in self._sorted if name not in gone]
        if new:
            self._sorted += sorted(new)
            self._sorted.sort()  # two runs, which are merged

    def _pieces(self, places: Sequence[int], expired: int) -> dict[int, bytes]:
        """The last messages there that are values, committed and in the log, or some of them."""
        values = self._values
        head, last = values.log.head(), values.last
        sequences = {sequence for place in places if expired <= (sequence := last[place]) < head}
        return values.in_log(sorted(sequences), LEARNED_BYTES)

    def alone(self) -> Iterator[frozenset[bytes] | None]:
        """Those with which no other name begins: to find one of them costs less than `some()`.

        Last of all they are there, as they were when that was asked; until then None. They are
        found once for all who ask, until there are other names.
        """
        if self._alone is None:
            names, found = [*self._sorted, b""], set[bytes]()
            for low in range(0, len(names) - 1, LEARNED):
                some = pairwise(names[low : low + LEARNED + 1])
                found.update([one for one, other in some if not other.startswith(one)])
                if low + LEARNED < len(names) - 1:
                    yield None
            if names[:-1] != self._sorted:
                yield frozenset(found)
                return
            self._alone = frozenset(found)
        yield self._alone

    def some(self, begin: bytes, prefix: bytes, most: int) -> list[bytes]:
        """The first names from `begin` on that begin with a prefix, in their order."""
        names = self._sorted
        low = bisect_left(names, begin)
        first = prefix.rstrip(b"\xff")  # the name that would follow all that begin so
        if not first:
            return names[low : low + most]
        behind = first[:-1] + bytes((first[-1] + 1,))
        return names[low : bisect_left(names, behind, low, min(low + most, len(names)))]
