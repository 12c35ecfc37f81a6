"""A cohort: subscribers that want the same; and the prefixes by which they want it. Pure data.

There are two ways to fill what a cohort is sent. Most have a list of their own filled, one append
for each message. One with few prefixes, of which many others want one too, takes what its
*prefixes* have, which all cohorts share that want them: then a message costs one append for each
different prefix that it begins with, however many cohorts want it, and nothing for a cohort that
nobody is ready in.

Who belongs to which and how it is filled is changed by `Cohorts` only.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import msgpack

from fanout.shm.census import EVERYTHING as EVERYTHING
from fanout.shm.census import minimal

if TYPE_CHECKING:
    from fanout.shm.spill_area import Stored
    from fanout.zmtp.encoding import Encoding

M = TypeVar("M")  # a member: nothing here looks into one

Append: TypeAlias = Callable[[bytes], None]
Key: TypeAlias = frozenset[bytes]

LENGTHS_MAX = 32  # of wants, tried one by one; peers choose how many there are


class Picked:
    """What is sent picked messages: of one batch, in a list that is the same for ever.

    Attributes:
        picks: these.
        size: their bytes, if somebody has found them out; else 0.
    """

    __slots__ = ("picks", "size")

    def __init__(self) -> None:
        self.picks: list[bytes] = []
        self.size = 0

    def measure(self) -> int:
        """Find out the bytes of its picks: once, whoever asks for them until they are emptied."""
        self.size = sum(map(len, self.picks))
        return self.size


class Cohort(Picked, Generic[M]):
    """Subscribers with the same wants.

    Attributes:
        key: what they want; minimal, unless it may be changed in place: then it is a set.
        encoding: what its picks go through before they are sent; see `Member`.
        without: what it does not want of that, each prefix longer than one of its own; None = it
            wants all of it. Only one that no member has for good has that.
        everything: whether that is every message, as it is in the log.
        kept: whether a member has left it that still has to be sent what it wanted by it.
        members: how many subscribers it has, ready ones and others.
        ready: members that have been sent everything up to the front; in order of joining.
        direct: whether `picks` is filled; else `prefixes` have what it wants.
        picks: messages of the batch at hand that it wants.
        appends: where a message goes that is for it, if it is direct: into these.
        prefixes: by which it counts what it matched, if it is not direct.
        topics: those that it wants of all that were seen, kept by `Newest`.
        stored: where it is kept for another worker, None = nowhere.
        counted: what it matched otherwise; for the cohort that wants everything, the front.
        counted_bytes: the same in bytes, but for those of `picks`, which are added when these are
            emptied; for the cohort that wants everything, the position of the front.
    """

    __slots__ = (
        "_lengths",
        "_sorted",
        "appends",
        "counted",
        "counted_bytes",
        "direct",
        "encoding",
        "everything",
        "kept",
        "key",
        "members",
        "prefixes",
        "ready",
        "stored",
        "topics",
        "without",
    )

    def __init__(
        self,
        key: Key | set[bytes],
        encoding: Encoding | None = None,
        without: Cohort[M] | None = None,
    ) -> None:
        super().__init__()
        self.key = key
        self.encoding = encoding
        self.without = without
        self.everything = key == EVERYTHING and encoding is None and without is None
        self.stored: Stored | None = None
        self.kept = False
        self.members = 0
        self.ready: dict[M, None] = {}
        self.direct = True
        self.appends: tuple[Append, ...] = (self.picks.append,)
        self.prefixes: tuple[Prefix[M], ...] = ()
        self.counted = 0
        self.counted_bytes = 0
        self.topics: tuple[int, int, dict[bytes, None]] | None = None
        self._lengths: list[int] = []
        self._sorted: list[bytes] = []

    def changed(self) -> None:
        """Its key was changed in place."""
        self.topics = None
        self._lengths = []
        self._sorted = []

    def keep(self) -> Cohort[M]:
        """Who leaves it is still to be sent what it wants now: one that wants the same for ever."""
        if not self.is_minimal:
            return Cohort(set(self.key))
        self.kept = True
        return self

    @property
    def minimal_key(self) -> Key:
        """Its wants, but for those that others among them imply."""
        return self.key if isinstance(self.key, frozenset) else minimal(self.key)

    @property
    def is_minimal(self) -> bool:
        """Whether none of its wants implies another."""
        return isinstance(self.key, frozenset)

    def packed(self) -> bytes:
        """What it wants, for another worker; see `cohort_of()`."""
        without = () if self.without is None else sorted(self.without.key)
        packed: bytes = msgpack.packb((sorted(self.key), without))
        return packed

    @property
    def matched(self) -> int:
        """A running number of the messages it wanted.

        Where it began does not matter: only differences mean something. That of the cohort which
        wants everything is the front.
        """
        if self.prefixes:
            return self.counted + sum([prefix.total for prefix in self.prefixes])
        return self.counted

    @property
    def matched_bytes(self) -> int:
        """The same in bytes, as they lie in the log."""
        total = self.counted_bytes
        if self.picks:
            total += self.size or self.measure()
        if self.prefixes:
            total += sum([prefix.matched_bytes for prefix in self.prefixes])
        return total

    def wants(self, topic: bytes) -> bool:
        """Whether a message on this topic is for it."""
        if self.without is not None and self.without.wants(topic):
            return False
        if not self._lengths:
            self._lengths = sorted(set(map(len, self.key)))
        if len(self._lengths) > LENGTHS_MAX:
            # Of prefixes that do not imply one another, only the last one up to it can be its own.
            self._sorted = self._sorted or sorted(minimal(self.key))
            place = bisect_right(self._sorted, topic)
            return place > 0 and topic.startswith(self._sorted[place - 1])
        longest = len(topic)
        for length in self._lengths:  # sorted
            if length > longest:
                break
            if topic[:length] in self.key:
                return True
        return False


def cohort_of(packed: bytes, encoding: Encoding | None) -> Cohort[Any]:
    """One that nobody belongs to, with these wants."""
    key, without = map(frozenset, msgpack.unpackb(packed))
    return Cohort(key, encoding, Cohort(without) if without else None)


class Prefix(Picked, Generic[M]):
    """One prefix that some cohort wants.

    Attributes:
        picks: messages of the batch at hand that begin with it. Filled only while somebody counts
            by it.
        total: a running number of the messages that went into `picks`. Where it began does not
            matter: only differences mean something.
        total_bytes: the same in bytes, but for those of `picks`.
        direct: cohorts that want it and whose own picks are filled.
        counting: how many cohorts count by it what they matched.
        members: how many subscribers these have.
        ready: those of them that are to be sent its picks, because they have a ready member.
    """

    __slots__ = (
        "_appends",
        "counting",
        "direct",
        "members",
        "ready",
        "total",
        "total_bytes",
    )

    def __init__(self) -> None:
        super().__init__()
        self.total = 0
        self.total_bytes = 0
        self.direct: dict[Cohort[M], None] = {}
        self.counting = 0
        self.members = 0
        self.ready: dict[Cohort[M], None] = {}
        self._appends: tuple[Append, ...] | None = None

    @property
    def appends(self) -> tuple[Append, ...]:
        """Where a message goes that begins with it; the same object until that changes."""
        if self._appends is None:
            own = (self.picks.append,) if self.counting else ()
            self._appends = (*own, *(cohort.picks.append for cohort in self.direct))
        return self._appends

    @property
    def matched_bytes(self) -> int:
        """A running number of the bytes of these messages, in the log."""
        if self.picks:
            return self.total_bytes + (self.size or self.measure())
        return self.total_bytes

    def count(self) -> int:
        """Count its picks; returns how many members they matched, in all."""
        messages = len(self.picks)
        self.total += messages
        return messages * self.members

    def changed(self) -> None:
        """Messages go to others from now on."""
        self._appends = None
