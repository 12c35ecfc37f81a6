"""Effects: what the pump has found out and the shell has to do. Pure data."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, TypeAlias

from fanout.basics.records import record
from fanout.reasons import Reason

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member


@record
class Lost:
    """The member's connection is of no use any more; the shell closes it.

    Args:
        reason: why.
        text: the same for people, with figures.
    """

    member: Member
    reason: Reason
    text: str


@record
class Slowed:
    """The member is too far behind and has begun to lose messages."""

    member: Member
    text: str


@record
class Stalled:
    """The member takes nothing, and has lost nothing by that yet."""

    member: Member
    text: str


@record
class Recovered:
    """A member that was slow or stalled has caught up."""

    member: Member


Effect: TypeAlias = Lost | Slowed | Stalled | Recovered


def broken(error: OSError, doing: str = "the connection broke") -> tuple[Reason, str]:
    """Why a connection is of no use any more of which the system says this, and the same in words.

    Args:
        doing: what was found out by the error.
    """
    if error.errno == errno.ETIMEDOUT:
        return Reason.UNACKNOWLEDGED, Reason.UNACKNOWLEDGED.text
    return Reason.BROKEN, f"{doing}: {error.strerror or error}"
