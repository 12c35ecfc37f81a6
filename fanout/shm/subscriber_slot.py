"""Subscriber slots: where each subscriber's stream stands, as its worker last wrote it down."""

from __future__ import annotations

import struct
from array import array
from typing import TYPE_CHECKING, NamedTuple

from fanout.shm import fence as fences
from fanout.shm import layout as at
from fanout.shm.fence import keep_order
from fanout.shm.words import Record, StuckRecord, Word, read_consistent, words_at

if TYPE_CHECKING:
    from fanout.shm.segment import Segment


class Checkpoint(NamedTuple):
    """The stream position of a subscriber, and its counters at that position.

    The fields are in the order of the words in the slot.
    """

    position: int  # in the log, of the next byte to send, when it takes everything
    sequence: int  # next message that is not wholly sent
    offset: int  # bytes of that message that were sent
    matched: int  # messages, as all that follow but for bytes
    sent: int
    sent_bytes: int  # of messages
    dropped: int
    blocked_since: int  # monotonic ns of its last progress, 0 = its socket takes what it gets
    stream_bytes: int  # every byte ever handed to the kernel on this connection
    counted: int = 0  # messages below this are in `matched`, if it wanted them

    @property
    def queued(self) -> int:
        """Messages that matched and were neither sent nor dropped."""
        return self.matched - self.sent - self.dropped


NOTHING = Checkpoint(0, 0, 0, 0, 0, 0, 0, 0, 0)
_FIRST = at.S_POSITION
_STOP = _FIRST + len(Checkpoint._fields)
_WORDS = slice(_FIRST, _STOP)
# What is packed and stored at once takes a third of the time of `array("Q", checkpoint)`. There is
# one such piece of memory for all slots: a process that writes checkpoints does so on one thread.
_packed = array("Q", NOTHING)
_pack_into = struct.Struct(f"{len(NOTHING)}Q").pack_into
assert at.S_COUNTED == _STOP - 1, "the fields of a checkpoint are the words of a slot"


class SubscriberSlot(Record):
    """The words of one subscriber; the worker that owns it writes, everybody reads.

    Args:
        index: of the slot, 0 to `max_subscribers` - 1.
    """

    __slots__ = ()

    def __init__(self, segment: Segment, index: int) -> None:
        offset = segment.layout.subscriber_slots + index * at.SUBSCRIBER_SLOT_BYTES
        super().__init__(words_at(segment, offset, at.SUBSCRIBER_SLOT_BYTES))

    id = Word(at.S_ID, "subscriber id, 0 = free")

    def take(self, subscriber: int) -> None:
        """Make it this subscriber's, with nothing counted yet."""
        words = self.words
        version = words[at.S_VERSION] | 1  # no number of a former owner comes again
        words[at.S_VERSION] = version
        keep_order()
        words[_FIRST:_STOP] = array("Q", NOTHING)
        keep_order()
        words[at.S_ID] = subscriber  # last: even a torn slot never gives it another's figures
        words[at.S_VERSION] = version + 1

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write down where the stream stands."""
        words = self.words
        version = words[at.S_VERSION]
        words[at.S_VERSION] = version + 1
        _pack_into(_packed, 0, *checkpoint)
        if fences.BARRIER is not None:
            fences.BARRIER()
        words[_WORDS] = _packed
        if fences.BARRIER is not None:
            fences.BARRIER()
        words[at.S_VERSION] = version + 2

    def read(self, subscriber: int) -> Checkpoint:
        """What was last written for this subscriber; zeros if its worker has not taken it yet.

        A slot whose worker died while it wrote is read as it is.
        """
        try:
            values = read_consistent(self.words, at.S_VERSION)
        except StuckRecord:
            values = self.words.tolist()
        if values[at.S_ID] != subscriber:
            return NOTHING
        return Checkpoint(*values[_FIRST:_STOP])

    def free(self) -> None:
        """Nobody's any more: the coordinator's, when the worker is done with it."""
        words = self.words
        words[at.S_ID] = 0
        words[at.S_VERSION] += words[at.S_VERSION] & 1  # whose worker died while it wrote


class SubscriberSlots:
    """One word of all slots at once: thousands in less than a millisecond."""

    def __init__(self, segment: Segment) -> None:
        layout = segment.layout
        size = layout.subscribers * at.SUBSCRIBER_SLOT_BYTES
        self._words = words_at(segment, layout.subscriber_slots, size)

    def ids(self) -> list[int]:
        """Of the subscribers, by slot; 0 = free, and its other words say nothing."""
        return self._column(at.S_ID)

    def column(self, field: str) -> list[int]:
        """This field of all checkpoints, by slot."""
        return self._column(_FIRST + Checkpoint._fields.index(field))

    def sent(self) -> list[int]:
        """Messages sent, by slot."""
        return self._column(at.S_SENT)

    def dropped(self) -> list[int]:
        """Messages dropped, by slot."""
        return self._column(at.S_DROPPED)

    def _column(self, word: int) -> list[int]:
        values: list[int] = self._words[word :: at.SUBSCRIBER_SLOT_BYTES // at.WORD].tolist()
        return values
