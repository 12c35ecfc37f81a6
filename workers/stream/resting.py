"""Resting: members that are not sent anything for a while, and when they are again. Pure.

They have a rate of which they have had their share, or an interval between what they are sent. Or
what they are to be sent next is not known yet, and no event of theirs will say that it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.stream.holding import Holding
from fanout.workers.stream.rests import Rests
from fanout.workers.stream.rounds import Rounds
from fanout.workers.stream.throttling import Throttles
from fanout.workers.tuning import TUNING, Tuning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.shm.reader import LogReader
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.totals import Totals
    from fanout.workers.stream.turn_part import TurnPart


# ns until it is looked again whether a message is committed: the publisher was interrupted in the
# middle of that, for longer than it mostly is; who looks all the time would take it the processor.
POSTPONED_NS = 10_000_000


class Resting(Rounds):
    """Wakes them.

    Its mutable state, beside that of `Rounds`: who is sent only so much a second, who rests until
    when, who is postponed until when, and whether nobody rests any more.
    """

    def __init__(
        self,
        log: LogReader,
        tuning: Tuning = TUNING,
        totals: Totals | None = None,
        part: TurnPart | None = None,
    ) -> None:
        super().__init__(log, tuning, totals, part)
        self.throttles = Throttles()
        self.rests = Rests()
        self.holding = Holding(log, self.blocked)
        self._postponed: dict[Member, int] = {}
        self._hurries = False

    def wake(self, now: int) -> None:
        """Go on with those who were not sent anything for a while, and may be now."""
        throttles, rests = self.throttles, self.rests
        throttles.now = now
        if throttles.due:
            for member in throttles.wake():
                if member in self.blocked:
                    self.runnable[member] = None
        if rests.due or rests.rested:
            for member in rests.wake(now, self.front):
                self._progressed(member, now)
                self.runnable[member] = None
        if self._postponed:
            for member in [one for one, until in self._postponed.items() if until <= now]:
                del self._postponed[member]
                if member.blocked:
                    self.runnable[member] = None

    def postpone(self, member: Member) -> None:
        """What a blocked member is to be sent next is not known yet; look again soon."""
        self._postponed.setdefault(member, self.throttles.now + POSTPONED_NS)

    @property
    def next_wake(self) -> int | None:
        """When `wake()` has something to do next; None = at no time that is known."""
        if not (self.throttles.due or self.rests.due or self._postponed):
            return None  # the usual case, and each turn asks
        postponed = min(self._postponed.values(), default=None)
        due = self.throttles.next_due, self.rests.next_due, postponed
        return min([one for one in due if one is not None], default=None)

    def waits(self, member: Member) -> bool:
        """Whether it is us who do not send this member anything for a while."""
        return member in self.rests or self.throttles.waits(member)

    def have_room(self, members: Sequence[Member]) -> None:
        """The sockets of these have room again."""
        if self.rests:
            for member in members:
                self.writable(member)
        else:  # as mostly
            self.runnable.update(dict.fromkeys([one for one in members if one.blocked]))

    def writable(self, member: Member) -> None:
        """The socket of this member has room again."""
        if member.blocked and (member.control or member not in self.rests or _has_begun(member)):
            self.runnable[member] = None

    def rest(self, member: Member, until: int) -> None:
        """A blocked member has everything, and is sent nothing before that."""
        self.runnable.pop(member, None)
        self._progressed(member, 0)
        self._recover(member)
        self.rests.add(member, until)

    def rouse(self, member: Member, now: int) -> None:
        """It is to be sent something that was not published now: at once, if it has rested."""
        if self.rests.rouse(member):
            self._progressed(member, now)
        self.runnable[member] = None

    def hurry(self, now: int) -> None:
        """It all ends: nobody rests any more."""
        self._hurries = True
        for member in self.rests:
            self._progressed(member, now)
            self.runnable[member] = None
        self.rests.clear()

    def remove(self, member: Member) -> None:
        self.rests.end(member)
        self._postponed.pop(member, None)
        self.holding.discard(member)
        super().remove(member)


def _has_begun(member: Member) -> bool:
    """Whether one that rests gets something all the same: what it has missed, or the rest of it."""
    kept = 0 if member.sealed is None else member.sealed.kept_bytes
    return bool(kept or member.spill) or member.replay is not None
