"""Which of many events of one kind are told, and for how many each stands."""

from __future__ import annotations

import math

from fanout.coordinator.thinning import SUMMARY_EACH, Thinning, is_thinned
from fanout.events import Event, EventKind
from fanout.reasons import Reason


def refused(cause: Reason = Reason.FULL) -> Event:
    return Event(EventKind.CONNECTION_REFUSED, "no room", peer="peer:1", cause=cause)


def test_the_first_is_told_at_once_and_the_others_each_ten_seconds() -> None:
    thinning = Thinning()
    told = []
    for tick in range(25_000):  # a thousand a second
        told += [(tick, event.count) for event in thinning.tell(refused(), tick / 1_000)]

    assert told == [(0, 1), (10_000, 9_999), (20_000, 10_000)]
    assert [event.count for event in thinning.due(math.inf)] == [5_000]


def test_a_summary_comes_although_nothing_else_happens() -> None:
    thinning = Thinning()
    for _ in range(3):
        thinning.tell(refused(), 5.0)

    assert thinning.due(5.0 + SUMMARY_EACH - 0.1) == []
    assert [event.count for event in thinning.due(5.0 + SUMMARY_EACH)] == [2]


def test_after_some_quiet_the_next_is_told_at_once() -> None:
    thinning = Thinning()
    thinning.tell(refused(), 0.0)

    assert thinning.tell(refused(), SUMMARY_EACH) == [refused()]


def test_handshakes_that_fail_are_thinned_whatever_the_cause() -> None:
    failed = Event(EventKind.HANDSHAKE_FAILED, cause=Reason.VIOLATION)
    evicted = Event(EventKind.SUBSCRIBER_EVICTED, cause=Reason.VIOLATION)

    assert [is_thinned(event) for event in (failed, refused(), evicted)] == [True, True, False]


def test_each_cause_is_told_for_itself() -> None:
    thinning = Thinning()
    thinning.tell(refused(), 0.0)

    assert thinning.tell(refused(Reason.HALF_OPEN), 0.1) == [refused(Reason.HALF_OPEN)]
