"""Sized: messages of the log with their bytes, few of them or many."""

from __future__ import annotations

import tracemalloc
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

import pytest

from fanout.shm.layout import PAGE, Layout
from fanout.workers.stream import sized as module
from fanout.workers.stream.numbers import BLOCK, BLOCK_BYTES_MAX, numbers_in
from fanout.workers.stream.sized import FEW, Few, Many, sized
from tests.helpers.log import Log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.shm.reader import LogReader
    from fanout.workers.stream.sized import Sized

COUNT = 3_000
CHOICES = [range(COUNT), range(0, COUNT, 3), range(5, COUNT, 400), [*range(9), 2_000, 2_999], [7]]


@pytest.fixture
def reader() -> LogReader:
    """A log with messages of different sizes."""
    log = Log(Layout(256 * PAGE, 4_096, 4))
    for number in range(COUNT):
        log.publish(b"topic", bytes(number % 200))
    return log.reader


def both(numbers: Sequence[int], log: LogReader) -> list[Sized]:
    """The two of them, of the same messages."""
    return [Few(numbers, [*accumulate(log.sizes(numbers), initial=0)]), Many(numbers, log)]


@pytest.mark.parametrize("numbers", CHOICES)
def test_few_and_many_are_as_a_list(numbers: Sequence[int], reader: LogReader) -> None:
    sizes = reader.sizes(numbers)
    for found in both(numbers, reader):
        assert len(found) == len(numbers)
        assert [found[at] for at in range(len(numbers))] == [*numbers]
        assert [*numbers_in(found.packed())] == [*numbers]
        for low in range(0, len(numbers), 97):
            for high in range(low, len(numbers) + 1, 89):
                assert [*found.some(low, high)] == [*numbers[low:high]]
                assert found.bytes_between(low, high) == sum(sizes[low:high])
        for near in (0, 1, 5, 7, 1_023, 1_024, 1_025, COUNT, 1 << 50):
            assert found.place_of(near) == bisect_left(numbers, near)


@pytest.mark.parametrize("most", [1, 3_000, 1 << 20])
@pytest.mark.parametrize("numbers", CHOICES)
def test_what_is_sent_at_once_is_within_its_bytes_but_for_one_message(
    numbers: Sequence[int], most: int, reader: LogReader
) -> None:
    for found in both(numbers, reader):
        at = 0
        while at < len(numbers):
            chosen, ends = found.begin(at, most)
            assert [*chosen] == [*numbers[at : at + len(chosen)]]
            assert ends == [*accumulate(reader.sizes(chosen), initial=0)]
            assert ends[-1] <= most or len(chosen) == 1
            at += len(chosen)
        assert at == len(numbers)


def test_none_are_few(reader: LogReader) -> None:
    found = sized((), reader)
    assert (len(found), found.place_of(7), found.bytes_between(0, 0)) == (0, 0, 0)
    assert not numbers_in(found.packed())


def test_what_fits_into_no_four_bytes_is_kept_as_many(
    monkeypatch: pytest.MonkeyPatch, reader: LogReader
) -> None:
    """Messages far from each other, and bytes: of a log of several gigabytes."""
    assert type(sized([0, 300], reader)) is Few
    monkeypatch.setattr(module, "_WORD", 299)
    assert type(sized([0, 300], reader)) is Many  # too far from each other
    assert type(sized([7, 9], reader)) is Few
    assert type(sized([190, 195], reader)) is Many  # 385 bytes, and more


@pytest.mark.parametrize(("count", "step"), [(FEW, 40), (FEW, 1), (FEW + 1, 40), (500_000, 1)])
def test_however_many_there_are_they_take_a_tenth_of_a_megabyte(count: int, step: int) -> None:
    """Half of the index of the default log are 524,288 messages, which is 512 blocks."""
    log = Log(Layout(512 * PAGE, 1_048_576, 4))
    log.writer.refresh([])
    ids = [0] * 500_000
    log.writer.append_joined(bytes(len(ids)), range(1, len(ids) + 1), ids)
    numbers = [*range(0, count * step, step)][:500_000]
    tracemalloc.start()
    try:
        found = sized(numbers, log.reader)
        taken, _most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert type(found) is (Few if count <= FEW else Many)
    assert taken <= max(8 * FEW + 1_024, 513 * BLOCK_BYTES_MAX) < 132_000
    assert len(found.packed()) <= 71_000
    assert BLOCK * 512 == 524_288
