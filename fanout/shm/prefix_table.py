"""A table by prefix: which of the prefixes in it does a topic begin with? Pure.

Who asks is the publisher on its send path, and a worker for each message whose topic it does not
remember; whose prefixes these are, strangers decide. So the cost must follow the topic and what it
matches, not what is in the table, and a stranger that comes with thousands of long prefixes, each
a little longer than the last, must cost about as much as their bytes:

- Prefixes of up to `SHORT_MAX` bytes, nearly all there are, stand in a dict, which is asked once
  for each length that occurs: never more than `SHORT_MAX` + 1, nor more than the topic has.
- Longer ones stand on a *level* further down, found by the bytes before: one look-up for all of
  them. There it is the same again, for more bytes at once. A level is for two or more prefixes that
  share all bytes before; one alone needs none, however long it is.

Putting and removing take a few look-ups, and never rebuild anything.

One thread changes it; others may ask meanwhile. Their answers are then from before or after, for
each prefix: what they read is replaced, or changed in one step.
"""

from __future__ import annotations

from collections import Counter, deque
from itertools import compress, repeat
from operator import is_not, not_
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

V = TypeVar("V")

SHORT_MAX = 32  # bytes; so many look-ups in a dict cost about as much as one more level
STEP_MAX = 256  # bytes of the longest level: each is twice as long as the one above, up to that
FEW = 8  # up to so many are put or removed one by one: less than what it takes to begin with many
LONG_EACH = 64  # bytes of a prefix that cost about as much as one short prefix more


def weight(prefixes: Collection[bytes]) -> int:
    """To put or remove these takes about as long as so many short ones."""
    if max(map(len, prefixes), default=0) < LONG_EACH:  # nearly always, and much faster
        return len(prefixes)
    return len(prefixes) + sum([len(prefix) // LONG_EACH for prefix in prefixes])


def cut_off(prefixes: list[bytes], most: int) -> list[bytes]:
    """Cut so many off the end of a list as take about as long as `most` short ones."""
    some = prefixes[-most:]
    each = weight(some) // max(1, len(some))
    some = some[-max(1, most // max(1, each)) :]
    del prefixes[len(prefixes) - len(some) :]
    return some


class _Level(Generic[V]):
    """Prefixes that share all bytes before; here they are known by what follows.

    Attributes:
        short: by all that follows, where that is not longer than the level.
        counts: how many of these there are of each length.
        lengths: the keys of `counts`, ascending; replaced, never changed.
        deeper: by as many bytes as the level is long, those that are longer: one alone, with the
            rest of it and its value, or the next level.
    """

    __slots__ = ("counts", "deeper", "lengths", "short")

    def __init__(self) -> None:
        self.short: dict[bytes, V] = {}
        self.counts: dict[int, int] = {}
        self.lengths: tuple[int, ...] = ()
        self.deeper: dict[bytes, Below[V]] = {}

    def put(self, rest: bytes, value: V) -> bool:
        """Whether it was not there before."""
        is_new = rest not in self.short
        if is_new:
            size = len(rest)
            count = self.counts.get(size, 0)
            self.counts[size] = count + 1
            if not count:
                self.lengths = tuple(sorted(self.counts))
        self.short[rest] = value
        return is_new

    def remove(self, rest: bytes) -> None:
        """Raises KeyError if it is not there, and changes nothing."""
        del self.short[rest]
        size = len(rest)
        self.counts[size] -= 1
        if not self.counts[size]:
            del self.counts[size]
            self.lengths = tuple(sorted(self.counts))

    def count(self, sizes: Mapping[int, int], sign: int) -> None:
        """So many of each length were put into `short` (1), or taken out of it (-1)."""
        for size, number in sizes.items():
            count = self.counts.pop(size, 0) + sign * number
            if count:
                self.counts[size] = count
        if len(self.lengths) != len(self.counts) or sign > 0:
            self.lengths = tuple(sorted(self.counts))

    def alone(self) -> tuple[bytes, V] | None:
        """What follows and the value, if that is all there is of the level."""
        if len(self.short) + len(self.deeper) != 1:
            return None
        for alone in self.short.items():
            return alone
        for key, below in self.deeper.items():
            return (key + below[0], below[1]) if isinstance(below, tuple) else None
        return None


Below: TypeAlias = "tuple[bytes, V] | _Level[V]"


class FoundPrefixes(NamedTuple, Generic[V]):
    """Prefixes and their values, in the same order: two lists can be gone through at once."""

    prefixes: list[bytes]
    values: list[V]


class PrefixTable(Generic[V]):
    """Values by prefix; no value is None.

    Its mutable state: the first level, and all below it.
    """

    __slots__ = ("_root", "_size")

    def __init__(self) -> None:
        self._root: _Level[V] = _Level()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __contains__(self, prefix: bytes) -> bool:
        return self.get(prefix) is not None

    def get(self, prefix: bytes) -> V | None:
        """The value of exactly this prefix."""
        if len(prefix) <= SHORT_MAX:
            return self._root.short.get(prefix)
        level, at, step = self._root, 0, SHORT_MAX
        while len(prefix) - at > step:
            below = level.deeper.get(prefix[at : at + step])
            at += step
            if below is None:
                return None
            if isinstance(below, tuple):
                return below[1] if below[0] == prefix[at:] else None
            level = below
            step = min(2 * step, STEP_MAX)
        return level.short.get(prefix[at:])

    def put(self, prefix: bytes, value: V) -> None:
        """Set the value of a prefix."""
        level, at, step = self._root, 0, SHORT_MAX
        while len(prefix) - at > step:
            key = prefix[at : at + step]
            at += step
            step = min(2 * step, STEP_MAX)
            below = level.deeper.get(key)
            if isinstance(below, tuple) and below[0] != prefix[at:]:  # not alone any more
                deeper: _Level[V] = _Level()
                rest, other = below
                if len(rest) > step:
                    deeper.deeper[rest[:step]] = rest[step:], other
                else:
                    deeper.put(rest, other)
                level.deeper[key] = below = deeper
            if not isinstance(below, _Level):
                self._size += below is None
                level.deeper[key] = prefix[at:], value
                return
            level = below
        self._size += level.put(prefix[at:], value)

    def replace(self, prefix: bytes, value: V) -> None:
        """Set the value of a prefix that is there."""
        if len(prefix) <= SHORT_MAX:
            self._root.short[prefix] = value
        else:
            self.put(prefix, value)

    def replace_all(self, prefixes: Collection[bytes], value: V) -> None:
        """Set the value of prefixes that are there."""
        if max(map(len, prefixes), default=0) <= SHORT_MAX:
            self._root.short.update(dict.fromkeys(prefixes, value))
        else:
            for prefix in prefixes:
                self.replace(prefix, value)

    def remove(self, prefix: bytes) -> None:
        """Forget a prefix.

        Raises:
            KeyError: it is not there; nothing has changed.
        """
        if len(prefix) <= SHORT_MAX:
            self._root.remove(prefix)
            self._size -= 1
            return
        if self.get(prefix) is None:
            raise KeyError(prefix)
        self._size -= 1
        level, at, step = self._root, 0, SHORT_MAX
        path: list[tuple[_Level[V], bytes]] = []
        while len(prefix) - at > step:
            key = prefix[at : at + step]
            below = level.deeper[key]
            if isinstance(below, tuple):
                del level.deeper[key]
                break
            path.append((level, key))
            level = below
            at += step
            step = min(2 * step, STEP_MAX)
        else:
            level.remove(prefix[at:])
        for above, key in reversed(path):  # a level with one entry is folded into the one above
            alone = level.alone()
            if alone is None:
                return
            above.deeper[key] = alone
            level = above

    def put_new(self, prefixes: Collection[bytes], value: V) -> FoundPrefixes[V]:
        """Set the value of all of these that have none; returns those that have one.

        As `put()` for each, in a tenth of the time for short ones: long lists are what takes long.

        Args:
            prefixes: each once.
        """
        names: list[bytes] = []
        values: list[V] = []
        is_few = len(prefixes) <= FEW
        if is_few or max(map(len, prefixes)) > SHORT_MAX:
            for prefix in prefixes:
                if is_few or len(prefix) > SHORT_MAX:
                    there = self.get(prefix)
                    if there is None:
                        self.put(prefix, value)
                    else:
                        names.append(prefix)
                        values.append(there)
            if is_few:
                return FoundPrefixes(names, values)
            prefixes = [prefix for prefix in prefixes if len(prefix) <= SHORT_MAX]
        short = self._root.short
        prefixes = list(prefixes)
        found = list(map(short.get, prefixes))
        are_there = list(map(is_not, found, repeat(None)))
        if True in are_there:
            names += compress(prefixes, are_there)
            values += [one for one in found if one is not None]
            prefixes = list(compress(prefixes, map(not_, are_there)))
        if prefixes:
            short.update(dict.fromkeys(prefixes, value))  # one step: no other thread sees a part
            self._size += len(prefixes)
            self._root.count(Counter(map(len, prefixes)), 1)
        return FoundPrefixes(names, values)

    def remove_own(self, prefixes: Collection[bytes], value: V) -> FoundPrefixes[V]:
        """Forget all of these that have this very value; returns those that have another one.

        Args:
            prefixes: each once.
        """
        names: list[bytes] = []
        values: list[V] = []
        is_few = len(prefixes) <= FEW
        if is_few or max(map(len, prefixes)) > SHORT_MAX:
            for prefix in prefixes:
                if is_few or len(prefix) > SHORT_MAX:
                    there = self.get(prefix)
                    if there == value:
                        self.remove(prefix)
                    elif there is not None:
                        names.append(prefix)
                        values.append(there)
            if is_few:
                return FoundPrefixes(names, values)
            prefixes = [prefix for prefix in prefixes if len(prefix) <= SHORT_MAX]
        short = self._root.short
        found = list(map(short.get, prefixes))
        if found.count(value) < len(found):
            own: list[bytes] = []
            for prefix, there in zip(prefixes, found, strict=True):
                if there == value:
                    own.append(prefix)
                elif there is not None:
                    names.append(prefix)
                    values.append(there)
            prefixes = own
        if prefixes:
            deque(map(short.__delitem__, prefixes), maxlen=0)
            self._size -= len(prefixes)
            self._root.count(Counter(map(len, prefixes)), -1)
        return FoundPrefixes(names, values)

    def matching(self, topic: bytes) -> list[V]:
        """The values of all prefixes that this topic begins with, the shortest first."""
        found: list[V] = []
        root = self._root
        size = len(topic)
        get = root.short.get
        for length in root.lengths:
            if length > size:
                return found
            value = get(topic[:length])
            if value is not None:
                found.append(value)
        if size > SHORT_MAX and root.deeper:
            found += self._matching_below(topic)
        return found

    def _matching_below(self, topic: bytes) -> Iterator[V]:
        level, at, step, size = self._root, 0, SHORT_MAX, len(topic)
        while size - at > step:
            below = level.deeper.get(topic[at : at + step])
            if below is None:
                return
            at += step
            step = min(2 * step, STEP_MAX)
            if isinstance(below, tuple):
                if topic.startswith(below[0], at):
                    yield below[1]
                return
            level = below
            for length in level.lengths:
                if length > size - at:
                    return
                value = level.short.get(topic[at : at + length])
                if value is not None:
                    yield value
