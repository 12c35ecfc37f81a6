"""How far a member may be behind. Pure."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

from fanout.basics.units import NS
from fanout.reasons import Reason

NONE = 1 << 63  # no limit: more than there can be
STUCK_PART = 16  # who is over a limit and loses nothing by it is looked at again after 1/16 of it


class Lag(NamedTuple):
    """How far a member is behind the front; see `Limits`.

    What its policy has no limit for is not looked up, and 0.
    """

    bytes: int
    messages: int
    age_ns: int
    log_bytes: int
    log_messages: int


@dataclass(frozen=True, slots=True)
class Limits:
    """A member that is further behind than one of these is a case for its policy.

    Args:
        bytes: that wait for it, as they lie in the log.
        messages: that wait for it: those that it wants.
        age_ns: since the oldest of them came.
        log_bytes: of log, between its cursor and the front, whoever wants them: what lies there
            cannot be overwritten.
        log_messages: the same in messages; small ones fill the index before the bytes.
    """

    bytes: int = NONE
    messages: int = NONE
    age_ns: int = NONE
    log_bytes: int = NONE
    log_messages: int = NONE

    def exceeded_by(self, lag: Lag) -> Reason | None:
        """By which kind of limit somebody is too far behind, None if by none."""
        if lag.log_bytes > self.log_bytes or lag.log_messages > self.log_messages:
            return Reason.LAG_LOG
        if lag.bytes > self.bytes:
            return Reason.LAG
        if lag.messages > self.messages:
            return Reason.LAG_MESSAGES
        return Reason.LAG_AGE if lag.age_ns > self.age_ns else None

    def part(self, share: float) -> Limits:
        """Such a share of each, rounded down."""
        values = [getattr(self, one.name) for one in fields(self)]
        return Limits(*(value if value == NONE else int(value * share) for value in values))


UNLIMITED = Limits()


def left_of(limit: int, lag: int) -> int:
    """How much may be added before a limit is exceeded by one; NONE if there is no limit."""
    if limit == NONE:
        return NONE
    return limit - lag + 1 if lag <= limit else max(1, limit // STUCK_PART)


def describe(lag: Lag, reason: Reason) -> str:
    """How far behind that is, for people."""
    if reason is Reason.LAG:
        return f"{lag.bytes:,} bytes wait for it"
    if reason is Reason.LAG_MESSAGES:
        return f"{lag.messages:,} messages wait for it"
    if reason is Reason.LAG_AGE:
        return f"its oldest message has waited for {lag.age_ns / NS:.1f} s"
    return f"is {lag.log_bytes:,} bytes or {lag.log_messages:,} messages of log behind"
