"""When sealed members are served: after all others, for as long as those have had. Pure.

What one of them takes costs as much as fifty others. So who is plain goes first in each turn, also
who is behind and goes on by himself; then come the sealed ones. As long as there is something new
for others, they have what they are *owed*: as much time as all the rest has taken since. What they
had beyond that is taken from it, so who is plain does not wait for them at all unless he needs more
than his half. It is looked for news after each member, and within what one is sealed after each
send: a new message waits for one of those, some 0.3 ms.

While there is nothing new they go on, for some two milliseconds more: others may have room again.
Where nobody else is there, they have a whole part of a turn.
"""

from __future__ import annotations

from itertools import chain, filterfalse, islice
from typing import TYPE_CHECKING

from fanout.workers.stream.members import position_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from fanout.workers.stream.member import Member
    from fanout.workers.stream.turn_part import TurnPart


def is_sealed(member: Member) -> bool:
    """Whether what it is sent is sealed for it alone."""
    return member.sealed is not None


def plain_of(runnable: Iterable[Member]) -> dict[Member, None]:
    """Those of these who are not sealed, in the same order."""
    return dict.fromkeys(filterfalse(is_sealed, runnable))


class SealedTurns:
    """Serves sealed members, once in each turn.

    Its mutable state: when their last turn was over, by the clock of the parts, how many bytes all
    members together had been sent by then, what they are owed, and when the turn at hand is over.

    Args:
        part: of a turn; its time is what bounds this if nobody else is there.
        least_ns: that they have if somebody is, and there is nothing new.
        most_ns: that they may be owed, or have had too much.
        has_news: whether somebody waits for the next turn because of something new.
    """

    def __init__(
        self, part: TurnPart, least_ns: int, most_ns: int, has_news: Callable[[], bool]
    ) -> None:
        self._part = part
        self._least_ns = least_ns
        self._most_ns = most_ns
        self._has_news = has_news
        self._ended = 0
        self._sent = 0
        self._owed = 0
        self._is_under_way = self._are_others = False
        self._enough = self._latest = 0

    def serve(
        self,
        runnable: dict[Member, None],
        steady: Collection[Member],
        limit: int,
        serve: Callable[[Member], None],
        sent: Callable[[], int],
        *,
        are_ready: bool,
    ) -> None:
        """Continue with those of these who are sealed, until the time is over; at least with one.

        Those who are steady go first; among these, who is furthest behind: so they come to where
        others are, and are sealed what was cut for these.

        Args:
            runnable: whose sockets have room; who is served is taken out, and may be put back.
            sent: bytes, to all members. If these are more than after the last turn, there are
                others: for sealed ones are sent nothing elsewhere.
            are_ready: whether some members are to be sent what is new as soon as it is there.
        """
        part = self._part
        part.begin()
        began = part.in_time(0)
        self._owed = self._within(self._owed + began - self._ended)
        self._is_under_way, self._are_others = True, are_ready or sent() != self._sent
        self._enough = began + self._owed
        self._latest = max(self._enough, began + self._least_ns)
        sealed = sorted(filter(is_sealed, runnable), key=position_of)
        first = filter(steady.__contains__, sealed)
        for member in islice(chain(first, filterfalse(steady.__contains__, sealed)), limit):
            del runnable[member]
            serve(member)
            if self.is_over():
                break
        self._is_under_way = False
        self._ended, self._sent = part.in_time(0), sent()
        self._owed = self._within(self._owed + began - self._ended)

    def leave_out(self, began: int) -> None:
        """What was done since then counts for nobody: sealed ones were judged, among others.

        Args:
            began: when, by the clock of the parts.
        """
        self._ended += self._part.in_time(0) - began

    def is_over(self) -> bool:
        """Whether those who are served in this turn have had their time; not between turns."""
        if not self._is_under_way:
            return False
        if not self._are_others:
            return self._part.is_over()
        return self._part.is_past(self._enough if self._has_news() else self._latest)

    def _within(self, owed: int) -> int:
        return max(-self._most_ns, min(owed, self._most_ns))
