"""What is missing in a stream, and what was told of it."""

from __future__ import annotations

import msgpack

from soaking.slow.heard import GAP, Heard
from soaking.slow.people import STEADY, Person, frames_of

EVERYTHING = Person("all", True, -1, "drop_oldest", 0, STEADY, gaps=True)
WATCHLIST = Person("some", True, 10, "drop_oldest", 0, STEADY, gaps=True)  # 10 to 19, 60 to 69 ...


def heard(person: Person, *numbers: int) -> Heard:
    found = Heard(person)
    for number in numbers:
        found.add(frames_of(number))
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
    found = heard(EVERYTHING, 0)
    found.add([GAP, msgpack.packb({"first": 1, "last": 4, "count": 4, "reason": "lag"})])
    found.add(frames_of(5))

    assert (found.received, found.holes, found.markers) == (2, [(1, 4, 4)], [(1, 4, 4)])
