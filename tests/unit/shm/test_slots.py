"""Slots: each its own words, and a reader that never takes half an update."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.shm import layout as at
from fanout.shm.segment import Segment
from fanout.shm.slots import StuckSlot, read_consistent, subscriber_slot, worker_slot
from tests.helpers.log import SMALL

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def segment() -> Iterator[Segment]:
    segment = Segment.create(SMALL)
    yield segment
    segment.close()


def test_no_two_slots_share_a_word(segment: Segment) -> None:
    slots = [worker_slot(segment, i) for i in range(at.WORKER_SLOTS)]
    slots += [subscriber_slot(segment, i) for i in range(SMALL.subscribers)]
    for number, slot in enumerate(slots, 1):
        for word in range(at.SLOT_WORDS):
            slot[word] = number

    assert [set(slot.tolist()) for slot in slots] == [{n} for n in range(1, len(slots) + 1)]
    assert segment.words[at.H_MAGIC] == at.MAGIC
    assert not any(segment.view[SMALL.ends : SMALL.topics].tolist())


def test_a_whole_slot_is_read(segment: Segment) -> None:
    slot = subscriber_slot(segment, 0)
    slot[at.S_VERSION], slot[at.S_SENT] = 4, 7

    assert read_consistent(slot)[at.S_SENT] == 7


def test_a_slot_that_stays_half_written_is_stuck(segment: Segment) -> None:
    slot = subscriber_slot(segment, 0)
    slot[at.S_VERSION] = 3

    with pytest.raises(StuckSlot):
        read_consistent(slot)


class Changing:
    """A slot whose writer finishes an update while it is being read."""

    def __init__(self, slot: memoryview) -> None:
        self.slot = slot
        self.reads = 0

    def __getitem__(self, word: int) -> int:
        return int(self.slot[word])

    def tolist(self) -> list[int]:
        self.reads += 1
        words = self.slot.tolist()
        if self.reads == 1:  # torn: the second half is written after this
            self.slot[at.S_SENT] = 8
            self.slot[at.S_VERSION] += 2
        return words


def test_a_slot_that_changed_meanwhile_is_read_again(segment: Segment) -> None:
    slot = Changing(subscriber_slot(segment, 0))

    words = read_consistent(slot)  # type: ignore[arg-type]

    assert words[at.S_SENT] == 8
    assert slot.reads == 2
