"""Spill areas: what is stored stays for as long as somebody refers to it, and takes no more."""

from __future__ import annotations

import os
import random
import resource
import sys
from itertools import pairwise
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


def test_it_takes_no_memory_but_for_what_is_stored(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fanout.shm.spill_area.KEPT_BYTES", PAGE)
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


def test_little_that_is_stored_and_freed_again_and_again_is_not_given_back_each_time(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(segment, "give_back", lambda *part: given.append(part))
    area = SpillArea(segment, 1)
    for _ in range(20):
        kept = [stored_in(area, bytes(2 * PAGE)), stored_in(area, bytes(PAGE))]
        kept.clear()
    assert given == []


def test_who_stores_does_not_look_through_all_that_is_free(segment: Segment) -> None:
    """A thousand members may have stored something, and each stores anew twice a second."""
    area = SpillArea(segment, 1)
    sizes = [1 + number % (SIZE // 2_000) for number in range(1_000)]
    kept: list[Stored | None] = [stored_in(area, bytes(size)) for size in sizes]
    for number in range(0, 1_000, 2):
        kept[number] = None
    looks = 0

    def look(frame: object, event: str, argument: object) -> object:
        nonlocal looks
        looks += event == "line"
        return look

    before = sys.gettrace()  # of who measures coverage
    sys.settrace(look)  # type: ignore[arg-type]
    again = area.store(bytes(7))
    del again
    sys.settrace(before)
    assert looks < 60


def full(area: SpillArea, size: int) -> list[Stored | None]:
    """Fill it with places of this size, in the order in which they lie."""
    kept: list[Stored | None] = []
    while (stored := area.store(bytes(size))) is not None:
        kept.append(stored)
    return kept


@pytest.mark.parametrize("where", [0, 1, -2], ids=["begin", "middle", "end"])
def test_neighbours_that_are_free_are_one_place_when_nothing_else_is_left(
    segment: Segment, where: int
) -> None:
    area = SpillArea(segment, 1)
    kept = full(area, LINE)
    first = kept[where]
    assert first is not None
    place = first.offset
    kept[where] = kept[where + 1] = first = None

    assert area.store(bytes(3 * LINE)) is None
    larger = stored_in(area, bytes(2 * LINE))
    assert larger.offset == place


def test_neighbours_are_looked_for_once_and_not_before_as_much_is_free_again(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    area = SpillArea(segment, 1)
    kept = full(area, LINE)
    kept[7] = None
    looked: list[None] = []
    join = area._join
    monkeypatch.setattr(area, "_join", lambda: looked.append(join()))
    for _ in range(5):
        assert area.store(bytes(2 * LINE)) is None
    assert looked == []
    kept[8] = None
    assert stored_in(area, bytes(2 * LINE)).size == 2 * LINE
    assert len(looked) == 1


def test_what_is_free_fits_what_is_about_as_large(segment: Segment) -> None:
    area = SpillArea(segment, 1)
    other, first = stored_in(area, b"other"), stored_in(area, bytes(33 * LINE))
    place = first.offset
    del first
    again = stored_in(area, bytes(35 * LINE))
    assert again.offset == place
    del other, again
    nearly = stored_in(area, bytes(SIZE - 33 * LINE))
    assert stored_in(area, bytes(33 * LINE)).offset > nearly.offset, "the last place, to the line"


def test_what_could_not_be_stored_whole_takes_no_memory_either(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fanout.shm.spill_area.KEPT_BYTES", PAGE)
    before = used_bytes(segment)
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: write(fd, data[: 9 * PAGE], at))
    assert SpillArea(segment, 1).store(bytes(10 * PAGE)) is None
    assert used_bytes(segment) == before


def test_whatever_was_stored_and_freed_the_whole_area_can_be_used_again(segment: Segment) -> None:
    rng = random.Random(7)
    area = SpillArea(segment, 1)
    live: dict[int, tuple[Stored, bytes]] = {}
    refused = 0
    for number in range(3_000):
        data = bytes([number % 251]) * rng.choice((1, 60, 100, 700, 3_000, SIZE // 20))
        stored = area.store(data)
        if stored is not None:
            live[number] = stored, data
        else:
            refused += 1
        if live and (len(live) > 300 or rng.random() < 0.3):
            del live[rng.choice(list(live))]
        if number % 500 == 0:
            places = sorted((one.offset, one.offset + one.size) for one, _ in live.values())
            assert all(end <= begin for (_, end), (begin, _) in pairwise(places))
            assert all(area.read(one.offset, one.size) == data for one, data in live.values())
    assert refused > 0, "it was full at times"
    live.clear()
    del stored
    assert stored_in(area, bytes(SIZE)).size == SIZE


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
