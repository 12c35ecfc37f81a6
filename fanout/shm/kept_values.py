"""Kept values: the last message of each topic, found in any process; it never writes or waits.

The publisher notes of each topic with a *place* in a table which message was its last one, before
that is committed. The message stays in the log for as long as it is there anyway. Before it is
overwritten the publisher copies it to a ring of its own (`ValueKeeper`).

    last     by place: the sequence of the last message; NO_VALUE = there is none
    ids      by place: the id of the topic that has it now; another one once its value is forgotten;
             with `KEYFRAME` in it once one of its messages was to be a keyframe
    kept     by place: where in the ring it is, if it is not in the log; NO_VALUE, EVICTED

An entry of the ring is three words (the sequence, the place, and how many bytes follow, with
`KEYFRAME` in it if they are one) and the message as it travels, filled up to whole words. Who reads
one looks afterwards whether it may have been overwritten meanwhile, as with the log.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple

from fanout.shm import layout as at
from fanout.shm import value_layout as places
from fanout.shm.fence import keep_order
from fanout.shm.layout import WORD
from fanout.shm.reader import LogReader
from fanout.shm.value_layout import EVICTED, KEYFRAME, NO_VALUE
from fanout.shm.words import words_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.shm.segment import Segment

ENTRY = struct.Struct("=QQQ")  # sequence, place, bytes that follow; read back as bytes
LOOKS = 4  # tries to read a value that moves meanwhile: it moves once in a lap of the log


def entry_bytes(size: int) -> int:
    """What a message of so many bytes takes in the ring."""
    return ENTRY.size + -(-size // WORD) * WORD


class Found(NamedTuple):
    """A last value, as a private copy of its wire bytes."""

    sequence: int
    wire: bytes


class KeptValues:
    """Reads the last values of one publisher.

    Attributes:
        last, ids, kept: the columns, see above.
        log: where those are that are still there.
    """

    def __init__(self, segment: Segment) -> None:
        layout = segment.layout
        assert layout.table.places, "this publisher keeps none"
        self._words = segment.words
        self._map = segment.map
        table = layout.table
        self._base = layout.values + table.ring
        self._size = table.ring_bytes
        self.log = LogReader(segment)
        size, first = table.column_bytes, layout.values
        self.last, self.ids, self.kept = (
            words_at(segment, first + column * size, size) for column in range(places.COLUMNS)
        )

    @property
    def known(self) -> int:
        """Places that were ever given to a topic, counting that which stands for none."""
        return self._words[places.H_VALUES_KNOWN] + 1

    @property
    def expired(self) -> int:
        """What was published before this message is too old."""
        return self._words[places.H_VALUES_EXPIRED]

    @property
    def forgotten(self) -> int:
        """How often a topic has lost its value: it was forgotten, or its place given away."""
        return self._words[places.H_VALUES_FORGOTTEN]

    @property
    def keyed(self) -> int:
        """Topics with a place that have had keyframes."""
        return self._words[places.H_VALUES_KEYED]

    @property
    def has_keyframes(self) -> bool:
        """Whether some topic has had any."""
        return self._words[places.H_VALUES_KEYED] > 0

    def is_keyframe(self, place: int, sequence: int) -> bool:
        """Whether the last message there, which has this number, is one; no, if it is gone."""
        words = self._words
        if words[at.H_FLOOR] <= sequence:
            topic_id = self.log.topic_ids(sequence, sequence + 1)[0]
            keep_order()
            if words[at.H_FLOOR] <= sequence:
                return topic_id >= KEYFRAME
        position = self.kept[place]
        if position >= EVICTED:
            return False
        keep_order()
        found, owner, size = ENTRY.unpack(self.copy(position, ENTRY.size))
        keep_order()
        is_there = words[places.H_VALUES_FROM] <= position and (found, owner) == (sequence, place)
        return is_there and size >= KEYFRAME

    def find(self, place: int) -> Found | None:
        """The last value of the topic there; None = it has none, or not any more.

        It may be one that is not committed, if a send is under way: see the head.
        """
        for _ in range(LOOKS):
            sequence = self.last[place]
            if sequence == NO_VALUE or sequence < self.expired:
                return None
            wire = self.wire(place, sequence)
            if wire is not None:
                return Found(sequence, wire)
            if self.kept[place] == EVICTED and self.last[place] == sequence:
                return None
        return None

    def has_lost(self, place: int, sequence: int) -> bool:
        """Whether that message, which was the last one there, is not kept, nor will be again.

        Of one for which `find()` has found nothing.
        """
        is_evicted = self.kept[place] == EVICTED and self.last[place] == sequence
        return is_evicted or sequence < self.expired or sequence == NO_VALUE

    def wire(self, place: int, sequence: int) -> bytes | None:
        """That message, if it is still the last one there; from the log or from the ring."""
        words = self._words
        keep_order()
        if words[at.H_FLOOR] <= sequence:
            wire = self.log.piece(sequence)
            keep_order()
            if words[at.H_FLOOR] <= sequence:
                return wire
        position = self.kept[place]
        if position >= EVICTED:
            return None
        keep_order()
        found, owner, size = ENTRY.unpack(self.copy(position, ENTRY.size))
        wire = self.copy(position + ENTRY.size, min(size & ~KEYFRAME, self._size))
        keep_order()
        if words[places.H_VALUES_FROM] <= position and (found, owner) == (sequence, place):
            return wire
        return None

    def in_log(self, sequences: Sequence[int], most_bytes: int) -> dict[int, bytes]:
        """Those of some committed messages that are still in the log, all at once in less time.

        What is overwritten meanwhile is not among them, nor need be what is not: see `wire()`.

        Args:
            sequences: ascending, each once.
            most_bytes: of the first ones, as many as have so many bytes.
        """
        words, log = self._words, self.log
        keep_order()
        some = sequences[bisect_left(sequences, words[at.H_FLOOR]) :]
        bounds = [*accumulate(log.sizes(some), initial=0)]
        some = some[: bisect_right(bounds, most_bytes) - 1]
        if not some:
            return {}
        data = log.joined(some)
        keep_order()
        if words[at.H_FLOOR] > some[0]:
            return {}
        pieces = [data[low:high] for low, high in pairwise(bounds[: len(some) + 1])]
        return dict(zip(some, pieces, strict=True))

    def copy(self, position: int, size: int) -> bytes:
        """So many bytes of the ring from a position on."""
        low = position % self._size
        first = self._base + low
        room = self._size - low
        if size <= room:
            return self._map[first : first + size]
        return self._map[first : first + room] + self._map[self._base : self._base + size - room]
