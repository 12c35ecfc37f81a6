"""Totals: what all members were counted, those that have left too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.workers.stream.totals import Totals
from tests.helpers.log import Worker

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member

FIELDS = ("matched", "sent", "sent_bytes", "dropped", "matched_bytes", "dropped_bytes")


def figures(totals: Totals) -> tuple[int, ...]:
    return (totals.matched, totals.sent, totals.sent_bytes, totals.dropped, totals.discarded)


def assert_sums(worker: Worker, members: list[Member]) -> None:
    """The sums over these members, once everybody is settled."""
    for member in members:
        if member.cohort is not None:
            worker.pump.settle(member)
    for name in FIELDS:
        summed = sum(getattr(member, name) for member in members)
        assert getattr(worker.pump.totals, name) == summed, name


def test_totals_begin_with_nothing_or_with_what_a_predecessor_had() -> None:
    assert figures(Totals()) == (0, 0, 0, 0, 0)
    assert figures(Totals(1, 2, 3, 4, 5)) == (1, 2, 3, 4, 5)


def test_nothing_else_can_be_counted() -> None:
    with pytest.raises(AttributeError):
        Totals().queued = 1  # type: ignore[attr-defined]


def test_totals_are_the_sums_over_members_that_keep_up_lag_jump_and_leave() -> None:
    worker = Worker(limit_bytes=150)
    everything, _ = worker.member(b"")
    picky, _ = worker.member(b"A")
    torn, sink = worker.member(b"", room=25)
    silent, _ = worker.member(b"B", room=0)
    members = [everything, picky, torn, silent]
    for number in range(10):
        worker.log.publish(b"AB"[number % 2 :][:1], b"%08d" % number)
        worker.advance()
    assert_sums(worker, members)

    for number in range(10, 30):
        worker.log.publish(b"AB"[number % 2 :][:1], b"%08d" % number)
    worker.advance()
    worker.pump.enforce(0)
    assert torn.dropped > 0 < silent.dropped
    assert_sums(worker, members)

    worker.pump.remove(silent)
    assert (worker.pump.totals.discarded, silent.matched) == (silent.queued, 15)
    assert worker.pump.totals.discarded_bytes == silent.queued_bytes > 0
    assert silent.queued > 0
    sink.room = 1 << 40
    worker.serve(torn)
    worker.pump.remove(everything)
    worker.log.publish(b"A", b"last")
    worker.advance()
    assert_sums(worker, members)
    assert worker.pump.totals.discarded == silent.queued
