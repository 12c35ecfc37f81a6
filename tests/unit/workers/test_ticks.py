"""Ticks and turns: what a worker does in one is bounded, and a nap is for new messages only."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest

from fanout.workers import worker as workers
from fanout.workers.worker import Worker


def test_slots_are_brought_up_to_date_in_slices() -> None:
    count = 2 * workers.CHECKPOINTS_PER_TICK + 1
    worker: Any = mock.Mock(peers=dict(enumerate(range(count))), _stale=[], _checked_front=-1)
    worker._done.done.return_value = False
    worker._now.return_value = worker._next_second = 0
    worker.pump.blocked, worker.pump.front = {}, 0
    worker._measure_load = mock.Mock()

    for _ in range(4):
        Worker._tick(worker)

    slices = [list(call.args[0]) for call in worker._checkpoint.call_args_list]
    assert [len(peers) for peers in slices] == [count // 2, count // 2, 1, 0]
    checked = [peer for peers in slices for peer in peers]
    assert sorted(checked) == list(range(count)), "everybody's, once"


@pytest.mark.parametrize(
    ("napping", "hurry", "advanced"), [(False, False, 1), (True, False, 0), (True, True, 1)]
)
def test_in_a_nap_only_those_who_are_behind_are_served(
    napping: bool, hurry: bool, advanced: int
) -> None:
    worker: Any = mock.Mock()
    worker._done.done.return_value = False
    worker.rest.is_napping.return_value = napping
    worker._rest.return_value = False

    Worker._sending_turn(worker, hurry=hurry)

    assert worker._advance.call_count == worker.rest.end_nap.call_count == advanced
    worker._serve_writable.assert_called_once()
    worker._settle_turn.assert_called_once()
    worker._schedule_turn.assert_called_once()


@pytest.mark.parametrize(("needs_log", "unapplied", "moved"), [(0, 0, 1), (0, 1, 0), (1, 0, 0)])
def test_a_front_that_was_promised_to_the_first_of_a_turn_is_not_moved_for_the_next(
    needs_log: bool, unapplied: bool, moved: int
) -> None:
    """The report of the first says from which message on it is; nobody else needs the log yet."""
    worker: Any = mock.Mock()
    worker.pump.needs_log = needs_log
    worker.reads.unapplied = {mock.Mock(): 7} if unapplied else {}

    Worker.protect_front(worker)

    assert worker.pump.follow.call_count == moved
