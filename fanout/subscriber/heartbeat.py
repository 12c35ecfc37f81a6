"""Whether the other end of a connection is still there: PINGs, and silence. Pure, without a clock.

PING and PONG are those of ZMTP 3.1 (RFC 37): who sends a PING says with it (TTL) how long its own
silence may last at most.
"""

from __future__ import annotations

PING_EACH_S = 5.0  # of silence; a third of what is taken for lost, so that two may be late
LOST_AFTER_S = 15.0  # without a byte, of one that answers PINGs


class Heartbeat:
    """That of one connection. Owned by whoever has that.

    Args:
        now: when it begins, in seconds, as all times here.

    Attributes:
        answers: it has answered a PING.
        ttl_s: of its last PING: it is lost after so many seconds of silence; 0 = it never said so.
    """

    __slots__ = ("_heard", "_pinged", "_vouched", "answers", "ttl_s")

    def __init__(self, now: float) -> None:
        self.answers = False
        self.ttl_s = 0.0
        self._heard = self._pinged = self._vouched = now

    def hear(self, now: float) -> None:
        """Bytes have come; or nothing was read up to now, which was not its silence."""
        self._heard = now

    def vouch(self, now: float) -> None:
        """It does not have to answer a PING for LOST_AFTER_S from now on."""
        self._vouched = now

    def is_over(self, now: float) -> bool:
        """Whether it was silent for longer than it has said that it would be."""
        return self.ttl_s > 0 and now - self._heard >= self.ttl_s

    def is_overdue(self, now: float) -> bool:
        """Whether one that answers PINGs would have answered one by now."""
        return now - max(self._heard, self._vouched) >= LOST_AFTER_S

    def begin_ping(self, now: float) -> bool:
        """Whether a PING is due; it is taken to be sent then."""
        if now - max(self._heard, self._pinged) < PING_EACH_S:
            return False
        self._pinged = now
        return True

    def next_at(self, *, pings: bool, judged: bool) -> float | None:
        """When one of these will be so, at the latest; None: never.

        Args:
            pings: it may be sent PINGs.
            judged: of these, whether it has to answer them.
        """
        times = []
        if self.ttl_s > 0:
            times.append(self._heard + self.ttl_s)
        if pings:
            times.append(max(self._heard, self._pinged) + PING_EACH_S)
            if judged:
                times.append(max(self._heard, self._vouched) + LOST_AFTER_S)
        return min(times, default=None)
