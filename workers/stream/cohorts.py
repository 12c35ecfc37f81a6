"""Cohorts: subscribers that want the same, and which of them want a message. Pure.

New messages are matched here, and only here; `Chunk.pick` and `Census.count` match the messages
that somebody has missed. Subscribers with equal wants share a cohort, and what a cohort wants is
picked out of a batch once. The wants of a cohort are *minimal*: "A" makes "AB" superfluous, so that
no message can match a cohort twice.

There are two ways to fill what a cohort is sent. Most have a list of their own filled, one append
for each message. One with few prefixes, of which many others want one too, takes what its
*prefixes* have (`Prefix`), which all cohorts share that want them. The first kind costs something
for each message whether or not anybody takes it; so a cohort without a ready member is *parked*
after a while: until somebody is ready again it only counts, by its prefixes.

A member that changes a long list of wants gets a cohort of its *own*, which is changed in place: at
the cost of what is changed, not of the list. Its wants need not be minimal. When it has been quiet
for a while it shares a cohort again.

Matching is in `Wanted`, and its result is remembered for each topic id (`KnownTopics`).
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Generic, TypeVar

from fanout.shm.census import minimal
from fanout.shm.prefix_table import weight
from fanout.workers.stream.cohort import EVERYTHING, Cohort
from fanout.workers.stream.known_topics import KnownTopics
from fanout.workers.stream.wanted import Wanted
from fanout.workers.tuning import TUNING, Tuning

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from fanout.workers.stream.cohort import Append, Key
    from fanout.workers.stream.wanted import Place
    from fanout.zmtp.encoding import Encoding

M = TypeVar("M")  # a member: nothing here looks into one

# Short prefixes of a cohort that may be parked: that is one step, of some milliseconds. Longer
# lists cost an append for each of their messages; memory bounds how many of them there are.
PARKED_MAX = 2_000


class Cohorts(Generic[M]):
    """All cohorts of a worker.

    Its mutable state: the cohorts by key and those of one member, what the filtered ones want, who
    is about to be parked, and what is remembered of topic ids.

    Attributes:
        counting, direct, owners, take_out: those of `Wanted`.
        known_ids, name, make_room: those of `KnownTopics`.
    """

    def __init__(self, tuning: Tuning = TUNING) -> None:
        self._shared_prefixes = tuning.shared_prefixes
        self._shared_from = tuning.shared_from
        self._parked_after = tuning.parked_after
        self._parked_after_ns = tuning.parked_after_ns
        self.everything: Cohort[M] = Cohort(EVERYTHING)
        self._by_key: dict[tuple[Key, Encoding | None], Cohort[M]] = {
            (EVERYTHING, None): self.everything
        }
        self._own: dict[Cohort[M], None] = {}
        self._sharers: dict[bytes, int] = {}  # prefix -> short lists by key that have it
        # Direct ones without a ready member -> messages picked for nobody, and since when.
        self._idle: dict[Cohort[M], tuple[int, int]] = {}
        self._topics = KnownTopics(tuning.topics_remembered, tuning.appends_remembered)
        self._wanted: Wanted[M] = Wanted(self._topics.forget)
        self.counting, self.direct = self._wanted.counting, self._wanted.direct
        self.owners = self._wanted.owners
        self.take_out = self._wanted.take_out
        self.known_ids = self._topics.appends
        self.name = self._topics.name
        self.make_room = self._topics.make_room

    def __len__(self) -> int:
        return len(self._by_key) + len(self._own)

    @property
    def left(self) -> int:
        """How many prefixes of cohorts without members are still to be taken out."""
        return self._wanted.left

    @property
    def in_use(self) -> int:
        """How many cohorts have members."""
        return len(self) - (not self.everything.members)

    @property
    def filtered(self) -> Iterable[Cohort[M]]:
        """The cohorts that do not want everything."""
        # The first one wants everything.
        return chain(islice(self._by_key.values(), 1, None), self._own)

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

    def is_alone_in(self, cohort: Cohort[M]) -> bool:
        """Whether its one member can have it for itself, at once."""
        is_free = cohort.direct and not (cohort.everything or cohort.kept)
        is_own = cohort in self._own or len(cohort.key) > self._shared_prefixes
        return is_free and is_own and cohort.members == 1

    def own(self, cohort: Cohort[M]) -> None:
        """Give a cohort to its one member, to be changed in place; it wants what it wanted."""
        assert self.is_alone_in(cohort), "others share it"
        key = cohort.key
        if cohort not in self._own:
            del self._by_key[frozenset(key), cohort.encoding]
            self._idle.pop(cohort, None)
            self._own[cohort] = None
            cohort.key = set(key)
            cohort.changed()

    def share(self, cohort: Cohort[M]) -> bool:
        """Have others share an own cohort, as it is; False if it has to join one instead."""
        key = minimal(cohort.key)
        if len(key) <= self._shared_prefixes or (key, None) in self._by_key:
            return False
        del self._own[cohort]
        self._by_key[key, None] = cohort
        implied = cohort.key - key
        cohort.key = key
        cohort.changed()
        if implied:
            self._wanted.take(cohort, implied)
        return True

    def join_own(self, prefixes: Iterable[bytes]) -> Cohort[M]:
        """A cohort for one member, which may then be changed in place; without an encoding."""
        cohort: Cohort[M] = Cohort(set(prefixes))
        cohort.members = 1
        self._own[cohort] = None
        self._wanted.begin_direct(cohort)
        return cohort

    def change(
        self, cohort: Cohort[M], added: Collection[bytes], cancelled: Collection[bytes]
    ) -> None:
        """Change the wants of an own cohort; what it wants of it already has no effect."""
        key = cohort.key
        assert isinstance(key, set), "others share it"
        taken = [name for name in cancelled if name in key]
        key.difference_update(taken)
        self._wanted.take(cohort, taken)
        new = [name for name in added if name not in key]
        key.update(new)
        self._wanted.fill(cohort, new)
        cohort.changed()

    # Who is ready.

    def add_ready(self, cohort: Cohort[M], member: M) -> None:
        """This member has been sent everything up to the front."""
        ready = cohort.ready
        if not ready and not cohort.everything:
            self._idle.pop(cohort, None)
            if not cohort.direct and not self._is_shared(cohort.key):
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
        if len(cohort.key) > PARKED_MAX:
            return
        wasted, since = self._idle.get(cohort, (0, now))
        wasted += messages
        self._idle[cohort] = wasted, since
        is_long = now - since >= self._parked_after_ns
        if is_long and wasted >= self._parked_after + len(cohort.key) and cohort not in self._own:
            if weight(cohort.key) > PARKED_MAX:
                self._idle[cohort] = 0, now
                return
            del self._idle[cohort]
            cohort.direct = False
            self._wanted.end_direct(cohort)
            self._wanted.take(cohort, cohort.key)
            self._wanted.count_by(cohort)

    # Who wants a message.

    def prefixes_of(self, topic: bytes) -> list[Place[M]]:
        """The prefixes with which a topic begins, of those that somebody wants."""
        return self._wanted.matching(topic)

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

    def _appends_of(self, found: list[Place[M]]) -> tuple[Append, ...]:
        if len(found) == 1:
            return self._wanted.appends_of(found[0])
        appends = [append for place in found for append in self._wanted.appends_of(place)]
        # The wants of an own cohort may imply one another: it gets no message twice. So may those
        # of one that has left, and that are not taken out yet: nothing changes by its leaving.
        return tuple(dict.fromkeys(appends) if self._own or self._wanted.left else appends)

    # Cohorts come and go.

    def _add(self, key: Key, encoding: Encoding | None) -> Cohort[M]:
        cohort: Cohort[M] = Cohort(key, encoding)
        self._by_key[key, encoding] = cohort
        if len(key) <= self._shared_prefixes:
            for name in key:
                self._sharers[name] = self._sharers.get(name, 0) + 1
        if self._is_shared(key):
            cohort.direct = False
            self._wanted.count_by(cohort)
        else:
            self._wanted.begin_direct(cohort)
        return cohort

    def _remove(self, cohort: Cohort[M]) -> None:
        if cohort in self._own:
            del self._own[cohort]
        else:
            del self._by_key[frozenset(cohort.key), cohort.encoding]
            if len(cohort.key) <= self._shared_prefixes:
                self._share_no_more(cohort.key)
        self._idle.pop(cohort, None)
        if cohort.direct:
            self._wanted.leave(cohort)
        else:
            self._wanted.stop_counting(cohort)

    def _share_no_more(self, key: Iterable[bytes]) -> None:
        for name in key:
            self._sharers[name] -= 1
            if not self._sharers[name]:
                del self._sharers[name]

    def _is_shared(self, key: Collection[bytes]) -> bool:
        """Whether a list takes what its prefixes have: it is short, and many others want of it.

        What many get alike is joined once for all. But to put together what several prefixes have
        costs more than to fill a list, if nobody else gets just that.
        """
        if len(key) > self._shared_prefixes:
            return False
        return max(map(self._sharers.__getitem__, key)) > self._shared_from

    def _unpark(self, cohort: Cohort[M]) -> None:
        self._wanted.stop_counting(cohort)
        self._wanted.begin_direct(cohort)
