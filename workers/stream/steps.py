"""Steps: one send to a blocked member, and what it came to. Pure."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member


class Step(enum.Enum):
    """What one step of a backlog came to."""

    MORE = "more"  # there is more to send, and the socket took all of this
    FULL = "full"  # the socket took less than it was given
    LATER = "later"  # what to send next is being looked for, and there was no time for all of it
    PASSED = "passed"  # the newest of each topic were sent, and the next time is not yet
    DONE = "done"  # the member has everything up to the front


def is_plain(member: Member) -> bool:
    """Whether a blocked member is sent what its cohort wants up to the front, and nothing else."""
    return not (
        member.older
        or member.spill
        or member.control
        or member.conflating
        or member.gaps is not None
        or member.mark is not None
        or member.snapshots is not None
        or member.replay is not None
        or member.finishing is not None
        or member.sealed is not None
        or member.cohort is None
    )


def send(member: Member, data: bytes | memoryview) -> int:
    """Bytes of messages that its socket took; the pump adds them to the totals."""
    try:
        count = member.send(data)
    except BlockingIOError:
        return 0
    member.sent_bytes += count
    return count
