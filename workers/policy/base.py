"""What a policy is asked, and what it may answer. Pure.

The pump asks for members that are over the limits of their policy, and for nobody else: while all
keep up, a policy costs nothing. It computes the lag, and it carries the verdict out. A policy knows
neither log nor member, only figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from fanout.workers.policy.limits import Limits


class Lag(NamedTuple):
    """How far a member is behind the front."""

    bytes: int  # of log
    messages: int  # of log, whether it wants them or not
    silent_ns: int  # since its socket last took a byte


class KeepNewest(NamedTuple):
    """The member jumps: of the log below the front it keeps only the newest so much.

    Said in amounts, not as the message to jump to: that is the same for all members with equal
    verdicts, and the pump looks it up once for all of them.
    """

    bytes: int
    messages: int


class Wait(NamedTuple):
    """Nothing is done to the member: the publisher waits for it, once the log is full."""


Verdict: TypeAlias = KeepNewest | Wait


class Policy(Protocol):
    """What happens to a member that is too far behind."""

    @property
    def limits(self) -> Limits:
        """Up to which a member may be behind without being judged."""

    @property
    def patience(self) -> Limits:
        """Up to which a member may be behind and take nothing, before it is in the way."""

    def judge(self, lag: Lag) -> Verdict:
        """What happens to a member that is so far behind, which is over the limits."""
