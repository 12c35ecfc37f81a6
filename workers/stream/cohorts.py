"""Cohorts: subscribers that want the same, and which of them want a message. Pure.

New messages are matched here, and only here; `Chunk.pick` and `Census.count` match the messages
that somebody has missed. Subscribers with equal wants share a cohort, and what a cohort wants is
picked out of a batch once. The wants of a cohort are *minimal*: "A" makes "AB" superfluous, so that
no message can match a cohort twice.

Matching is a dict from prefix to cohorts, looked up once for each distinct length of a prefix, and
remembered for each topic id. Ids are never reused, so what is remembered stays true until
subscriptions change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from fanout.shm.census import minimal
from fanout.workers.tuning import TUNING

if TYPE_CHECKING:
    from fanout.zmtp.encoding import Encoding

M = TypeVar("M")  # a member: nothing here looks into one

Append: TypeAlias = Callable[[bytes], None]
Key: TypeAlias = frozenset[bytes]

EVERYTHING: Key = frozenset((b"",))


class Cohort(Generic[M]):
    """Subscribers with the same wants.

    Attributes:
        key: what they want, minimal.
        encoding: what its picks go through before they are sent; see `Member`.
        everything: whether that is every message, as it is in the log.
        members: how many subscribers it has, ready ones and others.
        ready: members that have been sent everything up to the front; in order of joining.
        picks: messages of the batch at hand that it wants; the same list for ever.
        matched: a running number of the messages it wanted. Where it began does not matter: only
            differences mean something. That of the cohort which wants everything is the front.
    """

    __slots__ = (
        "_lengths",
        "encoding",
        "everything",
        "key",
        "matched",
        "members",
        "picks",
        "ready",
    )

    def __init__(self, key: Key, encoding: Encoding | None = None) -> None:
        self.key = key
        self.encoding = encoding
        self.everything = key == EVERYTHING and encoding is None
        self.members = 0
        self.ready: dict[M, None] = {}
        self.picks: list[bytes] = []
        self.matched = 0
        self._lengths = sorted(set(map(len, key)))

    def wants(self, topic: bytes) -> bool:
        """Whether a message on this topic is for it."""
        longest = len(topic)
        for length in self._lengths:  # sorted
            if length > longest:
                break
            if topic[:length] in self.key:
                return True
        return False


class Cohorts(Generic[M]):
    """All cohorts of a worker.

    Its mutable state: the cohorts by key, the filtered ones by prefix, and what is remembered of
    topic ids.

    Args:
        topics_remembered: most topic ids that are remembered.
    """

    def __init__(self, topics_remembered: int = TUNING.topics_remembered) -> None:
        self._topics_remembered = topics_remembered
        self.everything: Cohort[M] = Cohort(EVERYTHING)
        self._by_key: dict[tuple[Key, Encoding | None], Cohort[M]] = {
            (EVERYTHING, None): self.everything
        }
        self._by_prefix: dict[bytes, dict[Cohort[M], None]] = {}
        self._lengths: dict[int, int] = {}  # length of a prefix -> how many prefixes have it
        self._appends: dict[int, tuple[Append, ...]] = {}
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
        """Topic ids whose cohorts are remembered, with the `append` of each one's picks."""
        return self._appends

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
        return cohort

    def leave(self, cohort: Cohort[M]) -> None:
        """One member less; a cohort without members is forgotten."""
        cohort.members -= 1
        if not cohort.members and not cohort.everything:
            self._remove(cohort)

    def match(self, topic: bytes) -> list[Cohort[M]]:
        """The filtered cohorts that want messages on this topic, each once."""
        found: list[Cohort[M]] = []
        lengths: Iterable[int] = self._lengths
        # A peer chooses how many lengths exist; if more than the topic has, try the topic's own.
        if len(self._lengths) > len(topic):
            lengths = range(len(topic) + 1)
        for length in lengths:
            if length <= len(topic):
                found += self._by_prefix.get(topic[:length], ())
        return found

    def make_room(self, count: int) -> bool:
        """Forget all topic ids if so many more would be too many; True if it did."""
        if len(self._names) + count <= self._topics_remembered:
            return False
        self._names.clear()
        self._appends.clear()
        return True

    def remember(self, topic_id: int, topic: bytes) -> tuple[Append, ...]:
        """Match a topic and remember the result for its id."""
        appends = self._appends[topic_id] = self.appends(topic)
        self._names[topic_id] = topic
        return appends

    def appends(self, topic: bytes) -> tuple[Append, ...]:
        """The `append` of the picks of each cohort that wants messages on this topic."""
        return tuple(cohort.picks.append for cohort in self.match(topic))

    def name(self, topic_id: int) -> bytes | None:
        """The topic of an id, None if it is not remembered."""
        return self._names.get(topic_id)

    def _add(self, key: Key, encoding: Encoding | None) -> Cohort[M]:
        cohort: Cohort[M] = Cohort(key, encoding)
        self._by_key[key, encoding] = cohort
        by_prefix, lengths = self._by_prefix, self._lengths
        for prefix in key:
            cohorts = by_prefix.get(prefix)
            if cohorts is None:
                by_prefix[prefix] = {cohort: None}
                lengths[len(prefix)] = lengths.get(len(prefix), 0) + 1
            else:
                cohorts[cohort] = None
        self._forget_matches(key)
        return cohort

    def _remove(self, cohort: Cohort[M]) -> None:
        del self._by_key[cohort.key, cohort.encoding]
        for prefix in cohort.key:
            cohorts = self._by_prefix[prefix]
            del cohorts[cohort]
            if not cohorts:
                del self._by_prefix[prefix]
                self._lengths[len(prefix)] -= 1
                if not self._lengths[len(prefix)]:
                    del self._lengths[len(prefix)]
        self._forget_matches(cohort.key)

    def _forget_matches(self, key: Key) -> None:
        """What is remembered of topics that this key concerns is not true any more."""
        self._appends.clear()
