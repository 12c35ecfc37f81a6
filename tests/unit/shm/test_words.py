"""Records: each its own words, and a reader that never takes half an update."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.shm import layout as at
from fanout.shm.cards import Card
from fanout.shm.segment import Segment
from fanout.shm.subscriber_slot import SubscriberSlot
from fanout.shm.words import Record, StuckRecord, Word, read_consistent, read_text, write_text
from fanout.shm.worker_slot import WorkerSlot
from tests.helpers.log import SMALL

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def segment() -> Iterator[Segment]:
    segment = Segment.create(SMALL)
    yield segment
    segment.close()


def test_no_two_records_share_a_word(segment: Segment) -> None:
    records: list[Record] = [WorkerSlot(segment, i) for i in range(at.WORKERS_MAX)]
    records += [SubscriberSlot(segment, i) for i in range(SMALL.subscribers)]
    records += [Card(segment, i) for i in range(SMALL.subscribers)]
    for number, record in enumerate(records, 1):
        for word in range(len(record.words)):
            record.words[word] = number

    numbers = [set(record.words.tolist()) for record in records]
    assert numbers == [{n} for n in range(1, len(records) + 1)]
    assert segment.words[at.H_MAGIC] == at.MAGIC
    assert not any(segment.view[SMALL.clock : SMALL.topics].tolist())


def test_a_word_is_an_attribute() -> None:
    class Two(Record):
        __slots__ = ()
        first = Word(0, "")
        second = Word(1, "")

    words = memoryview(bytearray(16)).cast("Q")
    record = Two(words)
    record.second = at.NO_TAIL

    assert (record.first, record.second, words.tolist()) == (0, at.NO_TAIL, [0, at.NO_TAIL])


def test_a_whole_record_is_read(segment: Segment) -> None:
    words = SubscriberSlot(segment, 0).words
    words[at.S_VERSION], words[at.S_SENT] = 4, 7

    assert read_consistent(words, at.S_VERSION)[at.S_SENT] == 7


def test_a_record_that_stays_half_written_is_stuck(segment: Segment) -> None:
    words = SubscriberSlot(segment, 0).words
    words[at.S_VERSION] = 3

    with pytest.raises(StuckRecord):
        read_consistent(words, at.S_VERSION)


class Changing:
    """A record whose writer finishes an update while it is being read."""

    def __init__(self, words: memoryview) -> None:
        self.words = words
        self.reads = 0

    def __getitem__(self, word: int) -> int:
        return int(self.words[word])

    def tolist(self) -> list[int]:
        self.reads += 1
        words = self.words.tolist()
        if self.reads == 1:  # torn: the second half is written after this
            self.words[at.S_SENT] = 8
            self.words[at.S_VERSION] += 2
        return words


def test_a_record_that_changed_meanwhile_is_read_again(segment: Segment) -> None:
    changing = Changing(SubscriberSlot(segment, 0).words)

    words = read_consistent(changing, at.S_VERSION)  # type: ignore[arg-type]

    assert words[at.S_SENT] == 8
    assert changing.reads == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("feed", "feed"),
        ("x" * 32, "x" * 32),
        ("x" * 33, "x" * 32),
        ("\u00e9" * 16 + "x", "\u00e9" * 16),
        ("x" + "\u00e9" * 16, "x" + "\u00e9" * 15),  # not half a character
        ("\ud800", "?"),
    ],
)
def test_a_text_is_kept_as_far_as_it_fits(text: str, expected: str) -> None:
    words = memoryview(bytearray(b"\xff" * 48)).cast("Q")

    write_text(words, 1, 32, text)

    assert read_text(words, 1, 32) == expected
    assert (words[0], words[5]) == (at.NO_TAIL, at.NO_TAIL)
