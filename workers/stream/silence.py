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
    send_timeout                 it is lost if it is in the way
    stall_timeout                it is lost
"""

from __future__ import annotations

from collections import deque
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from fanout.reasons import Reason
from fanout.workers.stream.member import HELD, LOST

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.workers.policy.limits import Limits
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.pump import Pump

TRIES_PER_LOOK = 64  # members that are sent to and asked about in one look: half a millisecond
GAP_NS = 1_000_000_000  # between two looks, above which nobody was there to see
USUAL_NS = 100_000_000  # between two looks: of a gap, so much counts
GAPS_KEPT = 64  # longer ago than a `send_timeout` they hardly matter
NS = 1_000_000_000


class Witness:
    """How much time has passed while somebody looked: a process that is stopped sees no silence.

    Its mutable state: when the last look was, and the last gaps between two.
    """

    def __init__(self) -> None:
        self._looked = 0
        self._gaps: deque[tuple[int, int]] = deque(maxlen=GAPS_KEPT)  # when it ended, what is void

    def look(self, now: int) -> None:
        """Somebody looks; monotonic ns, as all times here."""
        gap = now - self._looked
        if self._looked and gap > GAP_NS:
            self._gaps.append((now, gap - USUAL_NS))
        self._looked = now

    def seen(self, since: int, now: int) -> int:
        """Of the time between, how much was seen."""
        return now - since - sum(void for ended, void in self._gaps if ended > since)


class Silence:
    """Looks at the blocked members that take nothing.

    Its mutable state: who was looked at since it last took something: since when that is, how often
    it was looked at, and what the kernel held for it then.

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
    ) -> None:
        self._pump = pump
        self._send_timeout_ns = send_timeout_ns
        self._stall_timeout_ns = stall_timeout_ns
        self._first_ns = min(send_timeout_ns, stall_timeout_ns) // 4
        self._unsent = unsent
        self._witness = Witness()
        self._suspects: dict[Member, tuple[int, int, int]] = {}

    def look(self, now: int) -> None:
        """Look at everybody who is due; once a tick."""
        self._witness.look(now)
        blocked = self._pump.blocked
        self._forget_those_that_took_something()
        latest = now - self._first_ns
        due = takewhile(lambda entry: entry[1] <= latest, blocked.items())
        lowest = Lowest(self._pump)
        suspicious = [
            (member, since) for member, since in due if self._is_due(member, since, now, lowest)
        ]
        for member, since in islice(suspicious, TRIES_PER_LOOK):
            self._examine(member, since, now, lowest)

    def _forget_those_that_took_something(self) -> None:
        blocked, suspects = self._pump.blocked, self._suspects
        gone = [
            member for member, (since, _, _) in suspects.items() if blocked.get(member) != since
        ]
        for member in gone:
            del suspects[member]

    def _is_due(self, member: Member, since: int, now: int, lowest: Lowest) -> bool:
        """Whether it is time for its next look."""
        if member.state is HELD or member.state is LOST:
            return False
        silent_ns = self._witness.seen(since, now)
        looks = self._suspects[member][1] if member in self._suspects else 0
        if looks == 0:
            return silent_ns >= self._first_ns
        if looks == 1:
            return silent_ns >= 2 * self._first_ns
        return self._reason(member, silent_ns, lowest) is not None

    def _reason(self, member: Member, silent_ns: int, lowest: Lowest) -> Reason | None:
        """Why a member is to be lost that has been silent for so long, if it is."""
        if silent_ns >= self._send_timeout_ns and lowest.is_passed_by(member):
            return Reason.SEND_TIMEOUT
        return Reason.STALL_TIMEOUT if silent_ns >= self._stall_timeout_ns else None

    def _examine(self, member: Member, since: int, now: int, lowest: Lowest) -> None:
        pump = self._pump
        pump.serve(member, now)  # an event may be lost, and a socket has room before it says so
        if pump.blocked.get(member) != since or member.state is LOST:
            return
        unsent = self._unsent(member)
        _, looks, before = self._suspects.get(member, (since, 0, unsent))
        # Its peer has acknowledged something; or it has room, and looks for what it wants.
        if unsent < before or member in pump.runnable:
            pump.excuse(member, now)
            return
        self._suspects[member] = since, looks + 1, unsent
        silent_ns = self._witness.seen(since, now)
        if looks and not member.stalled:
            pump.note_stalled(member, f"has taken nothing for {silent_ns / NS:.1f} s")
        if looks >= 2:
            reason = self._reason(member, silent_ns, lowest)
            if reason is not None:
                pump.give_up(member, reason, self._text(member, reason))

    def _text(self, member: Member, reason: Reason) -> str:
        if reason is Reason.STALL_TIMEOUT:
            return f"took nothing for {self._stall_timeout_ns / NS:g} s (stall_timeout)"
        behind = self._pump.behind(member)
        return (
            f"took nothing for {self._send_timeout_ns / NS:g} s (send_timeout) "
            f"and is {behind:,} bytes behind"
        )


class Lowest:
    """Up to which position a member is in the way, for each limits looked up once in a look."""

    def __init__(self, pump: Pump) -> None:
        self._pump = pump
        self._of: dict[Limits, int] = {}

    def is_passed_by(self, member: Member) -> bool:
        """Whether this member is further behind than its policy has patience for."""
        patience = member.policy.patience
        if patience not in self._of:
            self._of[patience] = self._pump.lowest_within(patience)
        return member.position < self._of[patience]
