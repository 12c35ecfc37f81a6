"""How many messages and bytes of a range of the log have which topic. Pure.

Many members that jump lose much the same messages, and each must know how many of them it wanted.
So the log is counted once, in pieces between fixed sequences, and every cohort adds up its share:
with the topics of a piece sorted, those that begin with a prefix stand together.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Set
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

EVERYTHING = frozenset((b"",))


class Amount(NamedTuple):
    """So many messages, and their bytes as they lie in the log."""

    messages: int
    bytes: int

    def plus(self, other: Amount) -> Amount:
        """Both together; `+` would put one tuple behind the other."""
        return Amount(self.messages + other.messages, self.bytes + other.bytes)


NOTHING = Amount(0, 0)


class Tally:
    """Messages and bytes by topic.

    Attributes:
        messages, bytes: of each topic; the same topics in both.
    """

    __slots__ = ("bytes", "messages")

    def __init__(self) -> None:
        self.messages: Counter[bytes] = Counter()
        self.bytes: Counter[bytes] = Counter()

    def __len__(self) -> int:
        return len(self.messages)

    def add(self, topic: bytes, messages: int, size: int) -> None:
        """So much more on this topic."""
        self.messages[topic] += messages
        self.bytes[topic] += size

    def update(self, other: Tally) -> None:
        """All that another one has, too."""
        self.messages.update(other.messages)
        self.bytes.update(other.bytes)


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


def runs(names: Sequence[bytes], key: Collection[bytes]) -> Iterator[tuple[int, int]]:
    """Where those stand together that begin with a prefix: from one place up to another.

    Args:
        names: sorted.
        key: prefixes, none of which implies another.
    """
    if len(key) > len(names):  # then it costs less to go through the names
        lengths = set(map(len, key))
        if isinstance(key, Set) and len(names) * len(lengths) < len(key):
            yield from _runs_by_length(names, key, lengths)
        else:
            yield from _runs_of_names(names, sorted(key))
        return
    for prefix in key:
        low = bisect_left(names, prefix)
        if low < len(names) and names[low].startswith(prefix):
            yield low, _end_of(prefix, names, low)


def _runs_of_names(names: Sequence[bytes], key: list[bytes]) -> Iterator[tuple[int, int]]:
    for index, name in enumerate(names):
        # Of prefixes that do not imply one another, only the last one up to it can be its own.
        place = bisect_right(key, name)
        if place and name.startswith(key[place - 1]):
            yield index, index + 1


def _runs_by_length(
    names: Sequence[bytes], key: Set[bytes], lengths: Collection[int]
) -> Iterator[tuple[int, int]]:
    """The same if the key is very long: to put it in order would take longest of all."""
    for index, name in enumerate(names):
        if any(name[:length] in key for length in lengths):
            yield index, index + 1


def _end_of(prefix: bytes, names: Sequence[bytes], low: int) -> int:
    """Where those end that begin with it, which begin at `low`."""
    kept = prefix.rstrip(b"\xff")
    if not kept:  # nothing comes behind them
        return len(names)
    return bisect_left(names, kept[:-1] + bytes((kept[-1] + 1,)), low)


def count_topics(
    ids: Sequence[int], sizes: Sequence[int], first: int, name_of: Callable[[int, int], bytes]
) -> Tally:
    """What there is on each topic, of the messages from `first` on.

    Args:
        ids: the topic id of each of them, 0 = not interned.
        sizes: bytes of each of them.
        name_of: the topic of an id, or of a message if it has none: called with both.
    """
    seen_at = dict(zip(ids, range(first, first + len(ids)), strict=True))
    size_of = dict.fromkeys(seen_at, 0)
    for topic_id, size in zip(ids, sizes, strict=True):
        size_of[topic_id] += size
    tally = Tally()
    for topic_id, number in Counter(ids).items():
        if topic_id:
            tally.add(name_of(topic_id, seen_at[topic_id]), number, size_of[topic_id])
    if 0 in seen_at:
        for index, topic_id in enumerate(ids):
            if not topic_id:
                tally.add(name_of(0, first + index), 1, sizes[index])
    return tally


class Census:
    """The topics of some messages.

    Args:
        tally: what there is on each.
    """

    __slots__ = ("_sizes", "_sums", "_topics")

    def __init__(self, tally: Tally) -> None:
        self._topics = sorted(tally.messages)
        self._sums = [0, *accumulate(map(tally.messages.__getitem__, self._topics))]
        self._sizes = [0, *accumulate(map(tally.bytes.__getitem__, self._topics))]

    def count(self, key: Collection[bytes]) -> Amount:
        """What begins with one of these prefixes, none of which implies another."""
        messages = size_sum = 0
        for low, high in runs(self._topics, key):
            messages += self._sums[high] - self._sums[low]
            size_sum += self._sizes[high] - self._sizes[low]
        return Amount(messages, size_sum)


class Censuses:
    """Counts ranges and remembers their pieces: what is committed never changes.

    Args:
        look: what there is by topic, from one sequence up to, not including, another.
        size: messages of a piece.
        kept: pieces that are remembered.
    """

    def __init__(self, look: Callable[[int, int], Tally], size: int, kept: int) -> None:
        self._look = look
        self._size = size
        self._kept = kept
        self._pieces: dict[tuple[int, int], Census] = {}

    def count(self, key: Collection[bytes], first: int, stop: int) -> Amount:
        """What from message `first` up to, not including, `stop` begins with these prefixes."""
        messages = size_sum = 0
        while first < stop:
            end = min(stop, first - first % self._size + self._size)
            found = self._piece(first, end).count(key)
            messages += found.messages
            size_sum += found.bytes
            first = end
        return Amount(messages, size_sum)

    def _piece(self, first: int, stop: int) -> Census:
        piece = self._pieces.get((first, stop))
        if piece is None:
            piece = Census(self._look(first, stop))
            if len(self._pieces) >= self._kept:
                del self._pieces[next(iter(self._pieces))]
            self._pieces[first, stop] = piece
        return piece
