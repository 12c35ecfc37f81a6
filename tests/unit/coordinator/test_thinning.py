"""Which of many events of one kind are told, and for how many each stands."""

from __future__ import annotations

import math

import pytest

from fanout.coordinator import thinning as thinnings
from fanout.coordinator.thinning import (
    LOGGED_AT_ONCE,
    SUMMARY_EACH,
    TEXTS_MAX,
    Thinning,
    is_thinned,
)
from fanout.events import Event, EventKind
from fanout.reasons import Reason


def refused(cause: Reason = Reason.FULL) -> Event:
    return Event(EventKind.CONNECTION_REFUSED, "no room", peer="peer:1", cause=cause)


@pytest.mark.unmeasured
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


def test_checks_that_fail_are_thinned_since_who_is_put_off_is_back_at_once() -> None:
    failed = Event(EventKind.CALLBACK_FAILED, "the check of a request failed", 7, "peer:1")
    thinning = Thinning()

    assert is_thinned(failed)
    assert [one.count for _ in range(100) for one in thinning.tell(failed, 1.0)] == [1]
    assert [one.count for one in thinning.due(math.inf)] == [99]


AT_ONCE = {Reason.LIMIT, Reason.VIOLATION, Reason.TTL, Reason.UNREAD_ANSWERS, Reason.RESTLESS}


@pytest.mark.parametrize("cause", Reason, ids=lambda cause: cause.label)
def test_evictions_are_thinned_if_a_stranger_can_bring_them_about_at_once(cause: Reason) -> None:
    """Who was too slow, or lost his worker, is told by name, however many there are."""
    evicted = Event(EventKind.SUBSCRIBER_EVICTED, cause=cause)

    assert is_thinned(evicted) == (cause in AT_ONCE)


@pytest.mark.parametrize("kind", [EventKind.SUBSCRIBER_SLOW, EventKind.SUBSCRIBER_DISCONNECTED])
def test_only_evictions_are_thinned_for_their_cause(kind: EventKind) -> None:
    assert not is_thinned(Event(kind, cause=Reason.VIOLATION))


def test_of_two_checks_that_fail_each_is_told_at_once() -> None:
    thinning = Thinning()
    for text in ("KeyError", "it returned None"):
        failed = Event(EventKind.CALLBACK_FAILED, text, 7, "peer:1")
        assert list(thinning.tell(failed, 0.0)) == [failed]


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


def for_the_log() -> Thinning:
    return Thinning(lambda _event: LOGGED_AT_ONCE, again=True)


def declined(reason: str, subscriber: int = 1) -> Event:
    cause = Reason.DECLINED
    return Event(EventKind.CHOICE_DECLINED, reason, subscriber=subscriber, cause=cause)


def test_each_thing_that_cannot_be_had_is_named_at_once() -> None:
    """Also in the log, though it is the same subscriber."""
    typos = [declined(f"limit_messages=1O{number}: not a whole number") for number in range(8)]
    for thinning in (Thinning(), for_the_log()):
        assert [one for typo in typos for one in thinning.tell(typo, 1.0)] == typos


def test_one_thing_that_a_thousand_cannot_have_is_one_event_and_summaries_with_its_name() -> None:
    thinning = Thinning()
    told = [
        event
        for subscriber in range(1_000)
        for reason in ("policy=conflat", "limit_age=x")
        for event in thinning.tell(declined(reason, subscriber), 1.0)
    ]
    summaries = thinning.due(1.0 + SUMMARY_EACH)

    assert told == [declined("policy=conflat", 0), declined("limit_age=x", 0)]
    assert [(event.reason, event.count) for event in summaries] == [
        ("policy=conflat", 999),
        ("limit_age=x", 999),
    ]


def test_what_strangers_make_up_is_summed_up_beyond_some_texts_and_then_forgotten() -> None:
    thinning = Thinning()
    told = []
    for second in range(40):
        for number in range(100):
            told += thinning.tell(declined(f"x{second}-{number}", number), float(second))
    told += thinning.due(math.inf)

    assert sum(event.count for event in told) == 4_000
    assert len(told) <= 4 * (TEXTS_MAX + 1) + 1
    thinning.due(math.inf)
    assert (thinning._periods, thinning._texts) == ({}, 0)


def dropped(subscriber: int, since: int = 1) -> Event:
    return Event(EventKind.SUBSCRIBER_DROPPED, subscriber=subscriber, dropped_since=since)


@pytest.mark.unmeasured
def test_a_thousand_who_lose_messages_for_a_minute_are_tens_of_lines() -> None:
    """And the sums of what is told are those of what has happened."""
    thinning = for_the_log()
    told = []
    for second in range(60):
        for subscriber in range(1_000):
            told += thinning.tell(dropped(subscriber, 7), second)
    told += thinning.due(math.inf)

    assert len(told) == LOGGED_AT_ONCE + 6
    assert sum(event.count for event in told) == 60_000
    assert sum(event.dropped_since for event in told) == 7 * 60_000


def test_who_does_it_for_the_first_time_is_logged_at_once_whatever_others_do() -> None:
    thinning = for_the_log()
    for second in range(25):
        for subscriber in range(100):
            thinning.tell(dropped(subscriber), second)

    assert thinning.tell(dropped(1), 25.0) == []
    assert thinning.tell(dropped(777), 25.0) == [dropped(777)]
    assert thinning.tell(dropped(777), 25.1) == []


def test_what_concerns_no_subscriber_is_summed_up_beyond_a_few() -> None:
    thinning = for_the_log()
    failed = Event(EventKind.CALLBACK_FAILED)
    told = [event for _ in range(100) for event in thinning.tell(failed, 1.0)]

    assert told == [failed] * LOGGED_AT_ONCE
    assert [event.count for event in thinning.due(math.inf)] == [100 - LOGGED_AT_ONCE]


def test_it_is_known_when_a_summary_is_due() -> None:
    thinning = for_the_log()
    assert thinning.wait(1.0) is None
    thinning.tell(dropped(1), 1.0)
    assert thinning.wait(2.0) is None
    thinning.tell(dropped(1), 2.0)

    assert thinning.wait(3.0) == SUMMARY_EACH - 2.0
    assert thinning.wait(99.0) == 0.0


def test_those_who_are_known_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thinnings, "KNOWN_MAX", 3)
    thinning = for_the_log()
    for subscriber in range(3):
        thinning.tell(dropped(subscriber), 0.0)
    thinning.tell(dropped(3), 0.0)
    thinning.tell(dropped(4), 0.0)

    assert thinning._known == 3
    assert [event.count for event in thinning.due(SUMMARY_EACH)] == [1]
    thinning.due(2 * SUMMARY_EACH)
    assert thinning._known == 0, "after some quiet nobody is"


def test_in_a_summary_dropped_is_a_sum_of_ends_and_else_that_of_the_last() -> None:
    thinning = Thinning()
    for kind in (EventKind.SUBSCRIBER_EVICTED, EventKind.SUBSCRIBER_DROPPED):
        for lost in (1, 10, 100):
            thinning.tell(Event(kind, subscriber=lost, dropped=lost), 0.0)

    assert [event.dropped for event in thinning.due(math.inf)] == [110, 100]
