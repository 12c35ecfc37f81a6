"""Stretches: messages of the log, sorted by topic once, to count what somebody wants of them. Pure.

Many members lose messages of the same stretches of the log, or are looked at for how much of them
waits. Which part of a stretch it is differs from member to member; so its messages are sorted once,
with their places and sizes, and everybody adds up his share of any part of it.
"""

from __future__ import annotations

from array import array
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from fanout.shm.census import NOTHING, Amount, runs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from fanout.shm.reader import LogReader


class Stretch:
    """Messages `first` up to, not including, `stop`.

    Args:
        names: their topics.
        sizes: their bytes.
    """

    __slots__ = ("_names", "_order", "_sizes", "_sums", "first", "stop")

    def __init__(self, first: int, names: Sequence[bytes], sizes: Sequence[int]) -> None:
        self.first = first
        self.stop = first + len(names)
        order = sorted(range(len(names)), key=names.__getitem__)
        self._order = array("I", order)
        self._names = [names[index] for index in order]
        self._sizes = array("Q", sizes)
        self._sums = array("Q", accumulate([sizes[index] for index in order], initial=0))

    def count(self, key: Collection[bytes], first: int, stop: int) -> Amount:
        """What there is, of the messages between these, on topics that begin with such a prefix.

        Args:
            key: prefixes, none of which implies another.
        """
        if first > self.first or stop < self.stop:
            found = self.picks(key, first, stop)
            low = self.first
            return Amount(len(found), sum([self._sizes[one - low] for one in found]))
        messages = size = 0
        for low, high in runs(self._names, key):
            messages += high - low
            size += self._sums[high] - self._sums[low]
        return Amount(messages, size)

    def picks(self, key: Collection[bytes], first: int, stop: int) -> list[int]:
        """Which messages these are, in no order."""
        base = self.first
        low, high = first - base, stop - base
        order = self._order
        return [
            base + index
            for start, end in runs(self._names, key)
            for index in order[start:end]
            if low <= index < high
        ]

    def size_of(self, sequence: int) -> int:
        """Bytes of a message."""
        return self._sizes[sequence - self.first]


class Stretches:
    """The stretches that were asked for lately; they begin at multiples of their length.

    Args:
        name_of: the topic of an id; of id 0, that of the message with this sequence.
        length: messages of a stretch.
        kept: stretches that are remembered.
    """

    def __init__(
        self, log: LogReader, name_of: Callable[[int, int], bytes], length: int, kept: int
    ) -> None:
        self._log = log
        self._name_of = name_of
        self._kept = kept
        self._stretches: dict[int, Stretch] = {}
        self.length = length

    def count(self, key: Collection[bytes], first: int, stop: int, tail: int) -> Amount:
        """What there is from message `first` up to, not including, `stop`; see `Stretch.count`.

        Args:
            tail: all below it may be overwritten.
        """
        messages = size = 0
        for stretch, low, high in self._between(first, stop, tail):
            found = stretch.count(key, low, high)
            messages += found.messages
            size += found.bytes
        return Amount(messages, size) if messages else NOTHING

    def picks(
        self, key: Collection[bytes], first: int, stop: int, tail: int
    ) -> list[tuple[int, int]]:
        """Which messages these are, and their sizes; in the order of the log."""
        found = []
        for stretch, low, high in self._between(first, stop, tail):
            size_of = stretch.size_of
            found += [(one, size_of(one)) for one in sorted(stretch.picks(key, low, high))]
        return found

    def _between(self, first: int, stop: int, tail: int) -> Iterable[tuple[Stretch, int, int]]:
        while first < stop:
            begin = first - first % self.length
            end = min(stop, begin + self.length)
            yield self._at(begin, first, end, tail), first, end
            first = end

    def _at(self, begin: int, first: int, stop: int, tail: int) -> Stretch:
        stretch = self._stretches.get(begin)
        if stretch is None or first < stretch.first or stop > stretch.stop:
            low, high = max(begin, tail), min(begin + self.length, self._log.head())
            stretch = self._sort(min(low, first), max(high, stop))
            self._stretches.pop(begin, None)  # insert it last
            if len(self._stretches) >= self._kept:
                del self._stretches[next(iter(self._stretches))]
            self._stretches[begin] = stretch
        return stretch

    def _sort(self, first: int, stop: int) -> Stretch:
        sizes = [end - start for start, end in pairwise(self._log.boundaries(first, stop))]
        known: dict[int, bytes] = {}
        names = []
        for sequence, topic_id in enumerate(self._log.topic_ids(first, stop), first):
            name = known.get(topic_id) if topic_id else None
            if name is None:
                name = known[topic_id] = self._name_of(topic_id, sequence)
            names.append(name)
        return Stretch(first, names, sizes)
