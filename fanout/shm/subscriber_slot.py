"""Subscriber slots: where each subscriber's stream stands, as its worker last wrote it down."""

from __future__ import annotations

import struct
from array import array
from contextlib import suppress
from itertools import compress
from typing import TYPE_CHECKING, NamedTuple

from fanout.shm import fence as fences
from fanout.shm import layout as at
from fanout.shm.fence import keep_order
from fanout.shm.header import slots_used
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
    matched_bytes: int = 0
    dropped_bytes: int = 0
    conflated: int = 0
    conflated_bytes: int = 0
    dropped_messages: int = 0  # of `dropped`: because of a limit in messages
    dropped_age: int = 0  # because of one in seconds
    dropped_log: int = 0  # because of the log
    dropped_messages_bytes: int = 0
    dropped_age_bytes: int = 0
    dropped_log_bytes: int = 0
    oldest: int = 0  # the oldest message that is queued, if any is
    kernel_bytes: int = 0  # not acknowledged by the peer, when the kernel was last asked
    rate: int = 0  # messages sent in the last second
    rate_bytes: int = 0
    uncounted: int = 0  # 1 = it is to be sent more of the past, which is in no figure

    @property
    def queued(self) -> int:
        """Messages that matched and were not sent, dropped or conflated."""
        return self.matched - self.sent - self.dropped - self.conflated

    @property
    def queued_bytes(self) -> int:
        """Their bytes; of the one that is partly sent, the rest."""
        gone = self.sent_bytes + self.dropped_bytes + self.conflated_bytes
        return self.matched_bytes - gone


NOTHING = Checkpoint(0, 0, 0, 0, 0, 0, 0, 0, 0)
_FIRST = at.S_POSITION
_STOP = _FIRST + len(Checkpoint._fields)
_WORDS = slice(_FIRST, _STOP)
_FIGURES = at.S_BANKS  # words of a slot; what follows is for who takes over
_EACH = at.SUBSCRIBER_SLOT_BYTES // at.WORD
# What is packed and stored at once takes a third of the time of `array("Q", checkpoint)`. There is
# one such piece of memory for all slots: a process that writes checkpoints does so on one thread.
_packed = array("Q", NOTHING)
_nothing = array("Q", NOTHING)
_pack_into = struct.Struct(f"{len(NOTHING)}Q").pack_into
assert at.S_UNCOUNTED == _STOP - 1, "the fields of a checkpoint are the words of a slot"


class SubscriberSlot(Record):
    """The words of one subscriber; the worker that owns it writes, everybody reads.

    Args:
        index: of the slot, 0 to `max_subscribers` - 1.
    """

    __slots__ = ()

    def __init__(self, segment: Segment, index: int) -> None:
        offset = segment.layout.subscriber_slots + index * at.SUBSCRIBER_SLOT_BYTES
        super().__init__(words_at(segment, offset, _FIGURES * at.WORD))

    id = Word(at.S_ID, "subscriber id, 0 = free")
    # Of the checkpoint; set between two of them as well.
    uncounted = Word(at.S_UNCOUNTED, "1 = it is to be sent more of the past, which is in no figure")

    def take(self, subscriber: int) -> None:
        """Make it this subscriber's, with nothing counted yet."""
        words = self.words
        version = words[at.S_VERSION] | 1  # no number of a former owner comes again
        words[at.S_VERSION] = version
        keep_order()
        words[_WORDS] = _nothing
        words[at.S_BANK] = words[at.S_ACTED] = 0
        words[at.S_HANDED] = words[at.S_TAKEN] = words[at.S_TAKING] = 0
        keep_order()
        words[at.S_ID] = subscriber  # last: even a torn slot never gives it another's figures
        words[at.S_VERSION] = version + 1

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write down where the stream stands; also if a worker died while it did so."""
        words = self.words
        version = words[at.S_VERSION] | 1
        words[at.S_VERSION] = version
        _pack_into(_packed, 0, *checkpoint)
        if fences.BARRIER is not None:
            fences.BARRIER()
        words[_WORDS] = _packed
        if fences.BARRIER is not None:
            fences.BARRIER()
        words[at.S_VERSION] = version + 1

    @property
    def is_torn(self) -> bool:
        """Whether its worker died, or is, in the middle of writing it."""
        return bool(self.words[at.S_VERSION] & 1)

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
    """All slots at once that were ever used: thousands in some milliseconds."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        layout = segment.layout
        size = layout.subscribers * at.SUBSCRIBER_SLOT_BYTES
        self._words = words_at(segment, layout.subscriber_slots, size)

    def ids(self) -> list[int]:
        """Of the subscribers, by slot; 0 = free, and its other words say nothing."""
        return self._column(at.S_ID)

    def column(self, field: str) -> list[int]:
        """This field of all checkpoints, by slot."""
        return self._column(_FIRST + Checkpoint._fields.index(field))

    def dropped(self) -> list[int]:
        """Messages dropped, by slot."""
        return self._column(at.S_DROPPED)

    def _column(self, word: int) -> list[int]:
        stop = slots_used(self._segment) * _EACH
        values: list[int] = self._words[word:stop:_EACH].tolist()
        return values

    def _length(self) -> int:
        """How many slots there are up to the last one that is taken: the first ones go first."""
        stop = slots_used(self._segment) * _EACH
        ids = self._words[at.S_ID : stop : _EACH].tobytes().rstrip(b"\0")
        return -(-len(ids) // at.WORD)

    def sums(self) -> Checkpoint:
        """The sums of what their checkpoints say, each of which is whole.

        Only those of counters mean something. What they take goes by how many there are, and not by
        how many there may be.
        """
        count = self._length()
        words = self._words[: count * _EACH]
        before = words[at.S_VERSION :: _EACH].tolist()
        keep_order()
        columns: list[list[int]] = [words[word::_EACH].tolist() for word in range(at.S_ID, _STOP)]
        keep_order()
        after = words[at.S_VERSION :: _EACH].tolist()
        for slot, (first, last) in enumerate(zip(before, after, strict=True)):
            if first == last and not first & 1:
                continue
            here = words[slot * _EACH : slot * _EACH + _FIGURES]
            with suppress(StuckRecord):  # whose worker died while it wrote
                values = read_consistent(here, at.S_VERSION)
                for column, value in zip(columns, values[at.S_ID :], strict=False):
                    column[slot] = value
        taken = columns.pop(0)
        return Checkpoint(*(sum(compress(column, taken)) for column in columns))
