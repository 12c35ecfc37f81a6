"""How far a member may be behind, and what it keeps when it is further. Pure."""

from __future__ import annotations

from dataclasses import dataclass

HYSTERESIS_SHARE = 16  # a member that jumps gives up 1/16 of the limit more than it must, so that
# it does not jump again for each message; its lag never exceeds the limit


@dataclass(frozen=True, slots=True)
class LagPolicy:
    """The limit of every member of a worker.

    Args:
        drops: whether a member over the limit loses its oldest messages (`drop_oldest`); if not,
            the publisher waits for it (`block`).
        limit_bytes: of log, between a member's cursor and the front.
        limit_messages: the same in messages; small ones fill the index before the bytes.
        send_timeout_ns: without a byte of progress, after which a member is lost.
    """

    drops: bool
    limit_bytes: int
    limit_messages: int
    send_timeout_ns: int

    @property
    def kept_bytes(self) -> int:
        """The newest bytes of log that a member keeps when it jumps."""
        return self.limit_bytes - self.limit_bytes // HYSTERESIS_SHARE

    @property
    def kept_messages(self) -> int:
        """The newest messages that a member keeps when it jumps, if they are not too large."""
        return self.limit_messages - self.limit_messages // HYSTERESIS_SHARE

    def is_over(self, lag_bytes: int, lag_messages: int) -> bool:
        """Whether a member that is so far behind has to jump."""
        return self.drops and (lag_bytes > self.limit_bytes or lag_messages > self.limit_messages)
