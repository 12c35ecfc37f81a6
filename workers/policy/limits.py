"""How far a member may be behind. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """A member that is further behind than this is a case for its policy.

    Args:
        bytes: of log, between a member's cursor and the front.
        messages: the same in messages; small ones fill the index before the bytes.
    """

    bytes: int
    messages: int

    def are_exceeded(self, lag_bytes: int, lag_messages: int) -> bool:
        """Whether somebody who is so far behind is over one of them."""
        return lag_bytes > self.bytes or lag_messages > self.messages


UNLIMITED = Limits(1 << 63, 1 << 63)  # more than any log holds
