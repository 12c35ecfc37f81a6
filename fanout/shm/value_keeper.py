"""The value keeper: copies last values that are about to leave the log to a ring of their own.

Who publishes does it, under the send lock, a little each time when the log's limits are computed:
there is no other process that could be late, hang or die, so nobody waits for it. It looks through
the table of topics once in a quarter of the log, in as many steps as that takes. So it costs what
the table has for each quarter of the log, and one copy for each value that was not replaced since.

The order of stores is what readers rely on: the copy, the end of the ring, where the value is kept;
and only then may the log overwrite it. Interrupted anywhere it goes on from what it has stored: a
value that was copied twice is garbage in the ring, and nothing else.

The ring is cleaned as it is filled: what is still the last value is moved to its end, all else is
skipped. For each byte that comes, some of it are looked at, so no call takes long. As at least 1/4
of it is free for that, nothing is evicted while the values are within `max_bytes`; beyond it the
one is that would have to be moved next.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from fanout.shm import layout as at
from fanout.shm import value_layout as places
from fanout.shm.fence import keep_order
from fanout.shm.kept_values import ENTRY, KeptValues, entry_bytes
from fanout.shm.value_layout import EVICTED, KEYFRAME, NO_VALUE, PLACE_BITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fanout.shm.segment import Segment

PLACES_PER_STEP = 4_096  # looked through at once: 0.1 to 0.3 ms
STEPS_MAX = 16  # of one pass; with more places each step takes longer
PASSES = 4  # in a lap of the log
BEHIND = 3 / 8  # of the log: a pass copies the values that are further back when it begins
CLEANED = 4  # bytes of the ring that are looked at for each byte that is added
PLACE_MASK = (1 << PLACE_BITS) - 1

# Where a word is, its index there, and what is stored there.
_Store: TypeAlias = "tuple[memoryview[int], int, int]"


class _Marking(NamedTuple):
    """What a send marks, to be taken back if it does not commit."""

    head: int
    keyed: int  # how many topics were marked before
    marked: list[tuple[int, int]]  # places, and the ids of their topics


class ValueKeeper(KeptValues):
    """Writes the columns and the ring; the caller holds the send lock.

    Its mutable state, beside shared memory: the pass under way. Which values are in the ring
    follows from what is shared.

    Attributes:
        safe: every last value below this message is in the ring, or was evicted.
        steps: in which a pass is made.
    """

    def __init__(self, segment: Segment) -> None:
        super().__init__(segment)
        self._entries = segment.layout.entries
        self._largest = self._size // places.SLACK
        self.safe = 0
        self.steps = 1
        self._goal = 0
        self._next = 1
        self._stores: tuple[_Store, ...] = ()  # under way: all of them are made, or none
        self._marking: _Marking | None = None  # by the send that is under way
        for column in (self.last, self.kept):
            column[:] = array("Q", [NO_VALUE]) * len(column)

    def step(self, head: int) -> None:
        """A part of a pass."""
        if self._goal <= self.safe:
            self._begin(head, BEHIND + 1 / (2 * PASSES * self.steps))
            if self._goal <= self.safe:
                return
        first, safe, goal = self._next, self.safe, self._goal
        stop = min(self.known, first + max(PLACES_PER_STEP, self.known // STEPS_MAX + 1))
        column = self.last[first:stop].tolist()
        for place in [at_ for at_, last in enumerate(column, first) if safe <= last < goal]:
            last = self.last[place]
            is_keyframe = self.has_keyframes and self.is_keyframe(place, last)
            self.put(place, last, self.log.piece(last), is_keyframe=is_keyframe)
        self._next = stop
        if stop >= self.known:
            self._next = 1
            self.safe = goal

    def hurry(self, head: int) -> bool:
        """Make as much room as there can be; returns whether that is more than there was."""
        before = self.safe
        while self._goal > self.safe:
            self.step(head)
        self._begin(head, 1 / 2)
        while self._goal > self.safe:
            self.step(head)
        return self.safe > before

    def _begin(self, head: int, behind: float) -> None:
        """A new pass, for all that is so much of the log behind, in bytes or in messages."""
        log = self.log
        low = max(self.safe, head - self._entries + 1)
        limit = log.start_of(head) - int(log.size * behind)
        by_bytes = low + bisect_left(range(low, head), limit, key=log.start_of)
        by_count = head - int(self._entries * behind)
        self._next = 1
        self.steps = min(STEPS_MAX, -(-self.known // PLACES_PER_STEP))
        self._goal = max(by_bytes, by_count)

    # The ring.

    def put(self, place: int, sequence: int, wire: bytes, *, is_keyframe: bool = False) -> None:
        """Copy a value to the ring."""
        size = entry_bytes(len(wire))
        if size > self._largest:
            self._evict(place)
            return
        self._make_room(size)
        length = len(wire) | (KEYFRAME if is_keyframe else 0)
        self._append(place, ENTRY.pack(sequence, place, length) + wire, size)

    def _append(self, place: int, entry: bytes, size: int) -> None:
        words = self._words
        position = words[places.H_VALUES_TO]
        low = position % self._size
        first, room = self._base + low, self._size - low
        self._map[first : first + min(len(entry), room)] = entry[:room]
        if len(entry) > room:
            self._map[self._base : self._base + len(entry) - room] = entry[room:]
        keep_order()
        words[places.H_VALUES_TO] = position + size
        keep_order()
        self.kept[place] = position
        keep_order()

    def _make_room(self, size: int) -> None:
        words, looked_at = self._words, 0
        enough = size + self._size // places.SLACK
        while True:
            start, end = words[places.H_VALUES_FROM], words[places.H_VALUES_TO]
            free = self._size - (end - start)
            is_late = looked_at >= CLEANED * size
            if free >= enough or (is_late and free >= size):
                return
            sequence, place, length = ENTRY.unpack(self.copy(start, ENTRY.size))
            length &= ~KEYFRAME
            taken = entry_bytes(length)
            if self._is_live(place, sequence, start):
                if is_late or free < taken + size:
                    self._evict(place)
                else:
                    self._append(place, self.copy(start, ENTRY.size + length), taken)
            words[places.H_VALUES_FROM] = start + taken
            keep_order()  # before its bytes are used again
            looked_at += taken

    def _is_live(self, place: int, sequence: int, position: int) -> bool:
        is_last = self.last[place] == sequence and self.kept[place] == position
        return is_last and sequence >= self.expired

    def _evict(self, place: int) -> None:
        evicted = self._words[places.H_VALUES_EVICTED] + 1
        self._store((self.kept, place, EVICTED), (self._words, places.H_VALUES_EVICTED, evicted))

    # The columns.

    def give(self, place: int, topic_id: int) -> None:
        """Another topic has this place from now on; its former one loses its value.

        In this order: nobody takes the value of one for that of the other.
        """
        words, evicted, known = self._words, places.H_VALUES_EVICTED, places.H_VALUES_KNOWN
        stores = [(self.last, place, NO_VALUE), *self._named(place, topic_id)]
        stores.append((self.kept, place, NO_VALUE))
        if self.last[place] != NO_VALUE:
            stores.insert(0, (words, evicted, words[evicted] + 1))
            stores.append(self._one_more_forgotten())
        if place > words[known]:
            stores.append((words, known, place))
        self._store(*stores)

    def forget(self, place: int, topic_id: int) -> None:
        """The topic there has no value any more; what was published by another id is none.

        In this order: who looks at the id first, and finds that there were never keyframes, finds
        no value of a time when there were. And who finds that nothing was forgotten since he looked
        at values may still have one that is being forgotten, and none that was.
        """
        self._store(
            (self.last, place, NO_VALUE),
            (self.kept, place, NO_VALUE),
            *self._named(place, topic_id),
            self._one_more_forgotten(),
        )

    def settle(self) -> None:
        """After an interruption: what was begun is made whole, or is as if it had not begun.

        Interrupted itself, it is to be called again.
        """
        self._make_stores()
        self.end_marking()

    def note_keyframe(self, place: int, topic_id: int) -> None:
        """A message of this topic, which has the place, is about to be a keyframe.

        Before it is one: so who looks may find that there is none, and never one that is unknown.
        """
        if self.ids[place] == topic_id:
            if self._marking is not None:
                self._marking.marked.append((place, topic_id))
            self._words[places.H_VALUES_KEYED] += 1
            self.ids[place] = topic_id | KEYFRAME

    def begin_marking(self) -> None:
        """A send begins; topics that `note_keyframe()` marks for it stay so only if it commits.

        Of a topic that is marked, and has no keyframe, who subscribes is sent nothing.
        """
        self._marking = _Marking(self.log.head(), self._words[places.H_VALUES_KEYED], [])

    def end_marking(self) -> None:
        """It has committed, or not; does nothing if none has begun."""
        marking = self._marking
        if marking is None:
            return
        if marking.marked and self.log.head() == marking.head:  # no room, or it was interrupted
            for place, topic_id in marking.marked:
                self.ids[place] = topic_id
            self._words[places.H_VALUES_KEYED] = marking.keyed
        self._marking = None

    def _named(self, place: int, topic_id: int) -> Iterator[_Store]:
        """The stores by which a topic has another id, or a place another topic."""
        if self.ids[place] >= KEYFRAME:
            yield self._words, places.H_VALUES_KEYED, self._words[places.H_VALUES_KEYED] - 1
        yield self.ids, place, topic_id

    def _one_more_forgotten(self) -> _Store:
        return self._words, places.H_VALUES_FORGOTTEN, self.forgotten + 1

    def _store(self, *stores: _Store) -> None:
        """Make these in this order; if it is interrupted, `settle()` makes all of them."""
        self._stores = stores
        self._make_stores()

    def _make_stores(self) -> None:
        for column, index, value in self._stores:
            column[index] = value
            keep_order()
        self._stores = ()

    def note(self, sequence: int, topic_ids: Iterable[int]) -> None:
        """These messages are about to be committed."""
        last, mask = self.last, PLACE_MASK
        for each, topic_id in enumerate(topic_ids, sequence):
            last[topic_id & mask] = each

    def take_back(self, head: int, ids_of: Iterable[int]) -> None:
        """What was noted from the head on was not committed: find what was the last one before.

        Args:
            ids_of: the topics of those messages, and perhaps of others.
        """
        wrong = {topic_id & PLACE_MASK for topic_id in ids_of}
        wrong = {place for place in wrong if head <= self.last[place] < NO_VALUE}
        by_id = {self.ids[place] & ~KEYFRAME: place for place in wrong}
        stop, floor = head, self._words[at.H_FLOOR]
        while by_id and stop > floor:
            first = max(floor, stop - PLACES_PER_STEP)
            ids = [topic_id & ~KEYFRAME for topic_id in self.log.topic_ids(first, stop)]
            newest = dict(zip(ids, range(first, stop), strict=True))
            for topic_id in by_id.keys() & newest.keys():
                self.last[by_id.pop(topic_id)] = newest[topic_id]
            stop = first
        for place in by_id.values():
            self.last[place] = self._sequence_in_ring(place)

    def _sequence_in_ring(self, place: int) -> int:
        position = self.kept[place]
        if place == 0 or position >= EVICTED or position < self._words[places.H_VALUES_FROM]:
            return NO_VALUE
        sequence, _place, _length = ENTRY.unpack(self.copy(position, ENTRY.size))
        return int(sequence)
