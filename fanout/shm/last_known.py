"""What is known of a subscriber whose worker is lost: its last checkpoint, or its last record.

Both are written now and then, and a record at once when messages are lost. So it may be that one
was lost, or a worker has gone on with it, and no checkpoint says so yet. And a checkpoint may be
half-written, for ever if its worker died while it was: then some of its words say what others do
not know of. A record is never.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.shm.stream_record import StreamRecord, StreamSlot
from fanout.shm.subscriber_slot import Checkpoint, SubscriberSlot

if TYPE_CHECKING:
    from fanout.shm.segment import Segment

# What a record has of a checkpoint.
_NAMES = [name for name in Checkpoint._fields[3:] if name in StreamRecord._fields]
BEHIND = 1  # monotonic ns: since the start of the machine, for all that is known


def last_known(segment: Segment, index: int, subscriber: int) -> Checkpoint:
    """The figures of a subscriber as its worker has left them; zeros if it has not taken it yet.

    Its worker may write on meanwhile: then the checkpoint counts.

    Args:
        index: of its slot.
    """
    slot = SubscriberSlot(segment, index)
    last = slot.read(subscriber)
    stream = StreamSlot(segment, index)
    count = stream.count
    record = stream.read(subscriber)
    if record is None or stream.count != count:
        return last
    is_torn = slot.is_torn
    if not is_torn and not _is_newer(record, last):
        return last
    # Of what came since the record nobody knows what was sent, if some of it may be lost.
    lost = is_torn or record.dropped + record.conflated - last.dropped - last.conflated
    known = {name: getattr(record, name) for name in _NAMES}
    return last._replace(
        **known,
        position=record.start + record.offset,
        sequence=record.sequence,
        offset=record.offset,
        blocked_since=last.blocked_since or (BEHIND if lost else 0),
    )


def _is_newer(record: StreamRecord, last: Checkpoint) -> bool:
    """Whether something has happened since the checkpoint that the record knows of."""
    mine = record.stream_bytes, record.counted, record.matched, record.sent, record.dropped
    its = last.stream_bytes, last.counted, last.matched, last.sent, last.dropped
    return mine != its and all(a >= b for a, b in zip(mine, its, strict=True))
