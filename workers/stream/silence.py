"""Silence: members whose sockets take nothing, and when that is reason to lose one. Pure.

A member that takes nothing costs nobody anything while the log holds all that it wants: its program
may be in a debugger, or collect garbage. So it is lost after `send_timeout` only if it is in the
way, which its policy's `patience` says, and otherwise after `stall_timeout`.

That a socket takes nothing does not prove that nobody reads. The kernel says that there is room
again only when a third of the send buffer is free; a peer says so only when its own buffer has room
for a whole segment, or a sixteenth of it; and a worker that was stopped has seen nothing at all. So
a member is looked at several times before it is lost, and each time it is also tried to send to it:
an event that got lost costs a quarter of `send_timeout`, and nobody its connection.

    a quarter of send_timeout    what the kernel holds for it is noted
    half of it                   the same and not less: it is reported as stalled
    each quarter from then on    it is tried to send to it once more
    send_timeout                 it is lost if it is in the way, or as soon as it is
    stall_timeout                it is lost
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from fanout.basics.units import NS
from fanout.reasons import Reason
from fanout.workers.stream.member import BLOCKED, HELD, LOST
from fanout.workers.stream.turn_part import TurnPart, without_clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.workers.stream.member import Member
    from fanout.workers.stream.pump import Pump

LOOKS_MIN = 2  # before the one after which a member is lost
TRIES_PER_LOOK = 64  # members that are sent to and asked about in one look: half a millisecond
SUSPECTS_PER_LOOK = 1_024  # that are looked at, most of them only for where they are: a millisecond
GAP_NS = 1_000_000_000  # between two looks, above which nobody was there to see
USUAL_NS = 100_000_000  # between two looks: of a gap, so much counts
GAPS_KEPT = 64  # longer ago than a `send_timeout` they hardly matter


class Witness:
    """How much time has passed while somebody looked: a process that is stopped sees no silence.

    Its mutable state: when the last look was, and the last gaps between two.
    """

    def __init__(self) -> None:
        self._looked = 0
        self._gaps: deque[tuple[int, int]] = deque(maxlen=GAPS_KEPT)  # end, ns that do not count

    def look(self, now: int) -> None:
        """Somebody looks; monotonic ns, as all times here."""
        gap = now - self._looked
        if self._looked and gap > GAP_NS:
            self._gaps.append((now, gap - USUAL_NS))
        self._looked = now

    def seen(self, since: int, now: int) -> int:
        """Of the time between, how much was seen; never less than nothing.

        It may begin within a gap: a turn comes before the tick when a process may run again.
        """
        voids = [min(void, ended - since - USUAL_NS) for ended, void in self._gaps if ended > since]
        return now - since - sum(void for void in voids if void > 0)


class Suspect:
    """A blocked member that has taken nothing for a while.

    Attributes:
        since: when it last took something; another time in `Pump.blocked` means that it has again.
        looks: how often it was looked at.
        unsent: bytes that the kernel held for it at the last look.
        is_next: whether it waits to be tried once more.
    """

    __slots__ = ("is_next", "looks", "member", "since", "unsent")

    def __init__(self, member: Member, since: int) -> None:
        self.member = member
        self.since = since
        self.looks = 0
        self.unsent = 0
        self.is_next = False


class Silence:
    """Looks at the blocked members that take nothing.

    Its mutable state: the suspects, by when they are due; those of them that are only to be tried
    once more, which can wait; and up to which time of their last progress all members are among
    the suspects.

    Args:
        pump: whose members these are; it is told what has become of them.
        send_timeout_ns: after which a member that is in the way is lost.
        stall_timeout_ns: after which any member is.
        unsent: the bytes that the kernel holds for a member, which its peer has not acknowledged.
    """

    def __init__(
        self,
        pump: Pump,
        send_timeout_ns: int,
        stall_timeout_ns: int,
        unsent: Callable[[Member], int],
        part: TurnPart | None = None,
    ) -> None:
        self._pump = pump
        self._send_timeout_ns = send_timeout_ns
        self._stall_timeout_ns = stall_timeout_ns
        self._quarter_ns = min(send_timeout_ns, stall_timeout_ns) // 4
        self._unsent = unsent
        self._part = part or without_clock()
        self._witness = Witness()
        self._numbers = count()
        self._due: list[tuple[int, int, Suspect]] = []  # a heap; the number decides between equals
        self._again: deque[Suspect] = deque()
        self._suspected_until = 0

    def look(self, now: int) -> None:
        """Look at everybody who is due; once a tick."""
        self._witness.look(now)
        self._suspect(now)
        due = self._due
        tried = 0
        for _ in range(SUSPECTS_PER_LOOK):
            if not due or due[0][0] > now or tried == TRIES_PER_LOOK:
                break
            suspect = heappop(due)[2]
            if self._pump.blocked.get(suspect.member) == suspect.since:
                tried += self._judge(suspect, now)
            if self._part.is_over():
                break
        self._try_again(now, max(TRIES_PER_LOOK - tried, 1))

    def _suspect(self, now: int) -> None:
        """Find those that have taken nothing for a quarter of the time since the last look."""
        until = now - self._quarter_ns
        found = []
        for member, since in reversed(self._pump.blocked.items()):  # the last progress first
            if not since or since > until:  # held, with no time yet; or silent for less
                continue
            if since <= self._suspected_until:
                break
            found.append(Suspect(member, since))
        for suspect in reversed(found):
            self._put_off(suspect, now)
        self._suspected_until = max(until, self._suspected_until)

    def _put_off(self, suspect: Suspect, due: int) -> None:
        heappush(self._due, (due, next(self._numbers), suspect))

    def _judge(self, suspect: Suspect, now: int) -> bool:
        """Look at a suspect if it is time for that; whether it was tried to send to it."""
        member = suspect.member
        if member.state is LOST:
            return False
        silent_ns = self._witness.seen(suspect.since, now)
        missing_ns = self._missing_ns(suspect, silent_ns)
        reason = None
        if suspect.looks >= LOOKS_MIN:
            reason = self._reason(member, silent_ns, now)
            if reason is None and not suspect.is_next:
                suspect.is_next = True
                self._again.append(suspect)
        if (missing_ns > 0 and reason is None) or member.state is HELD:
            self._put_off(suspect, now + max(missing_ns, 1))
            return False
        if self._is_silent(suspect, now):
            if reason is not None:  # the try may have found that nothing behind it is wanted
                reason = self._reason(member, silent_ns, now)
            self._conclude(suspect, silent_ns, reason, now)
        return True

    def _try_again(self, now: int, most: int) -> None:
        """Try to send to those that are not to be lost yet: their sockets may have room by now.

        Ends when the time is over, but not before one was tried.
        """
        for _ in range(min(most, len(self._again))):
            suspect = self._again.popleft()
            suspect.is_next = False
            member = suspect.member
            if self._pump.blocked.get(member) == suspect.since and member.state is BLOCKED:
                self._is_silent(suspect, now)
                if self._part.is_over():
                    break

    def _missing_ns(self, suspect: Suspect, silent_ns: int) -> int:
        """How much longer a suspect has to be silent to be due again; 0 or less if it is."""
        if suspect.looks < LOOKS_MIN:
            return (suspect.looks + 1) * self._quarter_ns - silent_ns
        limits = self._send_timeout_ns, self._stall_timeout_ns
        left = [limit - silent_ns for limit in limits if limit > silent_ns]
        return min([self._quarter_ns, *left])

    def _reason(self, member: Member, silent_ns: int, now: int) -> Reason | None:
        """Why a member is to be lost that has been silent for so long, if it is."""
        if silent_ns >= self._send_timeout_ns and self._pump.is_in_the_way(member, now):
            return Reason.SEND_TIMEOUT
        return Reason.STALL_TIMEOUT if silent_ns >= self._stall_timeout_ns else None

    def _is_silent(self, suspect: Suspect, now: int) -> bool:
        """Try to send to a suspect; whether nothing tells that its peer is alive."""
        pump, member = self._pump, suspect.member
        pump.serve(member, now)  # an event may be lost, and a socket has room before it says so
        if pump.blocked.get(member) != suspect.since or member.state is LOST:
            return False
        unsent = self._unsent(member)
        # Its peer has acknowledged something; or it has room, and looks for what it wants, or waits
        # for the time when it may be sent more.
        has_room = member in pump.runnable or pump.waits(member)
        if (suspect.looks and unsent < suspect.unsent) or has_room:
            pump.excuse(member, now)
            return False
        suspect.looks += 1
        suspect.unsent = unsent
        return True

    def _conclude(self, suspect: Suspect, silent_ns: int, reason: Reason | None, now: int) -> None:
        pump, member = self._pump, suspect.member
        if suspect.looks >= LOOKS_MIN and not member.stalled:
            pump.note_stalled(member, f"has taken nothing for {silent_ns / NS:.1f} s")
        if reason is not None:
            pump.give_up(member, reason, self._text(member, reason))
        else:
            is_late = silent_ns >= 4 * self._quarter_ns  # it may have been in the way all the time
            missing_ns = 0 if is_late else self._missing_ns(suspect, silent_ns)
            self._put_off(suspect, now + max(missing_ns, 1))

    def _text(self, member: Member, reason: Reason) -> str:
        if reason is Reason.STALL_TIMEOUT:
            return f"took nothing for {self._stall_timeout_ns / NS:g} s (stall_timeout)"
        behind = self._pump.behind(member)
        return (
            f"took nothing for {self._send_timeout_ns / NS:g} s (send_timeout) "
            f"and is {behind:,} bytes behind"
        )
