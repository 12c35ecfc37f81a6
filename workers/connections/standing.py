"""Standing: who has kept up for a while, and goes first when there is not time for all. Shell.

Strangers may come in thousands and read nothing, and for a while that cannot be seen: their hosts
acknowledge what fits into a receive buffer, and our kernel takes what fits into a send buffer. To
fill all these takes seconds. Who has kept up before does not wait for that, see `Rounds`, `Pump`.

A subscriber is *steady* once its host has acknowledged, at two looks that follow each other, all
that it had been sent at the look before, and its program has read. That a program reads shows in
how far its host lets us send: that goes on with what is read, and else stands still as soon as
the host has given what it gives to everybody. So it is to have gone on by more than that; or, if
a subscriber is sent so little that this takes long, for many looks. When there are thousands, each
is sent little in a second: to go by what is acknowledged alone took all of them for readers.

Who has just come, and whose host says how far it lets us send, is looked at more often, until that
shows that it reads, or once does not: each second until then others may come in thousands.

It is not steady any more if it has not acknowledged, or not read; who was sent nothing meanwhile
stays what it was. A look costs a system call.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.transport.kernel import Taken
    from fanout.workers.connections.peer import Peer
    from fanout.workers.stream.member import Member

APART_NS = 1_000_000_000  # ns between two looks at one: longer than any network takes to answer
SOON_NS = 250_000_000  # ns between two at one that has just come: longer than most networks take
LOOKS_PER_TICK = 256  # half a millisecond; with ten ticks a second, 2,560 are looked at in time
SOON_PER_TICK = 128  # of these, at those who have just come: there may be thousands of them
KEPT_UP_MIN = 2  # looks in a row
KEPT_UP_LONG = 10  # looks in a row, a second apart, that count without GIVEN_BYTES
# By how much more a host lets us send while nobody reads. Linux by less, but for pieces of a few
# hundred bytes, one by one: then it cannot be told from reading for some hundred KB.
GIVEN_BYTES = 64 * 1024
READ_PART = 4  # of what was acknowledged, 1/4 is to have been read: hosts tell of it in steps


class _Seen:
    """What the last look at one subscriber has shown.

    Attributes:
        at: when that was, monotonic ns.
        handed: bytes that its socket had taken by then; 0 = it was sent no message yet.
        taken: how far its host had come; None = it was not asked yet.
        first: up to where its host let us send when it was asked first; None = it does not say.
        is_new: whether it has kept up ever since it was asked first, as far as was seen.
        kept_up: looks in a row at which it had kept up.
        kept_ns: for how long, by these looks; a look stands for a second at most.
    """

    __slots__ = ("at", "first", "handed", "is_new", "kept_ns", "kept_up", "taken")

    def __init__(self, now: int) -> None:
        self.at = now
        self.handed = 0
        self.taken: Taken | None = None
        self.first: int | None = None
        self.is_new = True
        self.kept_up = 0
        self.kept_ns = 0


class StandingWatch:
    """Looks at all subscribers in turn; one of the desk's watchers. Times are monotonic ns.

    Its mutable state: what was seen of each, who was looked at longest ago first; those apart who
    are looked at soon again.

    Args:
        steady: is filled with those who are, and belongs to the pump.
        taken: how far a member's host has come with so many bytes that its socket took.
        keeps_up: is told who has become one of those.
    """

    def __init__(
        self,
        steady: dict[Member, None],
        taken: Callable[[Member, int], Taken],
        keeps_up: Callable[[Member], object],
    ) -> None:
        self._steady = steady
        self._taken = taken
        self._keeps_up = keeps_up
        self._seen: OrderedDict[Peer, _Seen] = OrderedDict()
        self._soon: OrderedDict[Peer, _Seen] = OrderedDict()

    def adopted(self, peer: Peer, now: int) -> None:
        """It is nobody yet."""
        self._seen[peer] = _Seen(now)

    def forget(self, peer: Peer) -> None:
        """It is closed."""
        self._seen.pop(peer, None)
        self._soon.pop(peer, None)
        self._steady.pop(peer.member, None)

    def tick(self, now: int) -> None:
        """Look at those who are due."""
        looks = self._look(self._soon, SOON_NS, SOON_PER_TICK, now)
        self._look(self._seen, APART_NS, LOOKS_PER_TICK - looks, now)

    def _look(self, these: OrderedDict[Peer, _Seen], apart_ns: int, most: int, now: int) -> int:
        """Look at those of these who are due; returns how many that were."""
        looks = min(most, len(these))
        for done in range(looks):
            peer, seen = next(iter(these.items()))
            passed = now - seen.at
            if passed < apart_ns:
                return done
            del these[peer]
            seen.at = now
            is_soon = self._judge(peer.member, seen, min(passed, APART_NS))
            (self._soon if is_soon else self._seen)[peer] = seen
        return looks

    def _judge(self, member: Member, seen: _Seen, passed: int) -> bool:
        """Whether it is to be looked at soon again; the last look was so many ns ago."""
        sealed = member.sealed
        handed = sealed.wire_bytes if sealed else member.sent_bytes + member.spoken_bytes
        if not member.sent_bytes or (handed == seen.handed and not member.blocked):
            return False
        before, seen.handed = seen.handed, handed
        was, seen.taken = seen.taken, self._taken(member, handed)
        if was is None:
            seen.first = seen.taken.allowed
            return seen.first is not None
        if handed > before and seen.taken.acknowledged >= before and _reads(was, seen.taken):
            seen.kept_up += 1
            seen.kept_ns += passed
            is_proven = seen.first is None or (seen.taken.allowed or 0) - seen.first > GIVEN_BYTES
            is_long = seen.kept_ns >= KEPT_UP_LONG * APART_NS
            if (is_proven and seen.kept_up >= KEPT_UP_MIN) or is_long:
                if member not in self._steady:
                    self._steady[member] = None
                    self._keeps_up(member)
                return False
            return seen.is_new
        seen.kept_up = seen.kept_ns = 0
        seen.is_new = False
        self._steady.pop(member, None)
        return False


def _reads(was: Taken, now: Taken) -> bool:
    """Whether a program has read between two looks, as far as the kernel says."""
    if was.allowed is None or now.allowed is None:
        return True
    return (now.allowed - was.allowed) * READ_PART >= now.acknowledged - was.acknowledged
