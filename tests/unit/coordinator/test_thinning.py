"""Which of many events of one kind are told, and for how many each stands."""

from __future__ import annotations

import math

import pytest

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
    paused = Event(EventKind.ACCEPT_PAUSED, cause=Reason.NO_RESOURCES)

    assert [is_thinned(event) for event in (failed, refused(), paused)] == [True, True, True]


AT_ONCE = {Reason.LIMIT, Reason.VIOLATION, Reason.TTL, Reason.UNREAD_ANSWERS, Reason.RESTLESS}


@pytest.mark.parametrize("cause", Reason, ids=lambda cause: cause.label)
def test_evictions_are_thinned_if_a_stranger_can_bring_them_about_at_once(cause: Reason) -> None:
    """Who was too slow, or lost his worker, is told by name, however many there are."""
    evicted = Event(EventKind.SUBSCRIBER_EVICTED, cause=cause)

    assert is_thinned(evicted) == (cause in AT_ONCE)


@pytest.mark.parametrize("kind", [EventKind.SUBSCRIBER_SLOW, EventKind.SUBSCRIBER_DISCONNECTED])
def test_only_evictions_are_thinned_for_their_cause(kind: EventKind) -> None:
    assert not is_thinned(Event(kind, cause=Reason.VIOLATION))


def test_a_summary_has_what_all_have_lost() -> None:
    thinning = Thinning()
    told = []
    for number in range(100):
        exact = number != 50
        event = Event(
            EventKind.SUBSCRIBER_EVICTED,
            cause=Reason.LIMIT,
            subscriber=number,
            dropped=number,
            discarded=2 * number,
            exact=exact,
        )
        told += thinning.tell(event, number * 0.25)
    told += thinning.due(math.inf)

    assert len(told) == 4
    assert sum(event.count for event in told) == 100
    assert sum(event.dropped for event in told) == sum(range(100))
    assert sum(event.discarded for event in told) == 2 * sum(range(100))
    assert [event.subscriber for event in told] == [0, 39, 79, 99]
    assert [event.exact for event in told] == [True, True, False, True]


def test_each_cause_is_told_for_itself() -> None:
    thinning = Thinning()
    thinning.tell(refused(), 0.0)

    assert thinning.tell(refused(Reason.HALF_OPEN), 0.1) == [refused(Reason.HALF_OPEN)]
