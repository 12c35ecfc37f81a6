"""A part of a turn has its time, and asking for it is the sign of life."""

from __future__ import annotations

from fanout.workers.stream.turn_part import BEAT_NS, TurnPart, without_clock


def test_a_part_is_over_when_its_time_has_passed_and_the_next_has_its_own() -> None:
    time = [100]
    part = TurnPart(lambda: time[0], part_ns=10)
    seen: list[bool] = []
    for passed in (0, 9, 1):
        if not seen:
            part.begin()
        time[0] += passed
        seen.append(part.is_over())
    part.begin()

    assert (seen, part.is_over()) == ([False, False, True], False)


def test_a_part_may_be_told_how_long_it_may_take() -> None:
    time = [0]
    part = TurnPart(lambda: time[0], part_ns=10)
    part.begin(5)
    time[0] = 5
    assert part.is_over()
    part.begin()
    time[0] = 14
    assert not part.is_over()


def test_one_without_a_clock_is_never_over() -> None:
    part = without_clock()

    assert not part.is_over()
    part.begin()
    assert not part.is_over()


def test_whoever_asks_gives_a_sign_of_life_now_and_then() -> None:
    time = [0]
    signs: list[int] = []
    part = TurnPart(lambda: time[0], signs.append)
    for _ in range(30):
        part.is_over()
        time[0] += BEAT_NS // 10

    assert signs == [0, BEAT_NS, 2 * BEAT_NS]
