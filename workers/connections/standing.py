"""Standing: who has kept up for a while, and goes first when there is not time for all. Shell.

Strangers may come in thousands and read nothing, and for a while that cannot be seen: their kernels
acknowledge what fits into a receive buffer, and ours takes what fits into a send buffer. To fill
all these takes seconds. Who has kept up before does not wait for that, see `Rounds` and `Pump`.

A subscriber is *steady* once its host has acknowledged, at two looks that follow each other, all
that it had been sent at the look before. Buffers alone do not come so far. It is not any more if it
has not; who was sent nothing meanwhile stays what it was. A look costs a system call.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.workers.connections.peer import Peer
    from fanout.workers.stream.member import Member

APART_NS = 1_000_000_000  # ns between two looks at one: longer than any network takes to answer
LOOKS_PER_TICK = 256  # half a millisecond; with ten ticks a second, 2,560 are looked at in time
KEPT_UP_MIN = 2  # looks in a row


class _Seen:
    """What the last look at one subscriber has shown.

    Attributes:
        at: when that was, monotonic ns.
        handed: bytes that its socket had taken by then; 0 = it was sent no message yet.
        kept_up: looks in a row at which it had kept up.
    """

    __slots__ = ("at", "handed", "kept_up")

    def __init__(self, now: int) -> None:
        self.at = now
        self.handed = 0
        self.kept_up = 0


class Standing:
    """Looks at all subscribers in turn; one of the desk's watchers. Times are monotonic ns.

    Its mutable state: what was seen of each, who was looked at longest ago first.

    Args:
        steady: is filled with those who are, and belongs to the pump.
        unsent: the bytes that the kernel holds for a member, which its peer has not acknowledged.
    """

    def __init__(self, steady: dict[Member, None], unsent: Callable[[Member], int]) -> None:
        self._steady = steady
        self._unsent = unsent
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
        handed = member.sent_bytes + member.spoken_bytes
        if not member.sent_bytes or (handed == seen.handed and not member.blocked):
            return
        before, seen.handed = seen.handed, handed
        if not before:
            return
        if handed > before and handed - self._unsent(member) >= before:
            seen.kept_up += 1
            if seen.kept_up >= KEPT_UP_MIN:
                self._steady[member] = None
        else:
            seen.kept_up = 0
            self._steady.pop(member, None)
