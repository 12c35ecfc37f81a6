"""Loads are handed out whole, or a part of them from where somebody stands."""

from __future__ import annotations

import pytest

from fanout.workers.stream.loads import NUMBERS_BYTES, Load

AT = [3, 4, 7, 9]
LOAD = Load(
    *(50, 11, [20, 21, 22, 23], [20, 21, 22, 40], [0, 10, 30, 60, 100], bytes(range(100))),
    first=2,
    at=AT,
    later=[(2, 91), (5, 92), (10, 93)],
    evicted=[6, 8],
)
ALL = 1_000


def whole(load: Load) -> tuple[object, ...]:
    """What it has."""
    numbers = [*load.at], [*load.sequences], [*load.marks], [*load.bounds]
    place = load.limit, load.first, load.stop
    return *place, *numbers, load.data, [*load.later], [*load.evicted]


@pytest.mark.parametrize(
    ("first", "most", "most_bytes", "low", "high"),
    [
        (2, ALL, ALL, 0, 4),
        (4, ALL, ALL, 1, 4),
        (5, ALL, ALL, 2, 4),  # where there is none, it begins with the next one
        (3, 2, ALL, 0, 2),
        (3, ALL, 30, 0, 2),
        (3, ALL, 29, 0, 1),
        (7, ALL, 1, 2, 3),  # one message, however large
        (9, 1, ALL, 3, 4),
        (10, ALL, ALL, 4, 4),  # all of them are behind
    ],
)
def test_a_part_begins_at_a_place_and_has_so_much_at_most(
    first: int, most: int, most_bytes: int, low: int, high: int
) -> None:
    part = LOAD.part(first, most, most_bytes)

    stop = AT[high] if high < len(AT) else 11
    bounds = [end - LOAD.bounds[low] for end in LOAD.bounds[low : high + 1]]
    assert whole(part) == (
        *(50, first, stop, AT[low:high], [*LOAD.sequences[low:high]], [*LOAD.marks[low:high]]),
        *(bounds, LOAD.data[LOAD.bounds[low] : LOAD.bounds[high]]),
        [one for one in LOAD.later if first <= one[0] < stop],
        [one for one in LOAD.evicted if first <= one < stop],
    )


@pytest.mark.parametrize("most", [1, 2, 3, ALL])
def test_parts_that_follow_each_other_are_all_of_it(most: int) -> None:
    parts, at = list[Load](), LOAD.first
    while at < LOAD.stop:
        parts.append(LOAD.part(at, most, ALL))
        at = parts[-1].stop

    assert b"".join([part.data for part in parts]) == LOAD.data
    assert [one for part in parts for one in part.at] == AT
    assert [one for part in parts for one in part.later] == [*LOAD.later]
    assert [one for part in parts for one in part.evicted] == [*LOAD.evicted]


def test_another_worker_sends_the_same_of_what_is_packed() -> None:
    packed = LOAD.packed()
    again = Load.unpacked(packed, len(LOAD))

    assert (again.data, [*again.bounds]) == (LOAD.data, [*LOAD.bounds])
    assert ([*again.sequences], [*again.marks]) == ([*LOAD.sequences], [*LOAD.marks])


def test_one_without_messages_takes_memory_too() -> None:
    empty = Load(50, 11, [], [], [0], b"")

    assert (empty.held_bytes, LOAD.held_bytes) == (NUMBERS_BYTES, 5 * NUMBERS_BYTES + 100)
