"""A part of a turn has its time, and asking for it is the sign of life."""

from __future__ import annotations

from fanout.workers.stream.turn_part import AT_MOST_NS, BEAT_NS, TurnPart, WorkTime, without_clock


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


def test_how_long_a_thread_has_worked_is_looked_up_seldom_and_never_too_short() -> None:
    now, worked, looks = [0], [0], [0]

    def look() -> int:
        looks[0] += 1
        return worked[0]

    work_time = WorkTime(lambda: now[0], look)
    too_much = []
    for turn in range(1_000):
        now[0] += AT_MOST_NS // 10
        worked[0] += AT_MOST_NS // 10 if turn % 3 else 0  # others have the processor
        too_much.append(work_time() - worked[0])

    assert looks[0] == 1 + 1_000 // 10
    assert min(too_much) == 0
    assert 0 < max(too_much) < AT_MOST_NS


def test_who_slept_has_not_worked() -> None:
    now = [0]
    work_time = WorkTime(lambda: now[0], lambda: 7)
    now[0] = 100 * AT_MOST_NS

    assert work_time() == 7
