"""Who has ended: read as they come, kept as long as the publisher keeps them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from fanout.cli.top.figures import EndFigures
from fanout.cli.top.ordering import matches
from fanout.observe.rows import closed_of

if TYPE_CHECKING:
    from fanout.observe.reader import Reader


class Ends:
    """The last ends of subscribers of one publisher.

    To read all that there may be takes half a second, so each is read once.

    Its mutable state: those that were read, the oldest first.

    Attributes:
        last: the number of the newest; 0 = none was read.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._kept: deque[EndFigures] = deque(maxlen=reader.ends_kept)
        self.last = 0

    def look(self, now: int, clock: float) -> None:
        """Read those that are new.

        Args:
            now: monotonic ns.
            clock: s since 1970, at the same instant.

        Raises:
            ClosedError: the publisher has ended; nothing has changed.
        """
        for number, end in self._reader.closed(self.last):
            self._kept.append(EndFigures(number, closed_of(end, now, clock)))
            self.last = number

    def newest(self, text: str = "", after: int = 0) -> list[EndFigures]:
        """Those that a filter lets through, and whose number is above `after`; the newest first."""
        found = []
        for one in reversed(self._kept):
            if one.number <= after:
                break
            if not text.strip() or matches(text, _texts(one)):
                found.append(one)
        return found

    def of(self, subscriber: int) -> EndFigures | None:
        """The end of this one, if it is kept."""
        found = (one for one in reversed(self._kept) if one.statistics.id == subscriber)
        return next(found, None)


def _texts(it: EndFigures) -> tuple[str, ...]:
    """What somebody may look for."""
    one = it.statistics
    who = str(one.id), one.name, one.user, one.peer
    return *who, one.cause.label, one.reason, one.policy.action
