"""Known topics: their ids, their names, and where messages on them go. Pure.

Where they go is found out once for each topic, and remembered until somebody's wants change that
concern it. Which these are is found by the names in their order: those that begin with a prefix
stand together. So a subscriber that changes its wants for ever makes only that be found out again
which it concerns. Where many prefixes of one length have come, as in a storm of subscribers with
lists, the names are put under their beginnings of that length: then each prefix takes one look-up.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from fanout.workers.stream.cohort import Append

    Beginnings: TypeAlias = dict[bytes, int | list[int]]  # the ids of the names; mostly of one

FEW = 8  # prefixes that the fresh names are looked through for, without putting them in order
FRESH_MAX = 512  # names that are looked through one by one, before they are sorted in with the rest
BEGINNINGS_MAX = 2  # lengths that names are indexed by; an index takes as much memory as the names
# Names are indexed by their first so many bytes once a quarter (1 / `EARNED`) as many prefixes of
# that length have come as there are names: an index for fewer would cost more than it saves.
EARNED = 4


class KnownTopics:
    """What is remembered of topics; an id never gets another name.

    Its mutable state: the names by id, all sorted but for the last ones; for some lengths, the ids
    by how their names begin, and for others, how many prefixes of these have come; and for what has
    cost memory of its own, how much.

    Args:
        names_max: most ids whose names are remembered.
        places_max: most places where messages go, of all ids together.

    Attributes:
        appends: for each id that is still true, the `append` of each list that is to be filled.
    """

    def __init__(self, names_max: int, places_max: int) -> None:
        self._names_max = names_max
        self._places_max = places_max
        self.appends: dict[int, tuple[Append, ...]] = {}
        self._names: dict[int, bytes] = {}
        self._sorted: list[tuple[bytes, int]] = []
        self._fresh: list[tuple[bytes, int]] = []
        self._beginnings: dict[int, Beginnings] = {}
        self._asked: Counter[int] = Counter()
        self._places: dict[int, int] = {}
        self._places_taken = 0

    def name(self, topic_id: int) -> bytes | None:
        """The topic of an id, None if it is not remembered."""
        return self._names.get(topic_id)

    def make_room(self, count: int) -> bool:
        """Forget everything if so many more ids would be too many; True if it did."""
        few = self._places_taken <= self._places_max
        if few and len(self._names) + count <= self._names_max:
            return False
        self._names.clear()
        self._sorted, self._fresh = [], []
        self._beginnings.clear()
        self._asked.clear()
        self._forget_appends()
        return True

    def remember(
        self, topic_id: int, name: bytes, appends: tuple[Append, ...], places: int
    ) -> None:
        """Remember where messages on this topic go.

        Args:
            places: how many of `appends` take memory of their own.
        """
        self.appends[topic_id] = appends
        if places:
            self._places[topic_id] = places
            self._places_taken += places
        if topic_id not in self._names:
            self._names[topic_id] = name
            self._fresh.append((name, topic_id))
            for length, beginnings in self._beginnings.items():
                _put_under(beginnings, length, name, topic_id)

    def forget(self, prefixes: Collection[bytes]) -> None:
        """Where messages go is not true any more for topics that begin with one of these."""
        appends = self.appends
        if not prefixes or not appends:
            return
        if len(prefixes) >= len(appends):
            self._forget_appends()
            return
        lengths = Counter(map(len, prefixes))
        for length in lengths:
            beginnings = self._beginnings.get(length)
            if beginnings is None:
                beginnings = self._put_all_under(length, lengths[length])
            if beginnings is not None:
                if len(lengths) == 1:
                    self._forget_under(beginnings, prefixes)
                    return
                alike = [prefix for prefix in prefixes if len(prefix) == length]
                prefixes = [prefix for prefix in prefixes if len(prefix) != length]
                self._forget_under(beginnings, alike)
        self._forget_in_order(prefixes)

    def _put_all_under(self, length: int, count: int) -> Beginnings | None:
        """Put the names under their beginnings of a length, if so many prefixes more have it."""
        self._asked[length] += count
        if self._asked[length] * EARNED < len(self._names):
            return None
        del self._asked[length]
        if len(self._beginnings) >= BEGINNINGS_MAX:
            del self._beginnings[next(iter(self._beginnings))]
        beginnings = self._beginnings[length] = {}
        for topic_id, name in self._names.items():
            _put_under(beginnings, length, name, topic_id)
        return beginnings

    def _forget_under(self, beginnings: Beginnings, prefixes: Iterable[bytes]) -> None:
        for prefix in filter(beginnings.__contains__, prefixes):
            there = beginnings[prefix]
            for topic_id in (there,) if isinstance(there, int) else there:
                self._forget_one(topic_id)

    def _forget_in_order(self, prefixes: Collection[bytes]) -> None:
        if len(self._fresh) > FRESH_MAX:
            self._sorted += self._fresh
            self._sorted.sort()  # of two runs in order, that is merging them
            self._fresh = []
        if len(prefixes) <= FEW:
            beginnings = tuple(prefixes)
            for name, topic_id in self._fresh:
                if name.startswith(beginnings):
                    self._forget_one(topic_id)
        else:  # each name against each prefix would take long
            self._fresh.sort()
            self._forget_among(self._fresh, prefixes)
        self._forget_among(self._sorted, prefixes)

    def _forget_among(self, known: list[tuple[bytes, int]], prefixes: Iterable[bytes]) -> None:
        """The same, among some names in order with their ids."""
        size = len(known)
        if not size:
            return
        for prefix in prefixes:
            at = bisect_left(known, (prefix,))
            while at < size and known[at][0].startswith(prefix):
                self._forget_one(known[at][1])
                at += 1

    def _forget_one(self, topic_id: int) -> None:
        if self.appends.pop(topic_id, None) is not None:
            self._places_taken -= self._places.pop(topic_id, 0)

    def _forget_appends(self) -> None:
        self.appends.clear()
        self._places.clear()
        self._places_taken = 0


def _put_under(beginnings: Beginnings, length: int, name: bytes, topic_id: int) -> None:
    if len(name) < length:
        return
    beginning = name[:length]
    there = beginnings.setdefault(beginning, topic_id)
    if isinstance(there, list):
        there.append(topic_id)
    elif there != topic_id:
        beginnings[beginning] = [there, topic_id]
