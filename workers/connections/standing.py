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
LOOKS_PER_TICK = 256  # half a millisecond; with ten ticks a second, 2,560 are looked at in time
KEPT_UP_MIN = 2  # looks in a row
KEPT_UP_LONG = 10  # looks in a row, after which nothing else is asked for
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
        kept_up: looks in a row at which it had kept up.
    """

    __slots__ = ("at", "first", "handed", "kept_up", "taken")

    def __init__(self, now: int) -> None:
        self.at = now
        self.handed = 0
        self.taken: Taken | None = None
        self.first: int | None = None
        self.kept_up = 0


class Standing:
    """Looks at all subscribers in turn; one of the desk's watchers. Times are monotonic ns.

    Its mutable state: what was seen of each, who was looked at longest ago first.

    Args:
        steady: is filled with those who are, and belongs to the pump.
        taken: how far a member's host has come with so many bytes that its socket took.
    """

    def __init__(self, steady: dict[Member, None], taken: Callable[[Member, int], Taken]) -> None:
        self._steady = steady
        self._taken = taken
        self._seen: OrderedDict[Peer, _Seen] = OrderedDict()

    def adopted(self, peer: Peer, now: int) -> None:
        """It is nobody yet."""
        self._seen[peer] = _Seen(now)

    def forget(self, peer: Peer) -> None:
        """It is closed."""
        self._seen.pop(peer, None)
        self._steady.pop(peer.member, None)

    def tick(self, now: int) -> None:
        """Look at those who are due."""
        for _ in range(min(LOOKS_PER_TICK, len(self._seen))):
            peer, seen = next(iter(self._seen.items()))
            if now - seen.at < APART_NS:
                return
            seen.at = now
            self._seen.move_to_end(peer)
            self._judge(peer.member, seen)

    def _judge(self, member: Member, seen: _Seen) -> None:
        sealed = member.sealed
        handed = sealed.wire_bytes if sealed else member.sent_bytes + member.spoken_bytes
        if not member.sent_bytes or (handed == seen.handed and not member.blocked):
            return
        before, seen.handed = seen.handed, handed
        was, seen.taken = seen.taken, self._taken(member, handed)
        if was is None:
            seen.first = seen.taken.allowed
        elif handed > before and seen.taken.acknowledged >= before and _reads(was, seen.taken):
            seen.kept_up += 1
            is_proven = seen.first is None or (seen.taken.allowed or 0) - seen.first > GIVEN_BYTES
            if seen.kept_up >= (KEPT_UP_MIN if is_proven else KEPT_UP_LONG):
                self._steady[member] = None
        else:
            seen.kept_up = 0
            self._steady.pop(member, None)


def _reads(was: Taken, now: Taken) -> bool:
    """Whether a program has read between two looks, as far as the kernel says."""
    if was.allowed is None or now.allowed is None:
        return True
    return (now.allowed - was.allowed) * READ_PART >= now.acknowledged - was.acknowledged
