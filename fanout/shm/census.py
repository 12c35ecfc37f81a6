"""How many messages of a range of the log have which topic. Pure.

Many members that jump lose much the same messages, and each must know how many of them it wanted.
So the log is counted once, in pieces between fixed sequences, and every cohort adds up its share:
with the topics of a piece sorted, those that begin with a prefix stand together.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Set
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

EVERYTHING = frozenset((b"",))


def minimal(prefixes: Iterable[bytes]) -> frozenset[bytes]:
    """The prefixes that are not implied by a shorter one among them."""
    if not isinstance(prefixes, Set):
        prefixes = frozenset(prefixes)
    if b"" in prefixes:  # it implies all others, however many there are
        return EVERYTHING
    prefixes = frozenset(prefixes)
    if len(set(map(len, prefixes))) == 1:  # the usual case, and much faster
        return prefixes
    kept: list[bytes] = []
    for prefix in sorted(prefixes):
        if not kept or not prefix.startswith(kept[-1]):
            kept.append(prefix)
    return frozenset(kept)


def count_topics(
    ids: Sequence[int], first: int, name_of: Callable[[int, int], bytes]
) -> Counter[bytes]:
    """Messages by topic, of those from message `first` on.

    Args:
        ids: the topic id of each of them, 0 = not interned.
        name_of: the topic of an id, or of a message if it has none: called with both.
    """
    seen_at = dict(zip(ids, range(first, first + len(ids)), strict=True))
    counts: Counter[bytes] = Counter()
    for topic_id, number in Counter(ids).items():
        if topic_id:
            counts[name_of(topic_id, seen_at[topic_id])] += number
    if 0 in seen_at:
        counts.update(name_of(0, first + index) for index, i in enumerate(ids) if not i)
    return counts


class Census:
    """The topics of some messages.

    Args:
        counts: messages by topic.
    """

    __slots__ = ("_sums", "_topics")

    def __init__(self, counts: Mapping[bytes, int]) -> None:
        self._topics = sorted(counts)
        self._sums = [0, *accumulate(counts[topic] for topic in self._topics)]

    def count(self, key: Collection[bytes]) -> int:
        """Messages that begin with one of these prefixes, none of which implies another."""
        if len(key) > len(self._topics):  # then it costs less to go through the topics
            return self._count_topics(sorted(key))
        total = 0
        for prefix in key:
            size = len(prefix)
            low = bisect_left(self._topics, prefix)
            high = bisect_right(self._topics, prefix, low, key=lambda topic: topic[:size])
            total += self._sums[high] - self._sums[low]
        return total

    def _count_topics(self, key: list[bytes]) -> int:
        total = 0
        for index, topic in enumerate(self._topics):
            # Of prefixes that do not imply one another, only the last one up to it can be its own.
            place = bisect_right(key, topic)
            if place and topic.startswith(key[place - 1]):
                total += self._sums[index + 1] - self._sums[index]
        return total


class Censuses:
    """Counts ranges and remembers their pieces: what is committed never changes.

    Args:
        look: messages by topic, from one sequence up to, not including, another.
        size: messages of a piece.
        kept: pieces that are remembered.
    """

    def __init__(
        self, look: Callable[[int, int], Mapping[bytes, int]], size: int, kept: int
    ) -> None:
        self._look = look
        self._size = size
        self._kept = kept
        self._pieces: dict[tuple[int, int], Census] = {}

    def count(self, key: Collection[bytes], first: int, stop: int) -> int:
        """How many messages from `first` up to, not including, `stop` begin with these prefixes."""
        total = 0
        while first < stop:
            end = min(stop, first - first % self._size + self._size)
            total += self._piece(first, end).count(key)
            first = end
        return total

    def _piece(self, first: int, stop: int) -> Census:
        piece = self._pieces.get((first, stop))
        if piece is None:
            piece = Census(self._look(first, stop))
            if len(self._pieces) >= self._kept:
                del self._pieces[next(iter(self._pieces))]
            self._pieces[first, stop] = piece
        return piece
