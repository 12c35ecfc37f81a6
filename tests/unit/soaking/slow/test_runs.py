"""What came, by number."""

from __future__ import annotations

import pytest

from soaking.slow.heard import Heard
from soaking.slow.people import STEADY, Person, frames_of
from soaking.slow.runs import Run, Runs

EVERYTHING = Person("all", True, -1, "drop_oldest", 0, STEADY, gaps=True)
WATCHLIST = Person("some", True, 10, "drop_oldest", 0, STEADY, gaps=True)  # 10 to 19, 60 to 69 ...


@pytest.mark.parametrize(
    ("person", "numbers"), [(EVERYTHING, [2, 3, 7, 8, 9]), (WATCHLIST, [10, 12, 61, 62, 119])]
)
def test_runs_know_which_messages_have_come(person: Person, numbers: list[int]) -> None:
    heard = Heard(person)
    for number in numbers:
        heard.add(frames_of(number))
    runs = Runs(person, heard.figures())

    assert [runs.at(place) for place in range(6)] == [*numbers, -1]
    for stop in range(130):
        assert runs.below(stop) == sum(number < stop for number in numbers)
    assert runs.all[-1].stop == numbers[-1] + 1


def test_there_is_one_run_where_nothing_is_missing() -> None:
    figures = {"holes": [], "hole_times": [], "last": 4}

    assert Runs(EVERYTHING, figures).all == [Run(0, 5)]
