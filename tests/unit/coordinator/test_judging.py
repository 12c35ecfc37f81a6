"""Who is to be judged, and until when."""

from __future__ import annotations

from typing import Any

from fanout.coordinator.judging import Judging
from fanout.security.verdicts import CHECK_TIMEOUT

FIRST: Any = object()
OTHER: Any = object()


def test_each_is_judged_once_by_what_it_was_admitted_for() -> None:
    judging = Judging()
    judging.admitted(1, FIRST)
    judging.admitted(2, OTHER)
    assert judging.begin(2, 0.0) is OTHER
    assert judging.begin(1, 0.0) is FIRST
    assert judging.begin(1, 0.0) is None, "that has begun"
    assert judging.begin(3, 0.0) is None, "nobody is to judge it"


def test_who_waits_for_too_long_is_overdue_and_those_after_it_are_not() -> None:
    judging = Judging()
    for subscriber in (1, 2, 3):
        judging.admitted(subscriber, FIRST)
        judging.begin(subscriber, float(subscriber))
    assert judging.overdue(CHECK_TIMEOUT) == []
    assert judging.overdue(1 + CHECK_TIMEOUT) == [1]
    assert judging.overdue(2.5 + CHECK_TIMEOUT) == [1, 2]
    assert judging.end(1)
    assert judging.overdue(2.5 + CHECK_TIMEOUT) == [2]


def test_an_end_says_whether_it_has_waited_and_is_the_end_of_all() -> None:
    judging = Judging()
    judging.admitted(1, FIRST)
    assert not judging.end(1), "it has not begun"
    assert judging.begin(1, 0.0) is None, "and will not"
    judging.admitted(2, FIRST)
    judging.begin(2, 0.0)
    assert judging.end(2)
    assert not judging.end(2)
    assert judging.overdue(2 * CHECK_TIMEOUT) == []


def test_a_check_that_hangs_is_given_up_in_its_time_though_its_peer_has_left() -> None:
    judging = Judging()
    for subscriber in (1, 2):
        judging.admitted(subscriber, FIRST)
    judging.begin(1, 0.0)
    assert judging.leave(1)
    assert judging.overdue(CHECK_TIMEOUT) == [1]
    assert not judging.leave(2), "nobody is asked about it"
    assert judging.begin(2, 0.0) is None
