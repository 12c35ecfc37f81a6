"""What is missing in a stream, and what was told of it."""

from __future__ import annotations

from dataclasses import replace

import msgpack
import pytest

from fanout.zmtp.frames import encode_message
from soaking.slow.heard import GAP, Heard
from soaking.slow.people import MESSAGE_BYTES, STEADY, Person, frames_of

EVERYTHING = Person("all", True, -1, "drop_oldest", 0, STEADY, gaps=True)
WATCHLIST = Person("some", True, 10, "drop_oldest", 0, STEADY, gaps=True)  # 10 to 19, 60 to 69 ...


CONFLATED = replace(EVERYTHING, policy="conflate")
Told = tuple[int, int, int]


def heard(person: Person, *came: int | Told) -> Heard:
    """Messages by their numbers, and markers."""
    found = Heard(person, lambda: 7.5)
    for one in came:
        if isinstance(one, int):
            found.add(frames_of(one))
        else:
            names = "first", "last", "count"
            gap = dict(zip(names, one, strict=True)) | {"epoch": 11, "reason": "lag"}
            found.add([GAP, msgpack.packb(gap)])
    return found


def test_nothing_is_missing_where_nothing_is_lost() -> None:
    assert heard(EVERYTHING, 0, 1, 2).holes == heard(WATCHLIST, 10, 11).holes == []


def test_a_hole_has_the_first_and_the_last_that_it_wanted_and_how_many() -> None:
    assert heard(EVERYTHING, 2, 3, 7).holes == [(0, 1, 2), (4, 6, 3)]
    assert heard(WATCHLIST, 10, 18, 62).holes == [(11, 17, 7), (19, 61, 3)]


def test_what_comes_twice_or_was_not_wanted_is_disorder() -> None:
    assert heard(EVERYTHING, 0, 0, 1).disorder == 1
    assert heard(WATCHLIST, 9, 10).disorder == 1


def test_a_marker_is_no_message() -> None:
    found = heard(EVERYTHING, 0, (1, 4, 4), 5)

    assert (found.received, found.holes, found.markers) == (2, [(1, 4, 4)], [(1, 4, 4)])
    assert (found.reasons, found.epochs, found.hole_times) == ({"lag": 1}, [11], [7.5])
    assert found.figures()["untold"] == ""


@pytest.mark.parametrize(
    ("person", "came", "text"),
    [
        (EVERYTHING, [0, 5, (1, 4, 4), 6], "(1, 4, 4) are missing here, and it was told of []"),
        (EVERYTHING, [0, (3, 4, 2), 1, 2, 5], "None are missing here"),
        (EVERYTHING, [0, (1, 3, 3), 5], "(1, 4, 4) are missing here, and it was told of [(1, 3,"),
        (EVERYTHING, [0, (1, 2, 2), (3, 4, 2), 5], "(1, 4, 4) are missing here"),
        (EVERYTHING, [0, (1, 4, 4)], "in the end"),
        (WATCHLIST, [10, (11, 61, 51), 62], "(11, 61, 11) are missing here"),
        (CONFLATED, [0, 5, (1, 4, 4), 6], "and it was not told before"),
        (CONFLATED, [0, (1, 2, 4), 5], "and it was not told before"),
        (CONFLATED, [0, 1, (0, 4, 3), 5], "it was told of 0, after 1"),
    ],
)
def test_a_marker_at_the_wrong_place_is_seen(
    person: Person, came: list[int | Told], text: str
) -> None:
    assert text in heard(person, *came).figures()["untold"]


def test_between_what_a_marker_of_conflation_tells_of_there_are_messages() -> None:
    found = heard(CONFLATED, 0, (1, 8, 5), 3, 5, 7, 9, (10, 11, 2), 12)

    assert found.figures()["untold"] == ""
    assert [hole[:2] for hole in found.holes] == [(1, 2), (4, 4), (6, 6), (8, 8), (10, 11)]


# Many at once, as they are on the wire.


def test_what_comes_after_a_marker_is_compared_with_it() -> None:
    found = heard(EVERYTHING, 0, (3, 4, 2))

    assert found.add_wire(memoryview(wire_of(1))) == 0


def wire_of(*numbers: int) -> bytes:
    return b"".join(encode_message(frames_of(number)) for number in numbers)


@pytest.mark.parametrize(
    ("person", "numbers"), [(EVERYTHING, range(120)), (WATCHLIST, [*range(10, 20), *range(60, 70)])]
)
def test_what_comes_as_it_was_published_is_taken_as_one_by_one(
    person: Person, numbers: list[int]
) -> None:
    found = Heard(person)
    wire = wire_of(*numbers)

    assert found.add_wire(memoryview(wire + wire[:-1])[: len(wire) + 7]) == len(wire)
    assert found.figures() == heard(person, *numbers).figures()
    found.add(frames_of(numbers[-1] + 50))
    assert found.holes[-1][0] == person.next_after(numbers[-1])


@pytest.mark.parametrize(
    "wrong",
    [
        wire_of(3),  # one is missing before it
        wire_of(1),  # that came already
        wire_of(2)[:-1] + b"?",
        wire_of(2).replace(b"T02", b"T03"),
        encode_message([GAP, b"x" * 200]),
    ],
)
def test_what_is_anything_else_is_left_to_be_looked_at(wrong: bytes) -> None:
    found = Heard(EVERYTHING)

    assert found.add_wire(memoryview(wire_of(0, 1) + wrong)) == 2 * MESSAGE_BYTES
    assert (found.received, found.last, found.expected) == (2, 1, 2)
