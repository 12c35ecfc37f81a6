"""Whether who says no more still reads: one PING asks its host, which answers for it. Pure.

The end of what a peer says looks the same whether its program has closed the connection, or will
read on. But a host acknowledges what arrives for a program that is there, and answers with a reset
where there is none. Times are monotonic ns.
"""

from __future__ import annotations

import enum

# A host that is there answers within the time that any network takes. Who is not heard of by then
# has gone with its host, or is so far away that it is better off with a new connection.
ANSWER_NS = 1_000_000_000


class Verdict(enum.Enum):
    """What has become of it."""

    WAIT = "nothing is known yet"
    READS = "it is served on"
    LEFT = "it is gone"


class Question:
    """A PING that was sent to one who says no more.

    Its mutable state: since when there could be an answer.

    Args:
        acknowledged: bytes that its host had acknowledged when the end was seen, before the PING.
        begins: bytes that the kernel had been handed before the PING.
        size: bytes of the PING that the kernel has taken.
        now: when that was.
    """

    __slots__ = ("_acknowledged", "_begins", "_ends", "_since")

    def __init__(self, acknowledged: int, begins: int, size: int, now: int) -> None:
        self._acknowledged = acknowledged
        self._begins = begins
        self._ends = begins + size
        self._since = now

    def verdict(self, acknowledged: int, now: int, *, blocked: bool) -> Verdict:
        """What is known now. A reset is none of this: that ends the connection at once.

        Args:
            acknowledged: bytes that its host has acknowledged.
            blocked: its socket has no room, or it rests. Then the PING may not be on its way, and
                `tcp_user_timeout` and `send_timeout` judge it as they judge others.
        """
        if acknowledged > self._acknowledged:
            return Verdict.READS
        if blocked:
            self._since = now
        return Verdict.LEFT if now - self._since >= ANSWER_NS else Verdict.WAIT

    def unanswered(self, acknowledged: int) -> int:
        """Bytes of the PING that were not acknowledged: none that a subscriber has missed."""
        return max(0, self._ends - max(self._begins, acknowledged))
