"""Work and pauses, by a clock that is told."""

from __future__ import annotations

from fanout.answers.pace import Pace
from fanout.terms.question_terms import PAUSE_MAX_S, QUESTION_S, WORK_S
from tests.helpers.asked import FakeClock


class Bed:
    """Counts how long somebody sleeps."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.slept: list[float] = []
        self.pace = Pace(self.clock, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.now += seconds


def test_it_pauses_for_as_long_as_it_has_worked() -> None:
    bed = Bed()
    bed.pace.begin()
    for _ in range(10):
        bed.clock.now += WORK_S * 0.75
        bed.pace.is_over()
    assert len(bed.slept) == 5
    assert abs(sum(bed.slept) - 10 * WORK_S * 0.75) < 1e-6


def test_short_questions_add_up() -> None:
    bed = Bed()
    for _ in range(100):
        bed.pace.begin()
        bed.clock.now += WORK_S / 10
        bed.pace.end()
        bed.clock.now += 5.0  # nothing was asked: that is no work
    assert abs(sum(bed.slept) - 10 * WORK_S) <= WORK_S * 1.5


def test_a_pause_is_bounded() -> None:
    bed = Bed()
    bed.pace.begin()
    bed.clock.now += 3.0
    assert bed.pace.is_over()
    assert bed.slept == [PAUSE_MAX_S]


def test_a_question_has_its_time_and_may_be_given_more() -> None:
    bed = Bed()
    bed.pace.begin()
    assert not bed.pace.is_over()
    bed.clock.now += QUESTION_S
    assert bed.pace.is_over()
    bed.pace.allow(1.0)
    assert not bed.pace.is_over()
    bed.pace.allow(0.1)
    bed.clock.now += 0.5
    assert not bed.pace.is_over(), "it had more"
    bed.clock.now += 0.5
    assert bed.pace.is_over()
    bed.pace.begin()
    assert not bed.pace.is_over()


def test_it_says_how_long_a_question_took() -> None:
    bed = Bed()
    bed.pace.begin()
    bed.clock.now += 0.25
    assert abs(bed.pace.end() - 0.25) < 1e-9
