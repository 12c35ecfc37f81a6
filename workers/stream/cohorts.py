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

Matching is a dict from prefix to cohorts, looked up once for each distinct length of a prefix, and
remembered for each topic id. Ids are never reused, so what is remembered stays true until
subscriptions change.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

from fanout.shm.census import minimal
from fanout.workers.stream.cohort import EVERYTHING, Cohort, Prefix
from fanout.workers.tuning import TUNING, Tuning

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from fanout.workers.stream.cohort import Append, Key
    from fanout.zmtp.encoding import Encoding

M = TypeVar("M")  # a member: nothing here looks into one


class Cohorts(Generic[M]):
    """All cohorts of a worker.

    Its mutable state: the cohorts by key, the prefixes of the filtered ones, who is about to be
    parked, and what is remembered of topic ids.

    Attributes:
        counting: the prefixes by which some cohort counts.
        direct: the cohorts whose own picks are filled.
    """

    def __init__(self, tuning: Tuning = TUNING) -> None:
        self._topics_remembered = tuning.topics_remembered
        self._appends_remembered = tuning.appends_remembered
        self._shared_prefixes = tuning.shared_prefixes
        self._parked_after = tuning.parked_after
        self.everything: Cohort[M] = Cohort(EVERYTHING)
        self._by_key: dict[tuple[Key, Encoding | None], Cohort[M]] = {
            (EVERYTHING, None): self.everything
        }
        self._by_prefix: dict[bytes, Prefix[M]] = {}
        self.counting: dict[Prefix[M], None] = {}
        self.direct: dict[Cohort[M], None] = {}
        self._lengths: dict[int, int] = {}  # length of a prefix -> how many prefixes have it
        self._idle: dict[Cohort[M], int] = {}  # direct ones -> messages picked for nobody
        self._appends: dict[int, tuple[Append, ...]] = {}
        self._remembered = 0  # appends, of all topic ids
        self._names: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    @property
    def in_use(self) -> int:
        """How many cohorts have members."""
        return len(self._by_key) - (not self.everything.members)

    @property
    def filtered(self) -> Iterable[Cohort[M]]:
        """The cohorts that do not want everything."""
        return islice(self._by_key.values(), 1, None)  # the first one wants everything

    @property
    def has_filtered(self) -> bool:
        """Whether any cohort does not want everything."""
        return len(self._by_key) > 1

    @property
    def known_ids(self) -> dict[int, tuple[Append, ...]]:
        """Topic ids whose cohorts are remembered, with the `append` of each list to be filled."""
        return self._appends

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
            if cohort.direct:
                self._idle[cohort] = 0

    def picked_for_nobody(self, cohort: Cohort[M], messages: int) -> None:
        """So many messages were picked for a direct cohort without a ready member.

        It is parked when that has cost as much as parking it and taking it back.
        """
        wasted = self._idle[cohort] = self._idle.get(cohort, 0) + messages
        if wasted >= self._parked_after + len(cohort.key):
            del self._idle[cohort]
            self._take_back(cohort)
            self._count_by_prefix(cohort)

    # Who wants a message.

    def prefixes_of(self, topic: bytes) -> list[Prefix[M]]:
        """The prefixes with which a topic begins, of those that somebody wants."""
        found: list[Prefix[M]] = []
        lengths: Iterable[int] = self._lengths
        # A peer chooses how many lengths exist; if more than the topic has, try the topic's own.
        if len(self._lengths) > len(topic):
            lengths = range(len(topic) + 1)
        for length in lengths:
            if length <= len(topic):
                prefix = self._by_prefix.get(topic[:length])
                if prefix is not None:
                    found.append(prefix)
        return found

    def make_room(self, count: int) -> bool:
        """Forget all topic ids if so many more would be too many; True if it did."""
        if (
            len(self._names) + count <= self._topics_remembered
            and self._remembered <= self._appends_remembered
        ):
            return False
        self._names.clear()
        self._forget_appends()
        return True

    def remember(self, topic_id: int, topic: bytes) -> tuple[Append, ...]:
        """Match a topic and remember the result for its id."""
        appends = self._appends[topic_id] = self.appends(topic)
        self._names[topic_id] = topic
        return appends

    def appends(self, topic: bytes) -> tuple[Append, ...]:
        """The `append` of each list that a message on this topic goes into."""
        found = self.prefixes_of(topic)
        if len(found) == 1:
            return found[0].appends  # the same object for all topics with this prefix
        appends = tuple([append for prefix in found for append in prefix.appends])
        self._remembered += len(appends)
        return appends

    def name(self, topic_id: int) -> bytes | None:
        """The topic of an id, None if it is not remembered."""
        return self._names.get(topic_id)

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
        del self._by_key[cohort.key, cohort.encoding]
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
            prefix = self._prefix(name)
            prefix.direct[cohort] = None
            prefix.changed()
        self._forget_matches(cohort.key)

    def _take_back(self, cohort: Cohort[M]) -> None:
        cohort.direct = False
        del self.direct[cohort]
        for name in cohort.key:
            prefix = self._by_prefix[name]
            del prefix.direct[cohort]
            prefix.changed()
            self._drop_unused(name, prefix)
        self._forget_matches(cohort.key)

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
        self._forget_matches(first)

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
        self._forget_matches(last)

    def _prefix(self, name: bytes) -> Prefix[M]:
        prefix = self._by_prefix.get(name)
        if prefix is None:
            prefix = self._by_prefix[name] = Prefix()
            self._lengths[len(name)] = self._lengths.get(len(name), 0) + 1
        return prefix

    def _drop_unused(self, name: bytes, prefix: Prefix[M]) -> None:
        if prefix.is_unused:
            del self._by_prefix[name]
            self._lengths[len(name)] -= 1
            if not self._lengths[len(name)]:
                del self._lengths[len(name)]

    def _forget_matches(self, names: Collection[bytes]) -> None:
        """What is remembered of topics that begin with one of these is not true any more."""
        if names:
            self._forget_appends()

    def _forget_appends(self) -> None:
        self._appends.clear()
        self._remembered = 0
