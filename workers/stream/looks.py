"""Looks: what was counted of what waits for members, while there was no time for all of it. Pure.

How much somebody wants of half a log of small messages takes up to a second to count, and others
wait meanwhile. So it is counted a piece at a time, and what is known of each piece is kept until
all is. Messages do not change: what was found of a piece holds for as long as it is wanted by the
same, however far the cursor, the front or anything else has come. Nothing is done by a part of it:
when all is known, it is done at once, as if it had been counted then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.stream.catching_up import CatchingUp
from fanout.workers.stream.segments import segments
from fanout.workers.stream.values import Values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fanout.shm.census import Amount
    from fanout.workers.stream.member import Member, Wants
    from fanout.workers.stream.turn_part import TurnPart

    Count = Callable[[Wants, int, int], Amount]

# Members of whom something is known at once, each with some 100 KiB for a log of a million
# messages. Others have their turn when one of these is done: each is judged again until it is.
MEMBERS_MAX = 32


def is_filtered(wants: Wants) -> bool:
    """Whether it takes a look at each message to say what is wanted.

    Of everything, or what was chosen, two positions say it.
    """
    return wants is not None and not (isinstance(wants, Values) or wants.everything)


class Look:
    """What is known of what waits for one member; its mutable state.

    Attributes:
        catching_up: with what comes meanwhile.
        idle: turns since it was asked for, where that is counted.
    """

    __slots__ = ("_known", "catching_up", "idle")

    def __init__(self, front: int) -> None:
        self._known: dict[int, tuple[int, Wants, Amount]] = {}
        self.catching_up = CatchingUp(front)
        self.idle = 0

    def at(self, wants: Wants, first: int, stop: int) -> Amount | None:
        """What is wanted of these messages, if that is known."""
        known = self._known.get(first)
        if known is None or known[0] != stop or known[1] is not wants:
            return None
        return known[2]

    def note(self, wants: Wants, first: int, stop: int, amount: Amount) -> None:
        """So much is."""
        self._known[first] = stop, wants, amount


class Looks:
    """Counts for members what waits for them, in pieces.

    Its mutable state: what is known, by member.

    Args:
        count: what somebody wants of the messages from one up to, not including, another.
        piece: messages that are counted at once.
        part: bounds what is done at once.
    """

    def __init__(self, count: Count, piece: int, part: TurnPart) -> None:
        self._count = count
        self._piece = piece
        self._part = part
        self._looks: dict[Member, Look] = {}

    def __len__(self) -> int:
        return len(self._looks)

    def go_on(self, member: Member, front: int) -> bool:
        """Count on for a settled member; whether all that waits for it is known now."""
        look = self._looks.get(member)
        if look is None:
            if len(self._looks) >= MEMBERS_MAX:
                return False
            look = self._looks[member] = Look(front)
        look.catching_up.begin(front)
        is_first = True  # the first piece begins at the cursor, so it differs at each call
        for first, stop, wants in pieces(member, member.sequence, front, self._piece):
            if is_filtered(wants) and look.at(wants, first, stop) is None:
                look.note(wants, first, stop, self._count(wants, first, stop))
                is_enough = look.catching_up.is_enough(stop - first)
                if is_enough and not is_first and stop < front and self._part.is_over():
                    return False
            is_first = False
        return True

    def counts(self, member: Member) -> Count:
        """Counts as it is known of this member; what is not, is counted anew."""
        look = self._looks.get(member)
        if look is None:
            return self._count

        def count(wants: Wants, first: int, stop: int) -> Amount:
            known = look.at(wants, first, stop)
            return self._count(wants, first, stop) if known is None else known

        return count

    def end(self, member: Member) -> None:
        """Nothing is to be known of it any more."""
        self._looks.pop(member, None)

    def sweep(self) -> None:
        """Let go of those who are not to be judged again; once a turn."""
        if self._looks:
            for member in [one for one in self._looks if not (one.blocked and one.watch)]:
                del self._looks[member]


def pieces(member: Member, first: int, front: int, piece: int) -> Iterator[tuple[int, int, Wants]]:
    """What a member wants from a message on, by pieces of the log that are looked at at once.

    They end at multiples of `piece`, but where all is wanted or nothing.
    """
    for start, until, wants in segments(member, first, front):
        yield from pieces_of(wants, start, min(until, front), piece)


def pieces_of(
    wants: Wants, first: int, stop: int, piece: int, *, is_looked_at: bool = False
) -> Iterator[tuple[int, int, Wants]]:
    """The same of messages that are all wanted by this.

    Args:
        is_looked_at: at each that is wanted, so that of all, two positions do not say enough.
    """
    is_cut = wants is not None and (is_looked_at or not wants.everything)
    while first < stop:
        end = min(stop, first - first % piece + piece) if is_cut else stop
        yield first, end, wants
        first = end
