"""Figures of one subscriber as users know them, out of its card and its slot."""

from __future__ import annotations

from fanout.observe.rows import SubscriberRow
from fanout.shm.cards import Identity
from fanout.shm.subscriber_slot import NOTHING, Checkpoint
from fanout.slow_policy import SlowPolicy

IDENTITY = Identity(7, 1, "3.1", SlowPolicy("block"), 5, 3, "peer:1", "tcp://x")
CHECKPOINT = Checkpoint(
    position=8_000,
    sequence=90,
    offset=0,
    matched=100,
    sent=60,
    sent_bytes=6_000,
    dropped=30,
    blocked_since=0,
    stream_bytes=6_100,
)
NOW = 50_000_000_000


def test_what_is_neither_sent_nor_dropped_is_queued() -> None:
    figures = SubscriberRow(IDENTITY, CHECKPOINT).statistics(9_000, NOW)

    assert (figures.matched, figures.sent, figures.dropped, figures.queued) == (100, 60, 30, 10)
    assert (figures.id, figures.peer, figures.worker, figures.subscriptions) == (7, "peer:1", 1, 3)
    assert (figures.endpoint, figures.version, figures.sent_bytes) == ("tcp://x", "3.1", 6_000)


def test_who_takes_what_it_gets_has_no_lag() -> None:
    figures = SubscriberRow(IDENTITY, CHECKPOINT).statistics(9_000, NOW)

    assert (figures.lag_bytes, figures.blocked_s) == (0, 0.0)


def test_who_is_blocked_has_a_lag_and_a_time() -> None:
    blocked = CHECKPOINT._replace(blocked_since=NOW - 2_000_000_000)

    figures = SubscriberRow(IDENTITY, blocked).statistics(9_000, NOW)

    assert (figures.lag_bytes, figures.blocked_s) == (1_000, 2.0)


def test_who_was_never_served_has_nothing() -> None:
    figures = SubscriberRow(IDENTITY, NOTHING).statistics(9_000, NOW)

    assert (figures.matched, figures.sent, figures.queued, figures.sent_bytes) == (0, 0, 0, 0)
