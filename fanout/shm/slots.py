"""Slots: what one worker says about itself and about each of its subscribers.

A worker writes, everybody reads. Single words are always whole. Words of a subscriber slot that
belong together are changed between two stores of its version, odd meanwhile; a reader takes them
again if the version was odd or has changed (a sequence lock).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.shm import layout as at

if TYPE_CHECKING:
    from fanout.shm.segment import Segment

_READ_ATTEMPTS = 100  # a writer is between two stores for a microsecond


class StuckSlot(Exception):
    """A slot stayed half-written: its worker died or hangs in the middle of an update."""


def worker_slot(segment: Segment, index: int) -> memoryview:
    """The words of worker `index`, 0 to 255; only that worker may write them while it lives."""
    first = (segment.layout.worker_slots + index * at.SLOT_BYTES) // at.WORD
    return segment.words[first : first + at.SLOT_WORDS]


def sleeper_byte(segment: Segment, index: int) -> memoryview:
    """The byte of worker `index`: 1 while it sleeps; who rings for it sets it to 0, too."""
    first = at.H_SLEEPERS * at.WORD + index
    return segment.view[first : first + 1]


def subscriber_slot(segment: Segment, index: int) -> memoryview:
    """The words of subscriber slot `index`; only its worker may write them while it owns it."""
    first = (segment.layout.subscriber_slots + index * at.SLOT_BYTES) // at.WORD
    return segment.words[first : first + at.SLOT_WORDS]


def read_consistent(slot: memoryview) -> list[int]:
    """All words of a subscriber slot as they were at one instant.

    Raises:
        StuckSlot: it stayed half-written; its worker is dead or hangs.
    """
    for _ in range(_READ_ATTEMPTS):
        before = slot[at.S_VERSION]
        words: list[int] = slot.tolist()
        if not before & 1 and words[at.S_VERSION] == before == slot[at.S_VERSION]:
            return words
    raise StuckSlot
