"""Effects: what the pump has found out and the shell has to do. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from fanout.reasons import Reason
    from fanout.workers.stream.member import Member


@dataclass(frozen=True, slots=True)
class Lost:
    """The member's connection is of no use any more; the shell closes it.

    Args:
        reason: why.
        text: the same for people, with figures.
    """

    member: Member
    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class Slowed:
    """The member is too far behind and has begun to lose messages."""

    member: Member
    text: str


@dataclass(frozen=True, slots=True)
class Recovered:
    """A member that was slow has caught up."""

    member: Member


Effect: TypeAlias = Lost | Slowed | Recovered
