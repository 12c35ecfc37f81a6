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


class Changes:
    """The last changes of all subscribers; the coordinator's thread.

    Its mutable state: the changes in their order, and for each subscriber which are its own, and
    the message of its newest one that is not kept any more.
    """

    def __init__(self) -> None:
        self._all: deque[Change] = deque()
        self._items = 0
        self._bytes = 0
        self._of: dict[int, deque[Change]] = {}
        self._dropped: dict[int, int] = {}

    def add(
        self, subscriber: int, sequence: int, added: Iterable[bytes], cancelled: Iterable[bytes]
    ) -> None:
        """A change that holds from message `sequence` on: only what is new in it, in both ways."""
        change = Change(subscriber, sequence, frozenset(added), frozenset(cancelled))
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
        return tuple(reversed(self._of.get(subscriber, ())))

    def are_known(self, subscriber: int, first: int) -> bool:
        """Whether all its changes after message `first` are kept."""
        return self._dropped.get(subscriber, 0) <= first

    def forget(self, subscriber: int) -> None:
        """The subscriber is gone."""
        self._of.pop(subscriber, None)
        self._dropped.pop(subscriber, None)

    def _count(self, change: Change, sign: int) -> None:
        self._items += sign * (1 + len(change.added) + len(change.cancelled))
        self._bytes += sign * sum(map(len, (*change.added, *change.cancelled)))
