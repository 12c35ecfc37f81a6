"""Ends: the first and the last message that a pass leaves out, found a piece at a time. Pure.

Only who is told of what newer messages take the place of needs them. What waits is counted from
both ends on, one piece of the log after the other, until there is more of one than is kept of it;
only in that one messages are looked at. Mostly it is the first. But where topics are many, and few
of them come again, it is all of half a log. So the clock is asked after each piece, and what was
counted is kept until the next time: messages do not change, whatever is kept of them by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.stream.looks import MEMBERS_MAX, Look, pieces_of
from fanout.workers.stream.member import LOST
from fanout.workers.stream.segments import segments
from fanout.workers.stream.sifting import FULL_MAX, IDLE_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from fanout.workers.stream.looks import Count
    from fanout.workers.stream.member import Member, Wants
    from fanout.workers.stream.turn_part import TurnPart
    from fanout.workers.stream.values import Values

    # Messages from the first up to, not including, the second, of which a member wants this.
    Part = tuple[int, int, Wants]


class Ends:
    """Finds them for members.

    Its mutable state: what was counted, by member.

    Args:
        count: how much somebody wants of the messages from one up to, not including, another.
        wanted: which ones these are, in order.
        piece: messages that are counted at once.
        part: bounds what is done at once.
    """

    def __init__(
        self,
        count: Count,
        wanted: Callable[[int, int, Wants], Sequence[int]],
        piece: int,
        part: TurnPart,
    ) -> None:
        self._count = count
        self._wanted = wanted
        self._piece = piece
        self._part = part
        self._looks: dict[Member, Look] = {}

    def __len__(self) -> int:
        return len(self._looks)

    def may_look(self, member: Member) -> bool:
        """Whether it is not the turn of others."""
        return member in self._looks or len(self._looks) < MEMBERS_MAX

    def find(
        self, member: Member, values: Values, first: int, front: int
    ) -> tuple[int, int] | None:
        """The first and the last that wait for a settled member from `first` on, and are not these.

        Returns:
            None if there was no time to find both: it is to be asked again.

        Raises:
            ValueError: there are none.
        """
        look = self._looks.get(member)
        if look is None:
            look = self._looks[member] = Look(front)
        look.idle = 0
        look.catching_up.begin(front)
        parts = [
            part
            for start, stop, wants in segments(member, first, front)
            for part in pieces_of(wants, start, stop, self._piece, is_looked_at=True)
        ]
        low = self._with_more(look, parts, values)
        high = None if low is None else self._with_more(look, reversed(parts), values)
        if low is None or high is None:
            return None
        del self._looks[member]
        return self._left_out(low, values)[0], self._left_out(high, values)[-1]

    def end(self, member: Member) -> None:
        """It does not ask any more."""
        self._looks.pop(member, None)

    def pause(self, member: Member) -> None:
        """It has no room: it is soon the turn of others, if it does not ask all the same."""
        look = self._looks.get(member)
        if look is not None:
            look.idle = max(look.idle, IDLE_MAX - FULL_MAX)

    def sweep(self) -> None:
        """Let go of those who do not ask any more; once a turn."""
        for member, look in list(self._looks.items()):
            look.idle += 1
            if not member.blocked or member.state is LOST or look.idle > IDLE_MAX:
                del self._looks[member]

    def _with_more(self, look: Look, parts: Iterable[Part], values: Values) -> Part | None:
        """The first of these in which more is wanted than is kept; None: the time is over."""
        for first, stop, wants in parts:
            amount = look.at(wants, first, stop)
            is_new = amount is None
            if amount is None:
                amount = self._count(wants, first, stop)
                look.note(wants, first, stop, amount)
            if amount.messages > values.amount(first, stop).messages:
                return first, stop, wants
            if is_new and look.catching_up.is_enough(stop - first) and self._part.is_over():
                return None
        raise ValueError("nothing is left out of what waits, and some of it was counted as that")

    def _left_out(self, part: Part, values: Values) -> list[int]:
        first, stop, wants = part
        kept = set(values.between(first, stop))
        return [one for one in self._wanted(first, stop, wants) if one not in kept]
