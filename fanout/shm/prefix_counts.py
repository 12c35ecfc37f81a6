"""Counts by prefix: a `PrefixTable` of numbers, to which lists are added as a whole. Pure.

In a storm thousands come with a hundred prefixes each, most of which are there. What each prefix
takes then is to find it, and a new number in the place of the old one.
"""

from __future__ import annotations

from collections import Counter, deque
from itertools import compress, repeat
from operator import add, not_, sub
from typing import TYPE_CHECKING

from fanout.shm.prefix_table import SHORT_MAX, PrefixTable

if TYPE_CHECKING:
    from collections.abc import Collection


class PrefixCounts(PrefixTable[int]):
    """Numbers by prefix; what has come to 0 is not there.

    One thread changes it, as with `PrefixTable`.
    """

    __slots__ = ()

    def add(self, prefixes: Collection[bytes], number: int) -> list[int]:
        """Add a number to that of each of these; returns what these were before, in any order.

        Args:
            prefixes: each once.
            number: above 0.
        """
        before: list[int] = []
        if max(map(len, prefixes), default=0) > SHORT_MAX:
            for prefix in prefixes:
                if len(prefix) > SHORT_MAX:
                    there = self.get(prefix) or 0
                    before.append(there)
                    self.put(prefix, there + number)
            prefixes = [prefix for prefix in prefixes if len(prefix) <= SHORT_MAX]
        short = self._root.short
        found = list(map(short.get, prefixes, repeat(0)))
        new = found.count(0)
        fresh: Collection[bytes] = prefixes
        if new == len(found):
            short.update(dict.fromkeys(prefixes, number))  # one number for all of them
        else:
            short.update(zip(prefixes, map(add, found, repeat(number)), strict=True))
            fresh = list(compress(prefixes, map(not_, found)))
        if new:
            self._size += new
            self._root.count(Counter(map(len, fresh)), 1)
        return before + found if before else found

    def subtract(self, prefixes: Collection[bytes], number: int) -> list[int]:
        """Take a number off that of each of these; returns what is left of these, in any order.

        Args:
            prefixes: each once; all are there, and none has less than that.
        """
        rests: list[int] = []
        if max(map(len, prefixes), default=0) > SHORT_MAX:
            for prefix in prefixes:
                if len(prefix) > SHORT_MAX:
                    rest = (self.get(prefix) or 0) - number
                    rests.append(rest)
                    if rest:
                        self.put(prefix, rest)
                    else:
                        self.remove(prefix)
            prefixes = [prefix for prefix in prefixes if len(prefix) <= SHORT_MAX]
        short = self._root.short
        left = list(map(sub, map(short.__getitem__, prefixes), repeat(number)))
        gone = left.count(0)
        over: Collection[bytes] = prefixes
        if gone < len(left):
            short.update(zip(prefixes, left, strict=True))
            over = list(compress(prefixes, map(not_, left)))
        if gone:
            deque(map(short.__delitem__, over), maxlen=0)
            self._size -= gone
            self._root.count(Counter(map(len, over)), -1)
        return rests + left if rests else left
