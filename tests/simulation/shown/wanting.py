"""What a subscriber wants, from when up to when, and by what it was sent what there was before.

Of a topic it is sent that once for each time in which it wants it without a break, whatever it
subscribes to and cancels meanwhile: by what it had subscribed to when that time began. What it says
counts in that order, also where its worker reads it at once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        is_wanted: whether it wants that prefix then.
        time: by the clock of the feed; FOREVER = not yet.
    """

    number: int
    at: int
    prefix: bytes
    is_wanted: bool
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
        self._covered: list[bool] = []  # whether nothing was new by each of these
        self._said: deque[tuple[bytes, bool]] = deque()  # and not reported yet
        self._changes: list[_Change] = []
        self._known: dict[bytes, list[Time]] = {}

    def say(self, prefix: bytes, *, is_wanted: bool) -> None:
        """It has said that it wants this from now on, or does not any more."""
        self._said.append((prefix, is_wanted))

    def change(
        self, at: int, added: Sequence[bytes], cancelled: Sequence[bytes], due: Due | None
    ) -> None:
        """From this message on it wants this as well, and that no more.

        Args:
            due: what is due by what is new.
        """
        self._known.clear()
        left = {**dict.fromkeys(cancelled, False), **dict.fromkeys(added, True)}
        number, is_covered = len(self.dues), True
        while left:
            require(bool(self._said), f"nobody has said that it wants this, or not: {left}")
            prefix, is_wanted = self._said.popleft()
            if left.get(prefix) != is_wanted:
                continue  # that was so
            del left[prefix]
            self._changes.append(_Change(number, at, prefix, is_wanted))
            if is_wanted:
                is_covered = is_covered and prefix.startswith((*self.wants,))
                self.wants.add(prefix)
            else:
                self.wants.remove(prefix)
        if due is not None:
            self.dues.append(due)
            self.added.append(added)
            self._covered.append(is_covered)

    def go_back(self, at: int) -> None:
        """What it has subscribed to first it gets from this message on, which was before."""
        self._known.clear()
        for change in self._changes:
            if not change.number:
                change.at = at

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
        return self._covered[number]

    def _find(self, topic: bytes) -> list[Time]:
        found: list[Time] = []
        by: set[bytes] = set()
        for change in self._changes:
            if not topic.startswith(change.prefix):
                continue
            if change.is_wanted and not by:
                found.append(Time(change.number, change.at))
            (by.add if change.is_wanted else by.remove)(change.prefix)
            if not by:
                found[-1].end, found[-1].over = change.at, change.time
        return found
