"""The clock: notes of when the log was how long, so that a cursor tells an age, and a rate.

While messages come the coordinator notes one each 100 ms at most, when it is awake anyway; no
publisher wakes for it, so with nothing else to do it is one each tick of half a second. If no
messages come it is one each second. A message itself has no time: a look at the clock costs a
twentieth of `publish()`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, NamedTuple

from fanout.shm import layout as at
from fanout.shm.fence import keep_order
from fanout.shm.words import words_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.shm.segment import Segment

STEP_NS = 100_000_000  # between two notes while messages come
IDLE_NS = 1_000_000_000  # and while none come
BEING_WRITTEN = 8  # the oldest notes, which may be while somebody looks
_WORDS = at.CLOCK_NOTE_BYTES // at.WORD


class Note(NamedTuple):
    """The log had this head and this length at this time."""

    time: int  # monotonic ns
    head: int
    position: int


class Clock:
    """The last CLOCK_NOTES notes. One process writes, any reads."""

    def __init__(self, segment: Segment) -> None:
        self._header = segment.words
        size = at.CLOCK_NOTES * at.CLOCK_NOTE_BYTES
        self._words = words_at(segment, segment.layout.clock, size)

    def add(self, note: Note) -> None:
        """Write one more note, in the place of the oldest."""
        number = self._header[at.H_CLOCK_COUNT] + 1
        first = (number - 1) % at.CLOCK_NOTES * _WORDS
        words = self._words
        words[first + at.K_NUMBER] = 0
        keep_order()
        words[first + at.K_TIME] = note.time
        words[first + at.K_HEAD] = note.head
        words[first + at.K_POSITION] = note.position
        keep_order()
        words[first + at.K_NUMBER] = number
        keep_order()
        self._header[at.H_CLOCK_COUNT] = number

    def head_at(self, time: int) -> int:
        """Which message was the next one at that time, or a little before: as the notes say.

        It is the oldest that is known if the time is before that.
        """
        count = self._header[at.H_CLOCK_COUNT]
        low = max(0, count - at.CLOCK_NOTES + BEING_WRITTEN) + 1
        place = bisect_right(range(low, count + 1), time, key=lambda number: self._at(number)[0])
        if place or low > 1:
            return self._at(low + max(0, place - 1))[1]
        return 0

    def last_before(self, time: int) -> Note | None:
        """The last note of that time or before; the oldest if none is; None: there are none."""
        numbers = self._numbers()
        place = bisect_right(numbers, time, key=lambda number: self._at(number)[0])
        if not numbers:
            return None
        number = numbers[max(0, place - 1)]
        time, head = self._at(number)
        first = (number - 1) % at.CLOCK_NOTES * _WORDS
        return Note(time, head, self._words[first + at.K_POSITION])

    def seen_at(self, sequence: int) -> int:
        """When a message was first noted to be there, monotonic ns; 0 = it is not yet.

        Of one that is older than all notes, when the oldest of these was made.
        """
        numbers = self._numbers()
        place = bisect_right(numbers, sequence, key=lambda number: self._at(number)[1])
        return self._at(numbers[place])[0] if place < len(numbers) else 0

    def earlier(self, sequence: int, time: int) -> list[tuple[int, int]]:
        """Heads and times of the notes that have seen a message, of those before a time.

        The oldest first, and each head once. If the message is older than all notes, all of these
        have seen it.
        """
        numbers = self._numbers()
        place = bisect_right(numbers, sequence, key=lambda number: self._at(number)[1])
        found: list[tuple[int, int]] = []
        for number in numbers[place:]:
            noted, head = self._at(number)
            if noted >= time:
                break
            if not found or head > found[-1][0]:
                found.append((head, noted))
        return found

    def _numbers(self) -> range:
        """Of notes that nobody is about to write."""
        count = self._header[at.H_CLOCK_COUNT]
        return range(max(0, count - at.CLOCK_NOTES + BEING_WRITTEN) + 1, count + 1)

    def _at(self, number: int) -> tuple[int, int]:
        """Time and head of a note."""
        first = (number - 1) % at.CLOCK_NOTES * _WORDS
        return self._words[first + at.K_TIME], self._words[first + at.K_HEAD]

    def notes(self) -> list[Note]:
        """All notes that are whole, oldest first."""
        count = self._header[at.H_CLOCK_COUNT]
        found = []
        for number in range(max(0, count - at.CLOCK_NOTES) + 1, count + 1):
            first = (number - 1) % at.CLOCK_NOTES * _WORDS
            before = self._words[first + at.K_NUMBER]
            keep_order()
            values = self._words[first : first + _WORDS].tolist()
            keep_order()
            if before == number == self._words[first + at.K_NUMBER]:
                found.append(Note(*values[: at.K_NUMBER]))
        return found


def is_due(last: Note | None, head: int, now: int) -> bool:
    """Whether to note anew that the log has this head at this time."""
    if last is None:
        return True
    return now - last.time >= (STEP_NS if head != last.head else IDLE_NS)


def age_of(sequence: int, notes: Sequence[Note], now: int) -> int:
    """How long ago message `sequence` was published, in ns, to the distance of two notes.

    It is the age of the first note that saw it in the log; 0 if none has yet.
    """
    index = bisect_left(notes, sequence + 1, key=lambda note: note.head)
    return max(0, now - notes[index].time) if index < len(notes) else 0
