"""What is found in what a subscriber has got: each mistake of which there is a kind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from soaking.reconnect.judging import complaints
from soaking.reconnect.people import Person, Record, records_in

ALL = Person(0)  # wants everything
RUNS = {5: 4, 9: 3}  # messages of each
RIGHT = [
    *(Record(0, 5, number) for number in range(3)),
    Record(0, 9, 0, gap=True, restarted=True),
    Record(0, 9, 1),
    Record(0, 9, 2),
]


def told(sequence: int, first: int, last: int, count: int | None) -> Record:
    return Record(0, 9, sequence, True, False, count, first, last)


def test_what_is_right_is_found_right() -> None:
    assert complaints(ALL, RIGHT, RUNS, 9) == []
    assert complaints(ALL, [*RIGHT[:4], told(2, 1, 1, 1)], RUNS, 9) == []
    assert complaints(ALL, [*RIGHT[:4], told(2, 1, 1, None)], RUNS, 9) == []
    assert complaints(ALL, [*RIGHT[:5], told(2, 2, 2, None)], RUNS, 9) == [], "perhaps none"


def test_of_some_topics_only_those_count() -> None:
    person = Person(1)  # wants topic 1: messages 3, 13, 23
    records = [Record(1, 5, 3), Record(1, 5, 13)]
    assert complaints(person, records, {5: 20}, 5) == []
    assert "not 23" in complaints(person, records, {5: 24}, 5)[0]
    assert "is not wanted" in complaints(person, [*records, Record(1, 5, 14)], {5: 20}, 5)[0]


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        (RIGHT[:-1], "the last that has come"),
        ([], "the last that has come"),
        ([*RIGHT[:2], *RIGHT[1:]], "has come before"),
        ([RIGHT[0], *RIGHT[2:]], "1 are missing before"),
        (RIGHT[1:], "is the first of its run"),
        ([*RIGHT[:3], replace(RIGHT[3], restarted=False), *RIGHT[4:]], "started anew"),
        ([*RIGHT, RIGHT[2]], "of an older run"),
        ([*RIGHT[:4], told(2, 1, 1, 2)], "was told 2"),
        ([*RIGHT[:4], told(2, 0, 0, 1)], "told other ones"),
        ([*RIGHT[:4], Record(0, 9, 2, gap=True)], "does not say which"),
        ([*RIGHT[:5], told(2, 1, 1, 1)], "nothing is missing"),
        ([*RIGHT, Record(0, 7, 0)], "a run that there was not"),
        ([*RIGHT, Record(0, 9, 3)], "never published"),
    ],
)
def test_what_is_wrong_is_found(records: list[Record], problem: str) -> None:
    assert any(problem in text for text in complaints(ALL, records, RUNS, 9))


def test_records_are_what_they_were() -> None:
    records = [*RIGHT, told(2, 1, 1, 1)]
    data = b"".join(record.to_bytes() for record in records)
    assert [*records_in(data + data[:10])] == records
