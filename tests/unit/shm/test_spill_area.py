"""Spill areas: what is stored stays for as long as somebody refers to it, and takes no more."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

import pytest

from fanout.shm.layout import AREA_LOGS, LINE, PAGE
from fanout.shm.segment import Segment
from fanout.shm.spill_area import SpillArea, Stored
from tests.helpers.log import SMALL

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = AREA_LOGS * SMALL.data_bytes


@pytest.fixture
def segment() -> Iterator[Segment]:
    segment = Segment.create(SMALL)
    yield segment
    segment.close()


def used_bytes(segment: Segment) -> int:
    """Memory that the system has given to the file."""
    return os.fstat(segment.fd).st_blocks * 512


def stored_in(area: SpillArea, data: bytes) -> Stored:
    stored = area.store(data)
    assert stored is not None
    return stored


def test_what_is_stored_is_read_by_others_and_lies_in_its_area(segment: Segment) -> None:
    mine, other = SpillArea(segment, 1), SpillArea(segment, SMALL.areas)
    for area, number in ((mine, 1), (other, SMALL.areas)):
        pieces = [bytes([number % 251, size % 251]) * size for size in (1, 40, 9_000, 3)]
        stored = [stored_in(area, data) for data in pieces]
        assert [mine.read(one.offset, one.size) for one in stored] == pieces
        begin, end = SMALL.area(number), SMALL.area(number + 1)
        assert all(begin <= one.offset <= end - one.size for one in stored)
        assert sorted(stored, key=lambda one: one.offset) == stored, "at the first free place"


def test_it_takes_no_memory_but_for_what_is_stored(segment: Segment) -> None:
    before = used_bytes(segment)
    area = SpillArea(segment, 2)
    kept = [stored_in(area, bytes(5 * PAGE)) for _ in range(3)]
    assert used_bytes(segment) >= before + 15 * PAGE
    kept.clear()

    assert used_bytes(segment) == before
    assert area.read(SMALL.area(2), 8) == bytes(8)


def test_what_is_free_again_is_used_again_and_neighbours_are_one_place(segment: Segment) -> None:
    area = SpillArea(segment, 1)
    third = SIZE // 3 // LINE * LINE
    first, second = stored_in(area, bytes(third)), stored_in(area, b"2" * third)
    last = stored_in(area, b"3" * third)
    assert area.store(bytes(third)) is None
    place = first.offset
    del first
    assert area.store(bytes(third + 1)) is None
    del last
    assert area.read(second.offset, third) == b"2" * third
    del second

    whole = stored_in(area, bytes(SIZE))
    assert whole.offset == place
    assert area.store(b"x") is None


def test_where_there_is_no_area_or_no_memory_nothing_is_stored(segment: Segment) -> None:
    areas = [SpillArea(segment, number) for number in (0, SMALL.areas + 1, 1)]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (PAGE, limits[1]))
    try:
        assert [area.store(b"something") for area in areas] == [None] * 3
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    whole = stored_in(areas[-1], bytes(SIZE))
    assert whole.size == SIZE, "nothing is lost by what was refused"


def test_where_files_may_not_be_so_large_there_is_a_log_without_areas() -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL.mapped_bytes, limits[1]))
    try:
        segment = Segment.create(SMALL)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    attached = Segment.attach(os.dup(segment.fd))
    assert attached.layout.areas == segment.layout.areas == 0
    assert SpillArea(attached, 1).store(b"x") is None
    attached.close()
    segment.close()


def test_a_segment_that_is_discarded_takes_no_memory_for_its_areas_either() -> None:
    segment = Segment.create(SMALL)
    kept = stored_in(SpillArea(segment, 3), bytes(10 * PAGE))
    segment.discard()

    assert used_bytes(segment) == 0
    del kept
    segment.close()
