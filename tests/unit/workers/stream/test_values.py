"""Values: some messages of the log, and what of them is sent at once."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

from fanout.shm.layout import PAGE, Layout
from fanout.shm.reader import LogReader
from fanout.workers.stream.numbers import BLOCK
from fanout.workers.stream.values import BYTES_AT_ONCE, LOADS_KEPT, Values
from tests.helpers.log import Log

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LAYOUT = Layout(256 * PAGE, 4_096, 4)  # 1 MiB
COUNT = 2_000


class Counting(LogReader):
    """Counts the bytes that are joined."""

    joined_bytes = 0
    gone = 0  # what is below this message is overwritten

    def sizes(self, sequences: Iterable[int]) -> list[int]:
        asked = [*sequences]
        return [
            -1 if one < self.gone else size
            for one, size in zip(asked, super().sizes(asked), strict=True)
        ]

    def joined(self, sequences: Sequence[int]) -> bytes:
        data = super().joined(sequences)
        self.joined_bytes += len(data)
        return data


class Reversing:
    """An encoding that is one to one."""

    shared = False

    def encode(self, piece: bytes, number: int) -> bytes:
        return b"%d:" % number + piece[::-1]


@pytest.fixture
def reader() -> Counting:
    """A log with messages of different sizes."""
    log = Log(LAYOUT)
    for number in range(COUNT):
        log.publish(b"topic", bytes(number % 200))
    return Counting(log.segment)


CHOICES = [range(COUNT), range(0, COUNT, 3), [*range(100), *range(500, 700), 1_999], [7]]


@pytest.mark.parametrize("encoding", [None, Reversing()])
@pytest.mark.parametrize("sequences", CHOICES)
def test_what_is_sent_is_the_messages_in_their_order(
    reader: Counting, sequences: Sequence[int], encoding: Reversing | None
) -> None:
    values = Values(sequences, reader)
    for at, sequence in enumerate(sequences):
        load = values.load(at, encoding)
        low, high = load.bounds[at - load.first : at - load.first + 2]
        piece = reader.piece(sequence)
        assert load.data[low:high] == (
            piece if encoding is None else encoding.encode(piece, sequence)
        )
        assert load.stop == load.first + 1 or encoding or len(load.data) <= BYTES_AT_ONCE
        assert values.amount(sequence, sequence + 1) == (1, len(piece))
    assert load.stop == len(sequences)


def test_each_is_joined_once_however_little_a_socket_takes(reader: Counting) -> None:
    values = Values(range(COUNT), reader)
    for at in range(COUNT):
        values.load(at, None)

    assert reader.joined_bytes == values.amount(0, COUNT).bytes > 8 * BYTES_AT_ONCE


def test_members_at_the_same_place_share_and_one_alone_keeps_little(reader: Counting) -> None:
    values = Values(range(COUNT), reader)
    first = values.load(0, None)
    assert values.load(first.stop, None) is not first
    assert values.load(0, None) is not first

    values.share()
    loads = [values.load(0, None)]
    while len(loads) < LOADS_KEPT:
        loads.append(values.load(loads[-1].stop, None))
    assert [values.load(load.first, None) for load in loads] == loads


def test_a_message_that_is_larger_than_a_send_goes_alone() -> None:
    log = Log(LAYOUT)
    for size in (10, BYTES_AT_ONCE, 10):
        log.publish(b"", bytes(size))
    values = Values(range(3), log.reader)

    loads = [values.load(at, None) for at in range(3)]
    assert [(load.first, load.stop) for load in loads] == [(0, 1), (1, 2), (2, 3)]


@pytest.mark.unmeasured
@pytest.mark.parametrize("step", [1, 2, 10, 300])
def test_passes_of_many_take_no_more_together_than_is_documented(step: int) -> None:
    """Each has one of its own: strangers may choose it, and want what they like."""
    log = Log(LAYOUT)
    for number in range(COUNT):
        log.publish(b"t", b"%d" % number)
    passes = 100
    chosen = [[*range(number % 7, COUNT, step)] for number in range(passes)]
    tracemalloc.start()
    try:
        values = [Values(sequences, log.reader) for sequences in chosen]
        taken, _most = tracemalloc.get_traced_memory()
        for one in values:
            one.load(len(one.sequences) // 2, None)
        sending, _most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # Eight bytes each while they are few; a few hundred are what the objects take besides.
    assert taken <= passes * (8 * len(chosen[0]) + 1_024)
    # And what is sent at once, with its bounds: a block at most, and as numbers once more.
    assert sending - taken <= passes * (BYTES_AT_ONCE + 6 * 8 * BLOCK + 1_024)


def test_one_that_goes_alone_keeps_what_it_sends_and_nothing_of_before() -> None:
    log = Log(LAYOUT)
    for number in range(COUNT):
        log.publish(b"t", b"%d" % number)
    values = Values(range(COUNT), log.reader)

    loads = [values.load(at, None) for at in range(COUNT)]
    assert len(values._loads) == 1
    assert max(len(load.data) for load in loads) <= BYTES_AT_ONCE


@pytest.mark.parametrize("sequences", CHOICES)
def test_what_is_left_is_counted_though_what_was_before_is_overwritten(
    reader: Counting, sequences: Sequence[int]
) -> None:
    """Its cursor holds the log only from there on."""
    values = Values(sequences, reader)
    sizes = reader.sizes(sequences)
    for at, sequence in enumerate(sequences):
        if at % 97 == 0:
            reader.gone = sequence
            assert values.amount(sequence, COUNT) == (len(sequences) - at, sum(sizes[at:]))
