"""Throttling: members that are sent only so many bytes a second are behind, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.terms.slow_policy import SlowPolicy
from tests.helpers.log import Sink, Worker

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member

MS = 1_000_000


@pytest.fixture
def worker() -> Worker:
    return Worker()


def _throttled(worker: Worker, rate: int = 1_000) -> tuple[Member, Sink]:
    member, sink = worker.member(b"")
    worker.obey(member, SlowPolicy(max_rate=rate))
    return member, sink


def test_it_gets_its_rate_and_goes_on_when_its_time_comes(worker: Worker) -> None:
    member, sink = _throttled(worker)
    worker.log.publish(b"A", b"x" * 300)
    worker.advance(0)
    assert len(sink.taken) == 100  # a tenth of a second at once

    for now in range(0, 400 * MS, 50 * MS):
        worker.pump.wake(now)
        worker.pump.serve_runnable(now, 10)
        assert len(sink.taken) <= 100 + now * 1_000 // 1_000_000_000

    assert not member.blocked
    assert member.sent == 1
    assert sink.taken.endswith(b"x" * 300)


def test_it_is_not_served_before_its_time(worker: Worker) -> None:
    member, _ = _throttled(worker)
    worker.log.publish(b"A", b"x" * 300)
    worker.advance(0)

    worker.pump.wake(99 * MS)
    assert member not in worker.pump.runnable
    assert worker.pump.throttles.waits(member)
    assert worker.pump.throttles.next_due == 100 * MS

    worker.pump.wake(100 * MS)
    assert member in worker.pump.runnable
    assert not worker.pump.throttles.waits(member)


def test_its_socket_may_be_full_before_that(worker: Worker) -> None:
    member, sink = _throttled(worker)
    sink.room = 30
    worker.log.publish(b"A", b"x" * 300)
    worker.advance(0)

    assert len(sink.taken) == 30
    assert not worker.pump.throttles.waits(member)


def test_who_is_not_throttled_any_more_gets_all_at_once(worker: Worker) -> None:
    member, sink = _throttled(worker)
    worker.log.publish(b"A", b"x" * 300)
    worker.advance(0)
    worker.obey(member, SlowPolicy())

    worker.serve(member)

    assert member.send is sink
    assert member.sent == 1


def test_one_that_has_left_is_not_woken(worker: Worker) -> None:
    member, _ = _throttled(worker)
    worker.log.publish(b"A", b"x" * 300)
    worker.advance(0)
    worker.pump.remove(member)

    worker.pump.wake(1_000 * MS)

    assert not worker.pump.runnable
