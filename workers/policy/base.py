"""What a policy is asked, and what it may answer. Pure.

The pump asks for members that are over the limits of their policy, and for nobody else: while all
keep up, a policy costs nothing. It computes the lag, and it carries the verdict out. A policy knows
neither log nor member, only figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from fanout.workers.policy.limits import NONE

if TYPE_CHECKING:
    from fanout.reasons import Reason
    from fanout.workers.policy.limits import Lag, Limits


class KeepNewest(NamedTuple):
    """The member jumps: of what waits for it, it keeps only the newest so much."""

    reason: Reason
    bytes: int = NONE
    messages: int = NONE
    age_ns: int = NONE


class KeepOfLog(NamedTuple):
    """The member jumps: of the log below the front it keeps only the newest so much.

    Said in amounts, not as the message to jump to: that is the same for all members with equal
    verdicts, and the pump looks it up once for all of them.
    """

    bytes: int
    messages: int


class FinishThenJump(NamedTuple):
    """The member gets what waits for it now, loses what comes meanwhile, and then goes on."""

    reason: Reason


class Thin(NamedTuple):
    """Of what waits for the member it keeps the newest of each topic; and so much of the log."""

    of_log: KeepOfLog


class Part(NamedTuple):
    """The member's connection is closed."""

    reason: Reason


class Wait(NamedTuple):
    """Nothing is done to the member: the publisher waits for it."""


Verdict: TypeAlias = KeepNewest | KeepOfLog | FinishThenJump | Thin | Part | Wait


class Policy(Protocol):
    """What happens to a member that is too far behind."""

    @property
    def limits(self) -> Limits:
        """Up to which a member may be behind without being judged."""

    @property
    def soft(self) -> Limits:
        """Up to which it may be behind without being reported as slow; none is above `limits`."""

    @property
    def patience(self) -> Limits:
        """Up to which a member may be behind and take nothing, before it is in the way."""

    @property
    def max_rate(self) -> int:
        """Bytes a second that it is sent at most; 0 = as many as it takes."""

    @property
    def conflates(self) -> bool:
        """Whether what waits for a member is thinned whenever it is served, see `Thin`."""

    @property
    def min_interval_ns(self) -> int:
        """Between the times when a member is sent something; 0 = whenever there is something."""

    def judge(self, lag: Lag) -> Verdict:
        """What happens to a member that is so far behind, which is over the limits."""
