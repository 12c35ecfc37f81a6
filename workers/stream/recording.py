"""Recording: what another worker has to know to go on with a member's stream. Pure.

What was sent after a record follows from the log, from what the member wants and from how many
bytes its socket took. So a record is written before anything is sent that does not follow from
these: before something is said, after a jump, before a change of wants; and now and then, so that
the log need not keep all that came since. See `fanout.shm.stream_record`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.shm.stream_record import Kind, StreamRecord
from fanout.shm.subscriber_slot import Checkpoint
from fanout.shm.worker_slot import NO_TAIL
from fanout.workers.policy.block import Block
from fanout.workers.stream.spills import Copy

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member


_GOES_ON, _WANTS_NOTHING = Kind.GOES_ON, Kind.WANTS_NOTHING  # each look at an enum is a call
_COUNTED = *Checkpoint._fields[3:7], *Checkpoint._fields[8:20]  # what a record has, too
assert [*StreamRecord._fields[10:-3]] == [*_COUNTED], "in the same order"


def record_of(
    member: Member,
    said: bytes = b"",
    acted: int = 0,
    will_want: bool = False,
    seen: Checkpoint | None = None,
) -> StreamRecord:
    """The record of a member that was just settled; it points to nothing.

    Its speech may be longer than there is room for in a record.

    Args:
        said: what is to be said to it next, and follows from nothing.
        acted: bytes of its input on which all is done when that is said.
        will_want: it is about to want something from here on.
        seen: its checkpoint of this instant, if there is one.
    """
    counted = member.figures() if seen is None else (*seen[3:7], *seen[8:20])
    sequence, offset = member.sequence, member.offset
    if not member.blocked:  # nearly all: at the front, between two messages
        kind, needed = _GOES_ON, sequence
        if member.cohort is None and not will_want:
            kind, needed = _WANTS_NOTHING, NO_TAIL
        place = kind, needed, sequence, 0, member.position, sequence, 0, 0, 0, 0
        # As StreamRecord(...), in half the time.
        return tuple.__new__(StreamRecord, (*place, *counted, sequence, acted, said))
    following = sequence
    if member.spill:
        message = memoryview(member.spill).obj
        assert isinstance(message, Copy)
        following, sequence, start = sequence, member.spilled, message.start
        offset = len(message) - len(member.spill)
    else:
        start = member.position - (offset if member.encoding is None else 0)
        if offset and said:
            following = sequence + 1
    kind, needed = _GOES_ON, NO_TAIL
    if will_want or following != sequence or _wants(member):
        # The publisher waits for who blocks; for who does not, it must not.
        is_next = following <= sequence + 1 or isinstance(member.policy, Block)
        if member.replay is not None and member.spill:
            is_next = False  # it may be so far back that there would be no room for a message
        needed = min(sequence, following) if is_next else following
    else:
        kind = _WANTS_NOTHING
    place = kind, needed, sequence, offset, start, following, 0, 0, 0, 0
    wanted_from = following if member.replay is None else max(following, member.replay.until)
    rest = wanted_from, acted, member.control + said
    return tuple.__new__(StreamRecord, (*place, *counted, *rest))


def _wants(member: Member) -> bool:
    return member.cohort is not None or bool(member.older) or member.offset > 0
