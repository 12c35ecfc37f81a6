"""Records of streams: what a worker has written last is found, whenever it dies."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from fanout.shm import layout as at
from fanout.shm.segment import Segment
from fanout.shm.stream_record import SPEECH_BYTES, Kind, StreamRecord, StreamSlot
from fanout.shm.subscriber_slot import NOTHING, SubscriberSlot
from fanout.shm.worker_slot import NO_TAIL
from tests.helpers.log import SMALL
from tests.helpers.stores import recorded

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def segment() -> Iterator[Segment]:
    segment = Segment.create(SMALL)
    yield segment
    segment.close()


def record_of(number: int, speech: bytes = b"") -> StreamRecord:
    """One in which everything is this number."""
    return StreamRecord._make((Kind.GOES_ON, *[number] * 27, speech))


def test_a_record_is_read_as_it_was_written_and_the_last_one_counts(segment: Segment) -> None:
    SubscriberSlot(segment, 2).take(7)
    slot = StreamSlot(segment, 2)
    assert slot.read(7) is None

    for number, speech in enumerate((b"", b"\x00", bytes(range(SPEECH_BYTES)), b"PONG")):
        slot.write(record_of(number, speech))
        assert slot.read(7) == record_of(number, speech)
    assert slot.read(8) is None, "that is somebody else's"


def test_figures_and_records_of_neighbours_do_not_touch(segment: Segment) -> None:
    for index in range(4):
        SubscriberSlot(segment, index).take(index + 1)
        StreamSlot(segment, index).write(record_of(100 + index, b"%d" % index * 9))
        StreamSlot(segment, index).write(record_of(200 + index, b"%d" % index * SPEECH_BYTES))
    for index in range(4):
        SubscriberSlot(segment, index).checkpoint(NOTHING._replace(matched=index))
        StreamSlot(segment, index).acted = 50 + index

    for index in range(4):
        slot = StreamSlot(segment, index)
        assert slot.read(index + 1) == record_of(200 + index, b"%d" % index * SPEECH_BYTES)
        assert slot.acted == 50 + index
        assert SubscriberSlot(segment, index).read(index + 1).matched == index


def test_a_slot_that_is_taken_anew_has_no_record(segment: Segment) -> None:
    slot = SubscriberSlot(segment, 0)
    slot.take(7)
    StreamSlot(segment, 0).write(record_of(1))
    StreamSlot(segment, 0).acted = 9
    slot.free()
    slot.take(8)

    assert StreamSlot(segment, 0).read(8) is None
    assert StreamSlot(segment, 0).acted == 0


def test_who_goes_on_after_the_death_of_who_counts_leaves_no_torn_checkpoint(
    segment: Segment,
) -> None:
    slot = SubscriberSlot(segment, 0)
    slot.take(7)
    slot.words[at.S_VERSION] += 1
    torn = [slot.is_torn]
    for matched in (3, 4):
        slot.checkpoint(NOTHING._replace(matched=matched))
        torn.append(slot.is_torn)
        assert slot.read(7).matched == matched

    assert torn == [True, False, False]


def test_whoever_dies_between_two_stores_leaves_the_old_record_or_the_new_one(
    segment: Segment,
) -> None:
    writing, stores = recorded(SMALL)
    SubscriberSlot(writing, 0).take(7)
    slot = StreamSlot(writing, 0)
    slot.write(record_of(1, b"one"))
    slot.write(record_of(2, b"two"))
    before = len(stores)
    slot.write(record_of(3, b"three"))
    assert len(stores) - before > at.BANK_WORDS

    for done, store in enumerate(stores, 1):
        if store is None:
            continue
        index, value = store
        segment.words[index] = value
        if done >= before:
            expected = record_of(3, b"three") if done == len(stores) else record_of(2, b"two")
            assert StreamSlot(segment, 0).read(7) == expected
    writing.made_from.close()


def test_nobody_goes_on_by_a_record_that_is_refused_until_there_is_another(
    segment: Segment,
) -> None:
    SubscriberSlot(segment, 0).take(7)
    slot = StreamSlot(segment, 0)
    is_refused = [slot.refuse(Kind.GOING_BACK)]
    assert slot.read(7) is None, "none is made of that"

    for number in (1, 2):  # in either bank
        slot.write(record_of(number, b"said"))
        is_refused.append(slot.refuse(Kind.GOING_BACK))
        refused = record_of(number, b"said")._replace(kind=Kind.GOING_BACK, needed=NO_TAIL)
        assert slot.read(7) == refused
    slot.write(record_of(3))

    assert is_refused == [False, True, True]
    assert slot.read(7) == record_of(3)


def test_whoever_dies_while_it_refuses_a_record_has_refused_it_or_has_not(
    segment: Segment,
) -> None:
    writing, stores = recorded(SMALL)
    SubscriberSlot(writing, 0).take(7)
    slot = StreamSlot(writing, 0)
    slot.write(record_of(1, b"one"))
    before = len(stores)
    slot.refuse(Kind.GOING_BACK)

    kinds = []
    for done, store in enumerate(stores, 1):
        if store is not None:
            index, value = store
            segment.words[index] = value
        if done >= before:
            found = StreamSlot(segment, 0).read(7)
            assert found is not None
            assert found[2:] == record_of(1, b"one")[2:], "all else is as it was"
            kinds.append((found.kind, found.needed))
    assert kinds[0] == (Kind.GOES_ON, 1)
    assert {kind for kind, _needed in kinds[1:]} == {Kind.GOING_BACK}, "before all else"
    assert kinds[-1] == (Kind.GOING_BACK, NO_TAIL)
    writing.made_from.close()


def test_a_record_is_whole_whenever_its_writer_is_killed(segment: Segment) -> None:
    """A process writes one after another, and is killed at any instant."""
    SubscriberSlot(segment, 0).take(7)
    for _ in range(20):
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            try:
                slot = StreamSlot(segment, 0)
                os.write(writing, b"!")
                number = 0
                while True:
                    number += 1
                    slot.write(record_of(number, b"%d" % number))
            finally:
                os._exit(1)
        os.read(reading, 1)
        os.close(reading)
        os.close(writing)
        found = None
        while found is None:
            found = StreamSlot(segment, 0).read(7)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = StreamSlot(segment, 0).read(7)
        assert found is not None
        number = found.sequence
        assert found == record_of(number, b"%d" % number)
