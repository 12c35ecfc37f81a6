"""Last orders: workers are told to deliver and end, and are heard, when all else has failed."""

from __future__ import annotations

import errno
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import pytest

from fanout.control.messages import Closed, Finish
from fanout.coordinator import last_orders
from fanout.coordinator.last_orders import DELIVERY, let_deliver
from fanout.events import EventKind
from fanout.reasons import Reason
from tests.unit.coordinator.bench import Bench

if TYPE_CHECKING:
    from fanout.coordinator.links import WorkerLink
    from tests.unit.coordinator.bench import Worker


class Clock:
    """A second is over after so many looks."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return self.looks / 20


def deliver(bench: Bench) -> list[str]:
    """What is complained of meanwhile."""
    told: list[str] = []
    coordinator = bench.coordinator
    parts = bench.state, coordinator._pool, coordinator._carry_out, Clock()
    let_deliver(*parts, lambda text, _error: told.append(text))
    return told


def test_a_worker_that_serves_is_told_to_finish_and_its_last_words_are_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(last_orders, "LOOK", 0.001)
    with Bench(1) as bench:
        _sock, subscriber = bench.connect(b"")
        worker: Worker = bench.worker
        said: list[object] = []
        wait = last_orders._wait

        def wait_and_answer(links: list[object]) -> list[object]:
            for message in worker.hear():
                said.append(message)
                if isinstance(message, Finish):
                    why = Reason.PUBLISHER_CLOSED
                    worker.say(Closed(subscriber, False, why.number, why.text, 3, 0, 0, 3, 0))
            return wait(links)  # type: ignore[arg-type,return-value]

        monkeypatch.setattr(last_orders, "_wait", wait_and_answer)
        assert deliver(bench) == []
        assert [one for one in said if isinstance(one, Finish)] == [Finish(DELIVERY)]
        assert bench.state.roster.connections == {}
        assert bench.of(EventKind.SUBSCRIBER_EVICTED) == []
        named = [(one.subscriber, one.messages) for one in bench.state.ledger.undelivered]
        assert named == [(subscriber, 3)], "by close()"
        assert not bench.state.ledger.closing


def test_it_ends_when_all_workers_have_ended_and_does_not_turn_in_circles_before_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(last_orders, "LOOK", 0.001)
    waits: list[list[int]] = []
    wait = last_orders._wait
    with Bench(2) as bench:

        def wait_for_the_next(links: list[WorkerLink]) -> list[WorkerLink]:
            waits.append([link.index for link in links])
            bench.processes[len(waits) - 1].exit(0)
            return wait(links)

        monkeypatch.setattr(last_orders, "_wait", wait_for_the_next)
        assert deliver(bench) == []
    assert waits == [[0, 1], [1]]


def test_one_that_cannot_be_heard_finds_its_channel_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(last_orders, "LOOK", 0.001)
    with Bench(2) as bench:
        broken = partial(int, "no number")
        with monkeypatch.context() as patch:
            patch.setattr(bench.coordinator._pool, "take_last_reports", lambda _link: broken())
            told = deliver(bench)
        assert len(told) == 2
        assert [link.channel for link in bench.coordinator.links] == [None, None]
        assert all(Finish(DELIVERY) in process.hear() for process in bench.processes)
        assert all(process.channel.closed for process in bench.processes)


def test_who_is_left_when_waiting_fails_is_not_taken_for_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(_links: object) -> NoReturn:
        raise OSError(errno.ENOMEM, "no memory")

    monkeypatch.setattr(last_orders, "_wait", fails)
    with Bench(1) as bench:
        bench.connect(b"")
        with pytest.raises(OSError, match="no memory"):
            deliver(bench)
        assert not bench.state.ledger.closing


def test_one_whose_process_has_ended_is_neither_told_nor_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Our thread may have failed when it was released, and before it was noted as lost."""
    monkeypatch.setattr(last_orders, "LOOK", 0.001)
    waits: list[list[int]] = []
    wait = last_orders._wait
    with Bench(2) as bench:

        def wait_for_the_other(links: list[WorkerLink]) -> list[WorkerLink]:
            waits.append([link.index for link in links])
            bench.processes[1].exit(0)
            return wait(links)

        monkeypatch.setattr(last_orders, "_wait", wait_for_the_other)
        pool = bench.coordinator._pool
        bench.processes[0].exit(0)
        pool._forget(pool.links[0])
        assert bench.state.supervision.ready == [0, 1]
        assert deliver(bench) == []
    assert waits == [[1]]
