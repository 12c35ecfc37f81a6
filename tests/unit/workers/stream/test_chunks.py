"""Chunks: what one that is behind picks out of a stretch of the log, and who shares the stretch."""

from __future__ import annotations

import tracemalloc

import pytest

from fanout.shm.layout import PAGE, Layout
from fanout.workers.stream.chunks import Chunk, Chunks
from fanout.workers.stream.cohort import Cohort
from fanout.workers.stream.cohorts import Cohorts
from fanout.workers.tuning import Tuning
from fanout.zmtp.frames import encode_message
from tests.helpers.log import Log

TOPICS = [b"A", b"AB", b"", b"B", b"A", b"ABC"]  # B: id 0, two of A: one id


def cohort(*prefixes: bytes) -> Cohort[None]:
    return Cohort(frozenset(prefixes))


def written(*topic_ids: int) -> Log:
    log = Log()
    for topic, topic_id in zip(TOPICS, topic_ids, strict=True):
        log.publish(topic, topic_id=topic_id)
    return log


def chunks(log: Log, *, known: bool = True, tuning: Tuning | None = None) -> Chunks:
    cohorts: Cohorts[None] = Cohorts()
    if known:
        for topic_id, topic in enumerate([b"A", b"AB", b"", b"ABC"], 1):
            cohorts.remember(topic_id, topic)
    return Chunks(log.reader, cohorts, tuning or Tuning())


@pytest.mark.parametrize("known", [True, False], ids=["remembered", "forgotten"])
@pytest.mark.parametrize("topic_ids", [(1, 2, 3, 0, 1, 4), (0, 0, 0, 0, 1, 0)], ids=["ids", "few"])
@pytest.mark.parametrize(
    ("prefixes", "picked"),
    [
        ([b"A"], [0, 1, 4, 5]),
        ([b"AB", b"B"], [1, 3, 5]),
        ([b"B", b"ABC"], [3, 5]),
        ([b"A", b"B", b"C", b"D", b"E", b"F", b"G"], [0, 1, 3, 4, 5]),  # more than topics
        ([b"ABC", b"BCD", b"ABDEF"], [5]),
        ([b"ABCD"], []),  # longer than any topic
        ([b""], [0, 1, 2, 3, 4, 5]),
    ],
)
def test_a_cohort_picks_what_it_wants_in_the_order_of_the_log(
    topic_ids: tuple[int, ...], known: bool, prefixes: list[bytes], picked: list[int]
) -> None:
    chunk = chunks(written(*topic_ids), known=known).at(0, 6)

    assert chunk.pick(cohort(*prefixes)) == picked
    assert chunk.pick(cohort(*prefixes)) == picked, "by the tables made for the first"


@pytest.mark.parametrize("tables", [0, 1, 8])
def test_prefixes_of_any_length_are_found_with_few_tables(tables: int) -> None:
    names = [b"ab" * n + tail for n in range(12) for tail in (b"", b"x", b"y")]
    pieces = [encode_message([name]) for name in names]
    by_name: dict[bytes, list[int]] = {}
    for index, name in enumerate(names):
        by_name.setdefault(name, []).append(index)
    chunk = Chunk(0, pieces, by_name, tables)
    wanted = [b"ab" * n + b"x" for n in range(10)] + [b"ab" * 9 + b"a", b"b", b"z" * 30]

    assert chunk.pick(cohort(*wanted)) == [
        index for index, name in enumerate(names) if name.startswith(tuple(wanted))
    ]


def test_strangers_with_many_lengths_take_little_memory() -> None:
    """A table for each of 500 lengths took 25 MB for a chunk of 100 KB; of 4,000, gigabytes."""
    names = [b"%03d" % n + b"." * 997 for n in range(100)]
    chunk = Chunk(0, [encode_message([name]) for name in names], {n: [0] for n in names})
    of_all_lengths = [
        cohort(*(b"~" * length + b"!" for length in range(first, 999, 20)))
        for first in range(1, 11)
    ]
    assert chunk.pick(cohort(b"~")) == []
    tracemalloc.start()
    for each in of_all_lengths:
        chunk.pick(each)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert taken < 20 * 100 * 1000


def test_of_many_prefixes_none_is_asked_that_a_topic_does_not_have() -> None:
    pieces = [encode_message([topic]) for topic in (b"A", b"B", b"C")]
    chunk = Chunk(7, pieces, {b"A": [0], b"B": [1], b"C": [2]})

    assert chunk.pick(cohort(b"A", b"BB", b"C", b"CC", b"D")) == [0, 2]
    assert (chunk.first, chunk.stop) == (7, 10)


@pytest.mark.parametrize(
    ("tuning", "front", "stop"),
    [
        (Tuning(), 6, 6),
        (Tuning(), 4, 4),  # nothing from the front on
        (Tuning(chunk_messages=3), 6, 5),
        (Tuning(chunk_bytes=8), 6, 5),  # just the three of 2, 3 and 3 bytes
        (Tuning(chunk_bytes=7), 6, 4),
        (Tuning(chunk_bytes=1), 6, 3),  # one message, however large
    ],
)
def test_a_chunk_ends_at_the_first_of_its_bounds(tuning: Tuning, front: int, stop: int) -> None:
    chunk = chunks(written(0, 0, 0, 0, 0, 0), tuning=tuning).at(2, front)

    assert (chunk.first, chunk.stop) == (2, stop)
    assert chunk.pieces == [encode_message([topic]) for topic in TOPICS[2:stop]]


def test_who_is_in_a_chunk_that_is_kept_shares_it() -> None:
    kept = chunks(written(0, 0, 0, 0, 0, 0), tuning=Tuning(chunk_messages=2, chunks_kept=2))
    first = kept.at(1, 6)

    assert kept.at(2, 6) is first
    assert kept.at(3, 6) is not first
    assert (kept.at(1, 6), len(kept)) == (first, 2)


def test_the_oldest_chunk_makes_room_for_a_new_one() -> None:
    kept = chunks(written(0, 0, 0, 0, 0, 0), tuning=Tuning(chunk_messages=2, chunks_kept=2))
    first, second = kept.at(0, 6), kept.at(2, 6)
    kept.at(4, 6)

    assert (kept.at(2, 6), len(kept)) == (second, 2)
    assert kept.at(0, 6) is not first


def test_a_chunk_outlives_the_log_under_it_and_goes_around_its_end() -> None:
    log = Log(Layout(16 * PAGE, 16, 1))
    bodies = [bytes([number]) * 7000 for number in range(40)]
    kept = chunks(log)
    early = []
    for number, body in enumerate(bodies):
        log.publish(b"A", body, topic_id=1)
        if number == 2:
            early = kept.at(0, 3).pieces
    late = chunks(log).at(33, 40)  # 7 * 7 KB: index and bytes have both wrapped

    assert early == [encode_message([b"A", body]) for body in bodies[:3]]
    assert late.pieces == [encode_message([b"A", body]) for body in bodies[33:]]
    assert late.pick(cohort(b"A")) == list(range(7))
