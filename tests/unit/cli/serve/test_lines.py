"""What `serve` says, from numbers made up."""

from __future__ import annotations

from fanout.cli.serve.lines import (
    Figures,
    LineBudget,
    event_line,
    status_line,
    summary_line,
    undelivered_lines,
)
from fanout.events import Event, EventKind
from fanout.statistics import Undelivered
from tests.helpers.fake_publisher import statistics, subscriber


def snapshot(now: float, *, bad_input: int = 0, lag_bytes: int = 0, **counters: int) -> Figures:
    return Figures(
        now=now,
        statistics=statistics(**counters),
        subscribers=(subscriber(id=1), subscriber(id=2, peer="10.0.0.2:7", lag_bytes=lag_bytes)),
        bad_input=bad_input,
    )


def test_a_quiet_line_has_rates_subscribers_and_lag() -> None:
    before = snapshot(10.0, published=100, published_bytes=1_000, sent=100)
    after = snapshot(12.0, published=4_100, published_bytes=5_121_000, sent=8_100, subscribers=2)
    assert status_line(before, after) == (
        "published 2.0k/s 2.4 MiB/s | delivered 4.0k/s | subscribers 2 | lag 0 B"
    )


def test_trouble_is_added_to_the_line() -> None:
    before = snapshot(10.0)
    after = snapshot(11.0, dropped=1_234, discarded=56, evicted=1, bad_input=3, lag_bytes=2_048)
    assert status_line(before, after).endswith(
        "lag 2.0 KiB | dropped 1,234 | discarded 56 | evicted 1 | bad input 3 | slowest 10.0.0.2:7"
    )


def test_two_snapshots_at_one_instant_are_no_division_by_zero() -> None:
    same = snapshot(10.0)
    assert "published 0/s" in status_line(same, same)


def test_the_summary() -> None:
    last = snapshot(10.0, published=5, published_bytes=512, sent=10, dropped=1, bad_input=2)
    assert summary_line(last, 1.25, "line") == (
        "published 5 messages (512 B) in 1.2 s, delivered 10, dropped 1, 2 bad input lines"
    )
    assert summary_line(snapshot(10.0, discarded=7, evicted=2), 1.25, "line").endswith(
        "dropped 0, discarded 7, evicted 2"
    )


def test_the_worst_undelivered_come_first_and_the_rest_is_summed_up() -> None:
    undelivered = [Undelivered(number, f"peer{number}", number, 1024) for number in range(1, 13)]
    lines = undelivered_lines(undelivered)
    assert len(lines) == 11
    assert lines[0] == "not delivered to peer12: 12 messages queued, 1.0 KiB unacknowledged"
    assert lines[-1] == "not delivered to 2 further subscribers: 3 messages"


def test_events_worth_a_line() -> None:
    evicted = Event(
        EventKind.SUBSCRIBER_EVICTED, "took nothing for 5 s", subscriber=1, peer="a:1", dropped=7
    )
    assert event_line(evicted) == (
        "subscriber evicted a:1, 7 messages dropped so far: took nothing for 5 s"
    )
    left = Event(EventKind.SUBSCRIBER_EVICTED, "took nothing", peer="a:1", discarded=1)
    assert event_line(left) == "subscriber evicted a:1, 1 message discarded: took nothing"
    many = Event(EventKind.HANDSHAKE_FAILED, "too late", peer="a:1", count=1_001)
    assert event_line(many) == "handshake failed a:1 (and 1,000 more like it): too late"
    assert event_line(Event(EventKind.WORKER_LOST, worker=1)) == "worker lost 1"
    assert event_line(Event(EventKind.WORKER_STARTED, "pid 7", worker=1)) is None
    replaced = Event(EventKind.WORKER_STARTED, "pid 7", worker=1, restarts=2)
    assert event_line(replaced) == "worker started 1: pid 7"
    lost = Event(EventKind.EVENTS_LOST, "7 events were not delivered", lost=7)
    assert event_line(lost) == "events lost: 7 events were not delivered"
    assert event_line(Event(EventKind.SUBSCRIBER_CONNECTED, subscriber=1, peer="a:1")) is None


def test_who_recovers_was_named_before() -> None:
    for kind in (EventKind.SUBSCRIBER_SLOW, EventKind.SUBSCRIBER_STALLED):
        line = event_line(Event(kind, "takes nothing", peer="a:1"))
        assert line == f"{kind.value.replace('_', ' ')} a:1: takes nothing"
    recovered = event_line(Event(EventKind.SUBSCRIBER_RECOVERED, peer="a:1"))
    assert recovered == "subscriber recovered a:1"


def test_a_line_budget_counts_what_it_withholds() -> None:
    budget = LineBudget(2)
    assert [budget.take() for _ in range(5)] == [True, True, False, False, False]
    assert budget.refill() == 3
    assert budget.take()
    assert budget.refill() == 0
