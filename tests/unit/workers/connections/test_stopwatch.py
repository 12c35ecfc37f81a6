"""A stopwatch asks for CPU time only where it may differ from the time that has passed."""

from __future__ import annotations

from fanout.workers.connections.stopwatch import MOMENT_NS, Stopwatch

LONG = 10 * MOMENT_NS


class Clocks:
    """What time it is, and how much was worked; `asked` = how often the second was asked for."""

    def __init__(self) -> None:
        self.now = self.worked = 5 * LONG
        self.asked = 0
        self.stopwatch = Stopwatch(lambda: self.now, self.cpu)
        self.asked = 0

    def cpu(self) -> int:
        self.asked += 1
        return self.worked

    def lap(self, passed: int, worked: int) -> int:
        self.now += passed
        self.worked += worked
        return self.stopwatch.lap()


def test_a_moment_counts_as_long_as_it_is_and_nobody_asks_for_cpu_time() -> None:
    clocks = Clocks()

    assert [clocks.lap(passed, passed) for passed in (5, 0, MOMENT_NS - 1)] == [5, 0, MOMENT_NS - 1]
    assert clocks.asked == 0


def test_of_a_long_piece_only_the_work_counts_as_others_may_have_had_the_processor() -> None:
    clocks = Clocks()

    assert clocks.lap(LONG, LONG // 4) == LONG // 4
    assert clocks.lap(LONG, LONG) == LONG
    assert clocks.lap(1000 * LONG, 0) == 0  # it slept


def test_what_was_counted_too_much_in_moments_is_taken_off_the_next_long_piece() -> None:
    clocks = Clocks()
    moments = clocks.lap(MOMENT_NS // 2, MOMENT_NS // 4) + clocks.lap(MOMENT_NS // 2, 0)
    long = clocks.lap(LONG, LONG // 2)

    assert moments + long == MOMENT_NS // 4 + LONG // 2
    assert clocks.lap(LONG, LONG // 2) == LONG // 2, "once"


def test_what_is_skipped_is_in_no_lap() -> None:
    clocks = Clocks()
    clocks.now += LONG
    clocks.worked += LONG
    clocks.stopwatch.skip()

    assert clocks.lap(5, 5) == 5
    assert clocks.asked == 0
    assert clocks.lap(LONG, LONG // 2) == LONG // 2, "nor is it taken off, for it was work"


def test_no_piece_has_taken_less_than_nothing() -> None:
    clocks = Clocks()
    for _ in range(5):
        clocks.lap(MOMENT_NS // 2, 0)

    assert clocks.lap(LONG, 0) == 0
