"""Cohorts: subscribers that want the same, and which of them want a message. Pure.

New messages are matched here, and only here; `Chunk.pick` and `Census.count` match the messages
that somebody has missed. Subscribers with equal wants share a cohort, and what a cohort wants is
picked out of a batch once. The wants of a cohort are *minimal*: "A" makes "AB" superfluous, so that
no message can match a cohort twice.

There are two ways to fill what a cohort is sent. One with many prefixes has a list of its own
filled, one append for each message. One with few takes what its *prefixes* have (`Prefix`), which
all cohorts share that want them. The first kind costs something for each message whether or not
anybody takes it; so a cohort without a ready member is *parked* after a while: until somebody is
ready again it only counts, by its prefixes.

A member that changes a long list of wants gets a cohort of its *own*, which is changed in place: at
the cost of what is changed, not of the list. Its wants need not be minimal. When it has been quiet
for a while it shares a cohort again.

Matching is a `PrefixTable`, and its result is remembered for each topic id (`KnownTopics`).
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Generic, TypeVar

from fanout.shm.census import minimal
from fanout.shm.prefix_table import PrefixTable
from fanout.workers.stream.cohort import EVERYTHING, Cohort, Prefix
from fanout.workers.stream.known_topics import KnownTopics
from fanout.workers.tuning import TUNING, Tuning

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from fanout.workers.stream.cohort import Append, Key
    from fanout.zmtp.encoding import Encoding

M = TypeVar("M")  # a member: nothing here looks into one


class Cohorts(Generic[M]):
    """All cohorts of a worker.

    Its mutable state: the cohorts by key and those of one member, the prefixes of the filtered
    ones, who is about to be parked, and what is remembered of topic ids.

    Attributes:
        counting: the prefixes by which some cohort counts.
        direct: the cohorts whose own picks are filled.
        known_ids, name, make_room: those of `KnownTopics`.
    """

    def __init__(self, tuning: Tuning = TUNING) -> None:
        self._shared_prefixes = tuning.shared_prefixes
        self._parked_after = tuning.parked_after
        self._parked_after_ns = tuning.parked_after_ns
        self.everything: Cohort[M] = Cohort(EVERYTHING)
        self._by_key: dict[tuple[Key, Encoding | None], Cohort[M]] = {
            (EVERYTHING, None): self.everything
        }
        self._own: dict[Cohort[M], None] = {}
        self._by_prefix: PrefixTable[Prefix[M]] = PrefixTable()
        self.counting: dict[Prefix[M], None] = {}
        self.direct: dict[Cohort[M], None] = {}
        # Direct ones without a ready member -> messages picked for nobody, and since when.
        self._idle: dict[Cohort[M], tuple[int, int]] = {}
        self._topics = KnownTopics(tuning.topics_remembered, tuning.appends_remembered)
        self.known_ids = self._topics.appends
        self.name = self._topics.name
        self.make_room = self._topics.make_room

    def __len__(self) -> int:
        return len(self._by_key) + len(self._own)

    @property
    def in_use(self) -> int:
        """How many cohorts have members."""
        return len(self) - (not self.everything.members)

    @property
    def filtered(self) -> Iterable[Cohort[M]]:
        """The cohorts that do not want everything."""
        # The first one wants everything.
        return chain(islice(self._by_key.values(), 1, None), self._own)

    @property
    def has_filtered(self) -> bool:
        """Whether any cohort does not want everything."""
        return len(self._by_key) > 1 or bool(self._own)

    # Who wants what.

    def join(self, prefixes: Iterable[bytes], encoding: Encoding | None = None) -> Cohort[M] | None:
        """The cohort for these subscriptions, with one member more; None if there are none.

        An encoding is equal only to itself. So who is served by what another one is sent has the
        same wants and the same encoding, and one that is not shared has cohorts of its own.
        """
        key = minimal(prefixes)
        if not key:
            return None
        cohort = self._by_key.get((key, encoding)) or self._add(key, encoding)
        assert encoding is None or encoding.shared or not cohort.members, "two with one key"
        cohort.members += 1
        for prefix in cohort.prefixes:
            prefix.members += 1
        return cohort

    def leave(self, cohort: Cohort[M]) -> None:
        """One member less; a cohort without members is forgotten."""
        cohort.members -= 1
        for prefix in cohort.prefixes:
            prefix.members -= 1
        if not cohort.members and not cohort.everything:
            self._remove(cohort)

    def join_own(self, prefixes: Iterable[bytes]) -> Cohort[M]:
        """A cohort for one member, which may then be changed in place; without an encoding."""
        cohort: Cohort[M] = Cohort(set(prefixes))
        cohort.members = 1
        self._own[cohort] = None
        self._fill_directly(cohort)
        return cohort

    def change(
        self, cohort: Cohort[M], added: Collection[bytes], cancelled: Collection[bytes]
    ) -> None:
        """Change the wants of an own cohort; what it wants of it already has no effect."""
        key = cohort.key
        assert isinstance(key, set), "others share it"
        for name in cancelled:
            if name in key:
                key.remove(name)
                self._take_from(cohort, name)
        for name in added:
            if name not in key:
                key.add(name)
                self._fill_from(cohort, name)
        cohort.changed()
        self._topics.forget([*cancelled, *added])

    # Who is ready.

    def add_ready(self, cohort: Cohort[M], member: M) -> None:
        """This member has been sent everything up to the front."""
        ready = cohort.ready
        if not ready and not cohort.everything:
            self._idle.pop(cohort, None)
            if len(cohort.key) > self._shared_prefixes:
                self._unpark(cohort)
            for prefix in cohort.prefixes:
                prefix.ready[cohort] = None
        ready[member] = None

    def drop_ready(self, cohort: Cohort[M], member: M) -> None:
        """It has a cursor of its own from now on, or leaves; it may have one already."""
        ready = cohort.ready
        if ready.pop(member, self) is None and not ready and not cohort.everything:
            for prefix in cohort.prefixes:
                prefix.ready.pop(cohort, None)

    def picked_for_nobody(self, cohort: Cohort[M], messages: int, now: int) -> None:
        """So many messages were picked for a direct cohort without a ready member.

        It is parked when that has cost something, and has gone on for longer than a full socket
        takes to have room again in a flood: to park it and to take it back changes the matching of
        all its topics, for all who want them.
        """
        wasted, since = self._idle.get(cohort, (0, now))
        wasted += messages
        self._idle[cohort] = wasted, since
        is_long = now - since >= self._parked_after_ns
        if is_long and wasted >= self._parked_after + len(cohort.key) and cohort not in self._own:
            del self._idle[cohort]
            self._take_back(cohort)
            self._count_by_prefix(cohort)

    # Who wants a message.

    def prefixes_of(self, topic: bytes) -> list[Prefix[M]]:
        """The prefixes with which a topic begins, of those that somebody wants."""
        return self._by_prefix.matching(topic)

    def remember(self, topic_id: int, topic: bytes) -> tuple[Append, ...]:
        """Match a topic and remember the result for its id."""
        found = self.prefixes_of(topic)
        appends = self._appends_of(found)
        # With one prefix it is the same object for all topics that begin with it.
        self._topics.remember(topic_id, topic, appends, len(appends) if len(found) > 1 else 0)
        return appends

    def appends(self, topic: bytes) -> tuple[Append, ...]:
        """The `append` of each list that a message on this topic goes into."""
        return self._appends_of(self.prefixes_of(topic))

    def _appends_of(self, found: list[Prefix[M]]) -> tuple[Append, ...]:
        if len(found) == 1:
            return found[0].appends
        appends = [append for prefix in found for append in prefix.appends]
        # The wants of an own cohort may imply one another: it gets no message twice.
        return tuple(dict.fromkeys(appends) if self._own else appends)

    # Cohorts come and go.

    def _add(self, key: Key, encoding: Encoding | None) -> Cohort[M]:
        cohort: Cohort[M] = Cohort(key, encoding)
        self._by_key[key, encoding] = cohort
        if len(key) <= self._shared_prefixes:
            self._count_by_prefix(cohort)
        else:
            self._fill_directly(cohort)
        return cohort

    def _remove(self, cohort: Cohort[M]) -> None:
        if cohort in self._own:
            del self._own[cohort]
        else:
            del self._by_key[frozenset(cohort.key), cohort.encoding]
        self._idle.pop(cohort, None)
        if cohort.direct:
            self._take_back(cohort)
        else:
            self._stop_counting(cohort)

    def _unpark(self, cohort: Cohort[M]) -> None:
        if not cohort.direct:
            self._stop_counting(cohort)
            self._fill_directly(cohort)

    def _fill_directly(self, cohort: Cohort[M]) -> None:
        cohort.direct = True
        self.direct[cohort] = None
        for name in cohort.key:
            self._fill_from(cohort, name)
        self._topics.forget(cohort.key)

    def _take_back(self, cohort: Cohort[M]) -> None:
        cohort.direct = False
        del self.direct[cohort]
        for name in cohort.key:
            self._take_from(cohort, name)
        self._topics.forget(cohort.key)

    def _fill_from(self, cohort: Cohort[M], name: bytes) -> None:
        prefix = self._prefix(name)
        prefix.direct[cohort] = None
        prefix.changed()

    def _take_from(self, cohort: Cohort[M], name: bytes) -> None:
        prefix = self._prefix(name)
        del prefix.direct[cohort]
        prefix.changed()
        self._drop_unused(name, prefix)

    def _count_by_prefix(self, cohort: Cohort[M]) -> None:
        cohort.direct = False
        cohort.prefixes = tuple(map(self._prefix, cohort.key))
        first = []  # that count by their prefixes
        for name, prefix in zip(cohort.key, cohort.prefixes, strict=True):
            cohort.counted -= prefix.total
            prefix.members += cohort.members
            prefix.counting += 1
            if prefix.counting == 1:
                self.counting[prefix] = None
                prefix.changed()
                first.append(name)
        self._topics.forget(first)

    def _stop_counting(self, cohort: Cohort[M]) -> None:
        last = []
        for name, prefix in zip(cohort.key, cohort.prefixes, strict=True):
            cohort.counted += prefix.total
            prefix.members -= cohort.members
            prefix.counting -= 1
            if not prefix.counting:
                del self.counting[prefix]
                prefix.changed()
                last.append(name)
                self._drop_unused(name, prefix)
        cohort.prefixes = ()
        self._topics.forget(last)

    def _prefix(self, name: bytes) -> Prefix[M]:
        prefix = self._by_prefix.get(name)
        if prefix is None:
            prefix = Prefix()
            self._by_prefix.put(name, prefix)
        return prefix

    def _drop_unused(self, name: bytes, prefix: Prefix[M]) -> None:
        if prefix.is_unused:
            self._by_prefix.remove(name)
