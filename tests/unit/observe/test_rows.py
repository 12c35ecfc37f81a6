"""Figures of one subscriber, or worker, as users know them, out of its card and its slot."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from fanout.observe.rows import SubscriberRow, WorkerRow, closed_of
from fanout.reasons import Reason
from fanout.shm.cards import Identity
from fanout.shm.clock import Note
from fanout.shm.closed import End
from fanout.shm.subscriber_slot import NOTHING, Checkpoint
from fanout.shm.worker_slot import WorkerSlot, WorkerState
from fanout.terms.slow_policy import SlowPolicy

if TYPE_CHECKING:
    from tests.helpers.fake_segment import FakeSegment

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


def test_conservation_holds_in_bytes_too_and_the_first_reason_has_what_is_left() -> None:
    told = CHECKPOINT._replace(
        matched_bytes=10_000,
        dropped_bytes=3_000,
        conflated=4,
        conflated_bytes=400,
        dropped_messages=5,
        dropped_age=1,
        dropped_log=2,
        dropped_messages_bytes=500,
        dropped_age_bytes=100,
        dropped_log_bytes=200,
    )

    figures = SubscriberRow(IDENTITY, told).statistics(9_000, NOW)

    assert (figures.queued, figures.conflated) == (6, 4)
    assert (figures.queued_bytes, figures.conflated_bytes) == (600, 400)
    assert figures.dropped_by == {"lag": 22, "lag_messages": 5, "lag_age": 1, "lag_log": 2}
    weighed = {"lag": 2_200, "lag_messages": 500, "lag_age": 100, "lag_log": 200}
    assert figures.dropped_bytes_by == weighed


@pytest.mark.parametrize(("sent", "age"), [(60, 3.0), (70, 0.0)])
def test_the_oldest_that_is_queued_has_an_age(sent: int, age: float) -> None:
    """Message 90 was in the log 3 s ago, and not yet a second before."""
    notes = [Note(NOW - seconds * 1_000_000_000, head, 0) for seconds, head in ((4, 90), (3, 95))]
    row = SubscriberRow(IDENTITY, CHECKPOINT._replace(oldest=90, sent=sent))

    assert row.statistics(9_000, NOW, notes).age_s == age


def test_what_is_looked_at_is_told_as_it_was_seen() -> None:
    seen = CHECKPOINT._replace(kernel_bytes=11, rate=22, rate_bytes=33)

    who = IDENTITY._replace(name="desk7", chosen_by="rule")
    figures = SubscriberRow(who, seen).statistics(9_000, NOW)

    assert (figures.kernel_bytes, figures.rate, figures.rate_bytes) == (11, 22, 33)
    assert (figures.policy.action, figures.chosen_by, figures.name) == ("block", "rule", "desk7")


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


def test_an_end_says_when_it_was_and_adds_up() -> None:
    end = End(
        *(7, 1, NOW - 9_000_000_000, NOW - 2_000_000_000, Reason.LEFT, 100, 60, 30, 6, 64),
        *("peer:1", "closed by the subscriber"),
        matched_bytes=1_000,
        sent_bytes=600,
        dropped_bytes=300,
        discarded_bytes=60,
        conflated=4,
        conflated_bytes=40,
        drops=(5, 1, 2, 50, 10, 20),
        version="3.1",
        name="desk7",
        user="ann",
        exact=False,
    )

    closed = closed_of(end, NOW, 1_000.0)

    who = closed.id, closed.name, closed.user, closed.version
    assert (*who, closed.cause) == (7, "desk7", "ann", "3.1", Reason.LEFT)
    assert (closed.connected_s, closed.ended, closed.exact) == (7.0, 998.0, False)
    lost = closed.dropped + closed.conflated + closed.discarded
    assert closed.matched == closed.sent + lost == 100
    lost_bytes = closed.dropped_bytes + closed.conflated_bytes + closed.discarded_bytes
    assert closed.matched_bytes == closed.sent_bytes + lost_bytes == 1_000
    assert list(closed.dropped_by.values()) == [22, 5, 1, 2]
    assert list(closed.dropped_bytes_by.values()) == [220, 50, 10, 20]


def test_each_word_of_a_worker_is_in_its_own_place(fake: FakeSegment) -> None:
    """All of them differ, so that none can stand for another one."""
    slot = WorkerSlot(fake.segment, 1)
    fields = [field.name for field in dataclasses.fields(WorkerRow) if field.name != "index"]
    for number, name in enumerate(fields, 1_000):
        setattr(slot, name, number)
    slot.state = WorkerState.WAITING
    row = WorkerRow.read(fake.segment, 1)

    seen = {name: getattr(row, name) for name in fields}
    assert seen == {**dict(zip(fields, range(1_000, 2_000), strict=False)), "state": row.state}
    assert (row.index, row.state) == (1, WorkerState.WAITING)
    told = row.statistics()
    assert (told.index, told.pid, told.subscribers) == (1, row.pid, row.subscribers)
    assert (told.restarts, told.unrecorded) == (row.restarts, row.unrecorded)
