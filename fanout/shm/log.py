"""The log's writer: messages in shared memory exactly as they travel on the wire.

`LogWriter` appends, in the publisher's process, one caller at a time. `LogReader` (reader.py) finds
messages, in any process, and never writes. Neither waits, locks or knows of subscribers.

The writer's order of stores is the whole algorithm: poison, bytes, index, HEAD. The poison word
names the head that will be committed, so the one store of HEAD both commits and lowers the flag.
Where the next message goes follows from the last commit (`load()`), so an interruption anywhere
leaves nothing to undo but the poison word.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias

from fanout.shm import fence as fences
from fanout.shm import layout as at
from fanout.shm.credit import FREE, UNBOUNDED, Credit, least, write_credit
from fanout.shm.layout import H_FLOOR, H_HEAD, H_KNOWN_CREDIT, H_POISON, MESSAGE_PART

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from fanout.shm.segment import Segment

Buffer: TypeAlias = "bytes | memoryview"

NO_SPACE = -1
CREDIT_LOOKS = 2  # so often it is looked whether what was written is what there is
REFRESH_PART = MESSAGE_PART  # the limits hold for 1/4 of the log at most: then look at the tails


class LogWriter:
    """Appends messages; not thread-safe: the caller holds the send lock.

    Its mutable state is in shared memory, but for the two limits, which may lag behind the tails
    and are then merely too careful, and for a note of where the next message goes.

    Attributes:
        following: sequence and position of the next message and the offset of its first byte in the
            segment; None while a message is being written, and after that was interrupted.
        is_stale: credit was taken back, and has not been looked at since.
    """

    def __init__(self, segment: Segment, tails: Sequence[int] = ()) -> None:
        layout = segment.layout
        self._map = segment.map
        self._words = segment.words
        self._base = layout.data
        self._size = layout.data_bytes
        self._stop = layout.data + layout.data_bytes
        self._ends = segment.words[layout.ends // at.WORD :][: layout.entries]
        self._topics = segment.words[layout.topics // at.WORD :][: layout.entries]
        self._mask = layout.entries - 1
        self._fence = None if fences.STORES_STAY_IN_ORDER else fences.make_fence()
        self._barrier = fences.make_fence()
        self._position_limit = 0
        self._sequence_limit = 0
        self._credit = FREE
        self.is_stale = False
        self._room = 0, 0  # up to which position and sequence the tails let it write
        self._refresh_part = REFRESH_PART
        self.following: tuple[int, int, int] | None = None
        self.load()
        self.refresh(tails)

    @property
    def head(self) -> int:
        """Sequence of the next message."""
        return self._words[H_HEAD]

    @property
    def position(self) -> int:
        """Bytes committed since the start."""
        return self._ends[(self._words[H_HEAD] - 1) & self._mask]

    @property
    def entries(self) -> int:
        """Messages that the index holds."""
        return len(self._ends)

    @property
    def flag(self) -> int:
        """The poison word: the head that is being, or was last, committed."""
        return self._words[H_POISON]

    def lower_flag(self) -> None:
        """Forget what was being written; the caller has proven that nothing of it was committed."""
        self._words[H_POISON] = self.head
        self.load()

    def ask_for(self, tail: int) -> None:
        """Have the workers ring when the smallest of their tails is there; 0 = they need not."""
        self._words[at.H_WANTED] = tail

    def start_of(self, sequence: int) -> int:
        """Position of the first byte of a message that is still in the index, or of head."""
        return self._ends[(sequence - 1) & self._mask]

    def load(self) -> None:
        """Read from shared memory where the next message goes; nowhere if the flag is up."""
        head, position = self.head, self.position
        is_poisoned = self._words[H_POISON] != head
        offset = self._base + position % self._size
        self.following = None if is_poisoned else (head, position, offset)

    def refresh(
        self, tails: Iterable[int], look_again: Callable[[], Iterable[int]] | None = None
    ) -> None:
        """Compute how far may be written, from the sequences that the workers still need.

        A worker that needs nothing (NO_TAIL) holds nothing back; when it wants to start at the
        present head later, that is above every limit computed before.

        A worker may also *go back*, to what is still there: it sets its tail, and then looks at the
        floor; here the floor is set, and then the tails are looked at once more. So one of both
        sees the other, and nobody waits. A tail below the floor of before belongs to a worker that
        has come too late: it sees that, and what is there may be overwritten already.

        Args:
            look_again: reads the tails anew; None = no worker goes back.
        """
        before = self._words[H_FLOOR]
        limits = self._limits(max(before, min([self.head, *tails])))
        floor = self._floor(limits, before)
        self._words[H_FLOOR] = floor
        if look_again is not None:
            self._barrier()
            late = min([floor, *look_again()])
            if late < floor:
                limits = self._limits(max(late, before))
                floor = self._floor(limits, before)
        # In this order: interrupted in between, the floor is too high, and nobody is misled.
        self._room = limits
        self._set_limits()
        self._words[H_FLOOR] = floor

    def _set_limits(self) -> None:
        position, sequence = self._room
        self._position_limit = min(position, self._credit.position)
        self._sequence_limit = min(sequence, self._credit.sequence)
        if self.is_stale:  # by another thread, since the look at the credit began
            self._position_limit = 0

    def _limits(self, tail: int) -> tuple[int, int]:
        """Up to which position and sequence may be written, if this tail is to stay."""
        head = self.head
        return (
            min(self.start_of(tail) + self._size, self.position + self._size // self._refresh_part),
            # One entry stays: the end of the message before the tail is the start of the tail.
            min(tail + self._mask, head + len(self._ends) // self._refresh_part),
        )

    def _floor(self, limits: tuple[int, int], before: int) -> int:
        """The first message of which nothing is overwritten within these limits.

        Args:
            before: the floor up to now, below which it is not looked for.
        """
        position, sequence = limits
        low = max(before, sequence - self._mask)
        begins = position - self._size
        return low + bisect_left(range(low, self.head), begins, key=self.start_of)

    def go_by(self, credit: Callable[[int, int], Credit], size: int, count: int) -> None:
        """Go no further than this, nor than `refresh()` has found, but for one call of that size.

        A call is not cut: it goes if there is any credit left. A worker may also *take back* what
        it has given: it writes the less, and then looks at what is gone by; here that is written,
        and then the credit is looked at once more. So one of both sees the other, and nobody waits.

        Args:
            credit: finds it, from where the next message goes.
        """
        head, end = self.head, self.position
        self.is_stale = False
        found = credit(head, end)
        for _ in range(CREDIT_LOOKS):
            known = found
            write_credit(self._words, H_KNOWN_CREDIT, known)
            self._barrier()
            found = credit(head, end)
            if known == found or known.reaches(found, end):
                break
        if known != found:  # of more than is written, nobody would see what to take back
            found = least((known, found))
        sequence, position, room = found
        if not found.allows(head, end):
            position = 0
        elif found.has_room(end):
            sequence, position = UNBOUNDED, max(room, end + size)
        else:
            sequence, position = max(sequence, head + count), max(position, end + size)
        self._credit = Credit(sequence, position)
        self._set_limits()

    def has_room(self, size: int, count: int) -> bool:
        """Whether only for want of credit that may not fit, by the last look."""
        position, sequence = self._room
        return self.position + size <= position and self.head + count <= sequence

    def hold(self) -> None:
        """Take nothing more before the next look at the credit: some was taken back. Any thread.

        In this order: who looks just now sets his limit and then sees this, or has it set to 0.
        """
        self.is_stale = True
        self._position_limit = 0

    def fits(self, size: int, count: int) -> bool:
        """Whether so many bytes and messages fit, as of the last `refresh()`."""
        return (
            self.position + size <= self._position_limit
            and self.head + count <= self._sequence_limit
        )

    def wanted_tail(self, size: int, count: int, share: int) -> int:
        """The tail at which so many bytes and messages would fit, and 1/share of the log more.

        Never above head, so that it can be reached. It is looked for from the floor on: what the
        index says of messages before that, a send may have overwritten that was interrupted.
        """
        head, ends, mask = self.head, self._ends, self._mask
        position = self.position + size - self._size + self._size // share
        low = max(self._words[H_FLOOR], head - mask)
        by_size = bisect_left(range(low, head), position, key=lambda s: ends[(s - 1) & mask]) + low
        by_count = head + count - mask + mask // share
        return max(1, min(head, max(by_size, by_count)))

    def append(self, wire: bytes, topic_id: int) -> int:
        """Commit one message; returns its sequence, or NO_SPACE with nothing changed.

        None of the methods that append may be called while `following` is None.
        """
        sequence, start, offset = self.following  # type: ignore[misc]  # not None: see above
        size = len(wire)
        end = start + size
        if end > self._position_limit or sequence >= self._sequence_limit:
            return NO_SPACE
        words = self._words
        head = sequence + 1
        self.following = None
        words[H_POISON] = head
        stop = offset + size
        if stop < self._stop:
            self._map[offset:stop] = wire
        else:
            self._write(start, wire)
            stop = self._base + end % self._size
        slot = sequence & self._mask
        self._ends[slot] = end
        self._topics[slot] = topic_id
        if self._fence is None:
            words[H_HEAD] = head
        else:
            self._store_head(head)
        self.following = head, end, stop
        return sequence

    def append_parts(self, parts: Sequence[bytes], topic_id: int) -> int:
        """As `append`, for a message in pieces; large payloads are copied once, into the log."""
        sequence = self.head
        start = self.start_of(sequence)
        end = start + sum(map(len, parts))
        if end > self._position_limit or sequence >= self._sequence_limit:
            return NO_SPACE
        self._raise_flag(sequence + 1)
        position = start
        for part in parts:
            self._write(position, part)
            position += len(part)
        self._ends[sequence & self._mask] = end
        self._topics[sequence & self._mask] = topic_id
        self._note(sequence, (topic_id,))
        self._commit(sequence + 1)
        return sequence

    def append_batch(self, wires: Sequence[bytes], topic_ids: Sequence[int]) -> int:
        """Commit many messages at once, all or none; returns the sequence of the first."""
        start = self.start_of(self.head)
        positions = accumulate(map(len, wires), initial=start)
        next(positions)
        return self._append_many(b"".join(wires), positions, topic_ids)

    def append_joined(self, data: Buffer, ends: Sequence[int], topic_ids: Sequence[int]) -> int:
        """As `append_batch`, for messages that are back to back already.

        Args:
            data: bytes, or a view of some.
            ends: where each of them ends in `data`; the last one where that ends.
        """
        start = self.start_of(self.head)
        return self._append_many(data, map(start.__add__, ends), topic_ids)

    def _append_many(self, data: Buffer, positions: Iterable[int], topic_ids: Sequence[int]) -> int:
        """Commit messages that end at these positions of the log."""
        sequence = self.head
        start = self.start_of(sequence)
        count = len(topic_ids)
        if start + len(data) > self._position_limit or sequence + count > self._sequence_limit:
            return NO_SPACE
        self._raise_flag(sequence + count)
        self._write(start, data)
        self._write_index(self._ends, sequence, array("Q", positions))
        self._write_index(self._topics, sequence, array("Q", topic_ids))
        self._note(sequence, topic_ids)
        self._commit(sequence + count)
        return sequence

    def _note(self, sequence: int, topic_ids: Sequence[int]) -> None:
        """These are about to be committed, from that message on."""

    def _raise_flag(self, head: int) -> None:
        self.following = None
        self._words[H_POISON] = head

    def _commit(self, head: int) -> None:
        self._store_head(head)
        self.load()

    def _store_head(self, head: int) -> None:
        """After everything that it commits, and before the look at who sleeps."""
        if self._fence is None:  # then releasing the send lock does for the latter
            self._words[H_HEAD] = head
            return
        self._fence()
        self._words[H_HEAD] = head
        self._fence()

    def _write(self, position: int, data: Buffer) -> None:
        offset = position % self._size
        room = self._size - offset
        first = self._base + offset
        if len(data) <= room:
            self._map[first : first + len(data)] = data
            return
        view = memoryview(data)
        self._map[first : first + room] = view[:room]
        self._map[self._base : self._base + len(data) - room] = view[room:]

    def _write_index(self, area: memoryview, sequence: int, values: array[int]) -> None:
        slot = sequence & self._mask
        room = len(area) - slot
        view = memoryview(values)
        area[slot : slot + len(values)] = view[:room]
        if len(values) > room:
            area[: len(values) - room] = view[room:]
