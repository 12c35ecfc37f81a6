"""What a subscriber wants, from when up to when, and by what it was sent what there was before.

Of a topic it is sent that once for each time in which it wants it without a break, whatever it
subscribes to and cancels meanwhile: by what it had subscribed to when that time began.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tests.simulation.shown.due import Due

FOREVER = 1 << 62


@dataclass
class Time:
    """In which one topic is wanted.

    Args:
        number: of what was due when it began.
        begin, end: from which message up to which one.
        over: when it had ended, by the clock of the feed.
    """

    number: int
    begin: int
    end: int = FOREVER
    over: int = FOREVER


@dataclass
class _Change:
    """Of what it wants; in the order in which they happened.

    Args:
        number: of what was due by it.
        at: the message from which on it is.
        time: by the clock of the feed; FOREVER = not yet.
    """

    number: int
    at: int
    added: Collection[bytes]
    cancelled: Collection[bytes]
    time: int = FOREVER


class Wanting:
    """That of one subscriber.

    Attributes:
        wants: prefixes, as they are now.
        dues: what was due by each of its subscriptions.
        added: the prefixes of each of these.
    """

    def __init__(self) -> None:
        self.wants: set[bytes] = set()
        self.dues: list[Due] = []
        self.added: list[Sequence[bytes]] = []
        self._before: list[tuple[bytes, ...]] = []  # what it wanted before each of these
        self._changes: list[_Change] = []
        self._known: dict[bytes, list[Time]] = {}

    def change(
        self, at: int, added: Sequence[bytes], cancelled: Sequence[bytes], due: Due | None
    ) -> None:
        """From this message on it wants this as well, and that no more.

        Args:
            due: what is due by what is new.
        """
        self._known.clear()
        self._changes.append(_Change(len(self.dues), at, added, cancelled))
        self.wants.difference_update(cancelled)
        if due is not None:
            self.dues.append(due)
            self.added.append(added)
            self._before.append((*self.wants,))
            self.wants.update(added)

    def go_back(self, at: int) -> None:
        """What it has subscribed to first it gets from this message on, which was before."""
        self._known.clear()
        self._changes[0].at = at

    def obey(self, time: int) -> None:
        """All that it has said is in force now."""
        self._known.clear()
        for change in self._changes:
            change.time = min(change.time, time)

    def times_of(self, topic: bytes) -> list[Time]:
        """Those in which it wants a topic."""
        found = self._known.get(topic)
        if found is None:
            found = self._known[topic] = self._find(topic)
        return found

    def is_wanted(self, topic: bytes, sequence: int) -> bool:
        """Whether it is to get this message of a topic by itself."""
        return any(one.begin <= sequence < one.end for one in self.times_of(topic))

    def is_of(self, topic: bytes, number: int) -> bool:
        """Whether what there was of a topic is sent by what was due then."""
        return any(one.number == number for one in self.times_of(topic))

    def until(self, topic: bytes, number: int) -> int:
        """When it did not want it any more, of what was due then; by the clock of the feed."""
        return max(one.over for one in self.times_of(topic) if one.number == number)

    def is_covered(self, number: int) -> bool:
        """Whether nothing was new by what was due then."""
        return all(one.startswith(self._before[number]) for one in self.added[number])

    def _find(self, topic: bytes) -> list[Time]:
        found: list[Time] = []
        by: set[bytes] = set()
        for change in self._changes:
            had_some = bool(by)
            by.difference_update(change.cancelled)
            if had_some and not by:
                found[-1].end, found[-1].over = change.at, change.time
            matching = [one for one in change.added if topic.startswith(one)]
            if matching and not by:
                found.append(Time(change.number, change.at))
            by.update(matching)
        return found
