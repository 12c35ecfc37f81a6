"""Which prefixes are wanted, and where a message goes that begins with them. Pure.

Most prefixes are wanted by few cohorts that have them filled directly: in the table stand just
these cohorts. What many want, or somebody counts by, has a `Prefix`.

A cohort without members goes at once, but to take out a long list takes long, and all wait. So its
prefixes are taken out a few at a time; until then messages still go into its picks, for nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from fanout.shm.prefix_table import PrefixTable, cut_off, weight
from fanout.workers.stream.cohort import Cohort, Prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from fanout.workers.stream.cohort import Append

M = TypeVar("M")  # a member: nothing here looks into one

# Where messages go by one prefix: of a long list, most have one tuple with the only cohort.
Place: TypeAlias = Prefix[M] | tuple[Cohort[M]] | list[Cohort[M]]

TAKEN_AT_ONCE = 1_000  # short prefixes of a list that is taken out: a millisecond
FEW = 16  # cohorts of a prefix that are in a list; and prefixes of one that is taken out at once
SHARED_MAX = 1_024  # of such lists: topics that go to the same cohorts have one object for that
LEFT_MAX = 500_000  # of such lists; beyond it, who wants more has as many taken out first


class Wanted(Generic[M]):
    """The prefixes that the filtered cohorts of a worker want.

    Its mutable state: the table, the cohorts that are taken out with what is left of them, and what
    few cohorts are filled by, for some that were asked for.

    Args:
        forget: is told of prefixes with which messages go to others from now on.

    Attributes:
        counting: the prefixes by which some cohort counts.
        direct: the cohorts whose own picks are filled; also those that are taken out.
        owners: all of these, by the id of their picks: who is filled is found by what fills them.
        left: prefixes that are to be taken out.
    """

    def __init__(self, forget: Callable[[Collection[bytes]], None]) -> None:
        self._forget = forget
        self._by_prefix: PrefixTable[Place[M]] = PrefixTable()
        self._leaving: list[tuple[Cohort[M], list[bytes]]] = []
        self._appends: dict[tuple[Cohort[M], ...], tuple[Append, ...]] = {}
        self.counting: dict[Prefix[M], None] = {}
        self.direct: dict[Cohort[M], None] = {}
        self.owners: dict[int, Prefix[M] | Cohort[M]] = {}
        self.left = 0

    def matching(self, topic: bytes) -> list[Place[M]]:
        """Where messages go by each prefix with which a topic begins."""
        return self._by_prefix.matching(topic)

    def appends_of(self, place: Place[M]) -> tuple[Append, ...]:
        """Where messages go by this prefix; the same object for all their topics, mostly."""
        if isinstance(place, Prefix):
            return place.appends
        if isinstance(place, tuple):
            return place[0].appends
        few = tuple(place)
        appends = self._appends.get(few)
        if appends is None:
            if len(self._appends) >= SHARED_MAX:
                self._appends.clear()
            appends = self._appends[few] = tuple([one.picks.append for one in few])
        return appends

    # Cohorts whose own picks are filled.

    def begin_direct(self, cohort: Cohort[M]) -> None:
        """Its own picks are filled from now on, with what it wants."""
        self.direct[cohort] = None
        cohort.direct = True
        self.owners[id(cohort.picks)] = cohort
        self.fill(cohort, cohort.key)

    def end_direct(self, cohort: Cohort[M]) -> None:
        """Nothing more goes into them; what stands in the table of it is taken out by others."""
        del self.direct[cohort]
        del self.owners[id(cohort.picks)]

    def fill(self, cohort: Cohort[M], names: Collection[bytes]) -> None:
        """Messages that begin with these go into its picks from now on."""
        if self.left > LEFT_MAX:
            self.take_out(len(names))
        table = self._by_prefix
        left: list[bytes] = []
        names_there, places = table.put_new(names, (cohort,))
        for name, place in zip(names_there, places, strict=True):
            if type(place) is list:  # of most, in a storm
                place.append(cohort)
                if len(place) > FEW:
                    table.replace(name, _prefix_of(place))
            elif isinstance(place, Prefix):
                place.direct[cohort] = None
                place.changed()
            elif place[0].members:
                table.replace(name, [place[0], cohort])
            else:
                left.append(name)
        if left:  # mostly one that comes back: it takes the places of who is gone
            table.replace_all(left, (cohort,))
        self._forget(names)

    def take(self, cohort: Cohort[M], names: Collection[bytes]) -> None:
        """They do not any more."""
        table = self._by_prefix
        self._appends.clear()  # it is not kept by that
        for name, place in zip(*table.remove_own(names, (cohort,)), strict=True):
            if isinstance(place, list):
                if cohort in place:
                    place.remove(cohort)
                    if len(place) == 1:
                        table.replace(name, (place[0],))
            elif isinstance(place, Prefix) and place.direct.pop(cohort, self) is None:
                place.changed()
                self._tidy(name, place)
        self._forget(names)

    def leave(self, cohort: Cohort[M]) -> None:
        """It has no members any more, and its picks are filled: that ends by and by."""
        names = list(cohort.key)
        if not self._leaving and len(names) <= FEW and weight(names) <= TAKEN_AT_ONCE:
            self.end_direct(cohort)
            self.take(cohort, names)
            return
        self._leaving.append((cohort, names))
        self.left += len(names)
        self.take_out(TAKEN_AT_ONCE)

    def take_out(self, count: int = TAKEN_AT_ONCE) -> None:
        """Take out about so many prefixes of cohorts without members, short lists first."""
        while self._leaving and count > 0:
            cohort, names = self._leaving[-1]
            some = cut_off(names, count)
            if not names:
                self._leaving.pop()
                self.end_direct(cohort)
            count -= weight(some)
            self.left -= len(some)
            self.take(cohort, some)

    # Cohorts that count by their prefixes.

    def count_by(self, cohort: Cohort[M]) -> None:
        """It counts by its prefixes from now on."""
        cohort.prefixes = tuple(map(self.prefix, cohort.key))
        first = []
        for name, prefix in zip(cohort.key, cohort.prefixes, strict=True):
            cohort.counted -= prefix.total
            cohort.counted_bytes -= prefix.matched_bytes
            prefix.members += cohort.members
            prefix.counting += 1
            if prefix.counting == 1:
                self.counting[prefix] = None
                self.owners[id(prefix.picks)] = prefix
                prefix.changed()
                first.append(name)
        self._forget(first)

    def stop_counting(self, cohort: Cohort[M]) -> None:
        """It does not any more."""
        last = []
        for name, prefix in zip(cohort.key, cohort.prefixes, strict=True):
            cohort.counted += prefix.total
            cohort.counted_bytes += prefix.matched_bytes
            prefix.members -= cohort.members
            prefix.counting -= 1
            if not prefix.counting:
                del self.counting[prefix]
                del self.owners[id(prefix.picks)]
                prefix.changed()
                last.append(name)
                self._tidy(name, prefix)
        cohort.prefixes = ()
        self._forget(last)

    def prefix(self, name: bytes) -> Prefix[M]:
        """The prefix of this name, from now on at least."""
        there = self._by_prefix.get(name)
        if isinstance(there, Prefix):
            return there
        prefix = _prefix_of(there or ())
        self._by_prefix.put(name, prefix)
        return prefix

    def _tidy(self, name: bytes, prefix: Prefix[M]) -> None:
        """Keep no more of it than is needed."""
        if prefix.counting or len(prefix.direct) > FEW // 2:
            return
        few = list(prefix.direct)
        if few:
            self._by_prefix.put(name, few if len(few) > 1 else (few[0],))
        else:
            self._by_prefix.remove(name)


def _prefix_of(cohorts: Iterable[Cohort[M]]) -> Prefix[M]:
    prefix: Prefix[M] = Prefix()
    prefix.direct = dict.fromkeys(cohorts)
    return prefix


def apart(
    owners: Iterable[Prefix[M] | Cohort[M]],
) -> tuple[list[Prefix[M]], list[Cohort[M]]]:
    """The prefixes among these, and the cohorts with picks of their own."""
    prefixes: list[Prefix[M]] = []
    direct: list[Cohort[M]] = []
    for owner in owners:
        if isinstance(owner, Prefix):
            prefixes.append(owner)
        else:
            direct.append(owner)
    return prefixes, direct


def filled_by(
    places: Iterable[Place[M]],
) -> tuple[dict[Prefix[M], None], dict[Cohort[M], None]]:
    """Where messages go by these: the prefixes that count, and the cohorts with picks."""
    prefixes: dict[Prefix[M], None] = {}
    direct: dict[Cohort[M], None] = {}
    for place in places:
        if isinstance(place, Prefix):
            if place.counting:
                prefixes[place] = None
            direct.update(place.direct)
        else:
            direct.update(dict.fromkeys(place))
    return prefixes, direct
