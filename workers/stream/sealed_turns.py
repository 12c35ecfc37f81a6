"""When sealed members are served: after all others, for as long as those have had. Pure.

What one of them takes costs as much as fifty others. So who is plain goes first in each turn, also
who is behind and goes on by himself; then come the sealed ones, and have as much time as all the
rest has taken since they had theirs, or less: a socket is filled once in a turn, so who reads fast
has the more the shorter turns are. Where there is little for the others, these wait for some two
milliseconds at most. Where nobody else is sent anything, sealed ones have a whole part of a turn.
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

    Its mutable state: when their last turn was over, by the clock of the parts, and how many bytes
    all members together had been sent by then.

    Args:
        part: of a turn; its time is what bounds this if nobody else is sent anything.
        least_ns, most_ns: that they have if somebody does.
    """

    def __init__(self, part: TurnPart, least_ns: int, most_ns: int) -> None:
        self._part = part
        self._least_ns = least_ns
        self._most_ns = most_ns
        self._ended = 0
        self._sent = 0

    def serve(
        self,
        runnable: dict[Member, None],
        steady: Collection[Member],
        limit: int,
        serve: Callable[[Member], None],
        sent: Callable[[], int],
    ) -> None:
        """Continue with those of these who are sealed, until the time is over; at least with one.

        Those who are steady go first; among these, who is furthest behind: so they come to where
        others are, and are sealed what was cut for these.

        Args:
            runnable: whose sockets have room; who is served is taken out, and may be put back.
            sent: bytes, to all members. If these are more than after the last turn, there are
                others: for sealed ones are sent nothing elsewhere.
        """
        part = self._part
        part.begin()
        now = part.in_time(0)
        enough = now + min(max(now - self._ended, self._least_ns), self._most_ns)
        are_others = sent() != self._sent
        sealed = sorted(filter(is_sealed, runnable), key=position_of)
        first = filter(steady.__contains__, sealed)
        for member in islice(chain(first, filterfalse(steady.__contains__, sealed)), limit):
            del runnable[member]
            serve(member)
            if part.is_past(enough) if are_others else part.is_over():
                break
        self._ended, self._sent = part.in_time(0), sent()
