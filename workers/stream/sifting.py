"""Sifting: the newest of each topic, of what waits for who has wanted different things. Pure.

Others cannot share what is found, and each message is looked at. So that is done in pieces, for one
member at a time: the topics of half a log take as much memory as that. Nothing is done by a part
of it; when all is known, it is done at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.stream.catching_up import CatchingUp
from fanout.workers.stream.looks import pieces_of
from fanout.workers.stream.member import LOST
from fanout.workers.stream.segments import segments

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.workers.stream.member import Member, Wants
    from fanout.workers.stream.turn_part import TurnPart

    # The topics of what is wanted of the messages from one up to, not including, another.
    Named = Callable[[Wants, int, int], list[tuple[bytes, int]]]

IDLE_MAX = 1_000  # turns without being asked for: a minute of one that has little to do
# The same of one that has no room: it asks only if it is judged again, in a few turns where many
# are. Others who are far behind wait for that, and their worker does not idle meanwhile.
FULL_MAX = 16


class Sifting:
    """What is found for one member; its mutable state.

    Attributes:
        newest: the last message of each topic, of those that were looked at.
        wanted: from which message up to which one what was wanted when they were.
        catching_up: with what comes meanwhile.
        idle: turns since it was asked for.
    """

    __slots__ = ("catching_up", "idle", "member", "newest", "wanted")

    def __init__(self, member: Member, front: int) -> None:
        self.member = member
        self.newest: dict[bytes, int] = {}
        self.wanted: list[tuple[int, int, Wants]] = []
        self.catching_up = CatchingUp(front)
        self.idle = 0

    def note(self, wants: Wants, first: int, stop: int, named: list[tuple[bytes, int]]) -> None:
        """This is wanted of the messages that follow."""
        self.newest.update(named)
        _add(self.wanted, first, stop, wants)

    def known_until(self, member: Member, first: int, front: int) -> int:
        """Up to which message it is known what a member gets that stands at this one now."""
        until = self.wanted[-1][1] if self.wanted else first
        before = [(max(low, first), high, wants) for low, high, wants in self.wanted]
        now: list[tuple[int, int, Wants]] = []
        for start, stop, wants in segments(member, first, front):
            if start < until:
                _add(now, start, min(stop, until), wants)
        is_same = now == [one for one in before if one[0] < one[1]]
        return until if is_same and until > first else first


class Siftings:
    """Sifts for one member after the other; others wait. Its mutable state: whose turn it is.

    Args:
        named: see there.
        piece: messages that are looked at at once.
        part: bounds what is done at once.
    """

    def __init__(self, named: Named, piece: int, part: TurnPart) -> None:
        self._named = named
        self._piece = piece
        self._part = part
        self._current: Sifting | None = None

    def go_on(self, member: Member, first: int, front: int) -> bool:
        """Look on for this member, if it is its turn; whether all that waits for it is known."""
        one = self._turn_of(member, front)
        if one is None:
            return False
        at = one.known_until(member, first, front)
        if at == first:
            one.newest.clear()
            one.wanted.clear()
        one.catching_up.begin(front)
        for start, until, wants in segments(member, at, front):
            for low, high, _wants in pieces_of(wants, start, until, self._piece, is_looked_at=True):
                one.note(wants, low, high, self._named(wants, low, high))
                is_enough = one.catching_up.is_enough(high - low)
                if is_enough and high < front and self._part.is_over():
                    return False
        return True

    def found(self, member: Member, first: int, front: int) -> list[int]:
        """Those that are the newest, in order; what is not known yet is looked for at once."""
        one = self._current
        if one is None or one.member is not member:
            one = Sifting(member, front)
        at = one.known_until(member, first, front)
        if at == first:
            one.newest.clear()
        for start, until, wants in segments(member, at, front):
            one.newest.update(self._named(wants, start, until))
        return sorted([sequence for sequence in one.newest.values() if sequence >= first])

    def end(self, member: Member) -> None:
        """It does not ask any more: if it was its turn, it is that of the next one who asks."""
        if self._current is not None and self._current.member is member:
            self._current = None

    def pause(self, member: Member) -> None:
        """It has no room: it is soon the turn of others, if it does not ask all the same."""
        one = self._current
        if one is not None and one.member is member:
            one.idle = max(one.idle, IDLE_MAX - FULL_MAX)

    def sweep(self) -> None:
        """Let go of what is found for one that does not ask any more; once a turn."""
        one = self._current
        if one is not None:
            one.idle += 1
            is_there = one.member.blocked and one.member.state is not LOST
            if not is_there or one.idle > IDLE_MAX:
                self._current = None

    def _turn_of(self, member: Member, front: int) -> Sifting | None:
        if self._current is None:
            self._current = Sifting(member, front)
        one = self._current
        if one.member is not member:
            return None
        one.idle = 0
        return one


def _add(found: list[tuple[int, int, Wants]], first: int, stop: int, wants: Wants) -> None:
    """One more stretch; with the one before it, if the same is wanted there."""
    if found and found[-1][1] == first and found[-1][2] is wants:
        first = found.pop()[0]
    found.append((first, stop, wants))
