"""Which subscriptions have changed lately, so that it can be told who wanted what when. Pure.

What a lost worker owed is counted from its last checkpoint on, a fraction of a second ago. Who has
changed its subscriptions since then wanted something else for a part of that. So the last changes
are kept; who changes more than that in so short a time is counted by what it wants now, and that is
said.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

CHANGES_MAX = 16_384  # changes and their prefixes, of all subscribers; ten storms of a second
CHANGED_BYTES_MAX = 1 << 20  # of those prefixes


class Change(NamedTuple):
    """One subscriber wants more from this message on, or less."""

    subscriber: int
    sequence: int
    added: frozenset[bytes]  # that it did not want before
    cancelled: frozenset[bytes]  # that it did


class _Kept(NamedTuple):
    """A change as it is kept: made in no time, for a long list is many of them."""

    subscriber: int
    sequence: int
    added: tuple[bytes, ...]
    cancelled: tuple[bytes, ...]
    items: int
    size: int  # bytes of its prefixes


class Changes:
    """The last changes of all subscribers; the coordinator's thread.

    Its mutable state: the changes in their order, and for each subscriber which are its own, and
    the message of its newest one that is not kept any more.
    """

    def __init__(self) -> None:
        self._all: deque[_Kept] = deque()
        self._items = 0
        self._bytes = 0
        self._of: dict[int, deque[_Kept]] = {}
        self._dropped: dict[int, int] = {}

    def add(
        self, subscriber: int, sequence: int, added: Iterable[bytes], cancelled: Iterable[bytes]
    ) -> None:
        """A change that holds from message `sequence` on: only what is new in it, in both ways."""
        more, less = tuple(added), tuple(cancelled)
        size = sum(map(len, more)) + sum(map(len, less))
        change = _Kept(subscriber, sequence, more, less, 1 + len(more) + len(less), size)
        self._all.append(change)
        self._of.setdefault(subscriber, deque()).append(change)
        self._count(change, 1)
        while self._items > CHANGES_MAX or self._bytes > CHANGED_BYTES_MAX:
            oldest = self._all.popleft()
            self._count(oldest, -1)
            mine = self._of.get(oldest.subscriber)
            if mine and mine[0] is oldest:  # else it was forgotten
                mine.popleft()
                self._dropped[oldest.subscriber] = oldest.sequence
                if not mine:
                    del self._of[oldest.subscriber]

    def of(self, subscriber: int) -> tuple[Change, ...]:
        """Its changes that are kept, the newest first."""
        return tuple(
            Change(subscriber, kept.sequence, frozenset(kept.added), frozenset(kept.cancelled))
            for kept in reversed(self._of.get(subscriber, ()))
        )

    def are_known(self, subscriber: int, first: int) -> bool:
        """Whether all its changes after message `first` are kept."""
        return self._dropped.get(subscriber, 0) <= first

    def forget(self, subscriber: int) -> None:
        """The subscriber is gone."""
        self._of.pop(subscriber, None)
        self._dropped.pop(subscriber, None)

    def _count(self, change: _Kept, sign: int) -> None:
        self._items += sign * change.items
        self._bytes += sign * change.size
