"""Jams: what has to wait on a control channel is told of, and counted."""

from __future__ import annotations

import errno
from unittest import mock

from fanout.control.messages import WriteSlots
from fanout.coordinator.actions import Say
from fanout.coordinator.thinning import SUMMARY_EACH
from fanout.coordinator.watching import TICK
from fanout.events import EventKind
from fanout.reasons import Reason
from tests.unit.coordinator.bench import KILLED, Bench

FULL = EventKind.CHANNEL_FULL


def fill(bench: Bench) -> None:
    """Tell the first worker so much that it has to wait, since that does not read."""
    channel = bench.coordinator.links[0].channel
    assert channel is not None
    while not channel.pending:
        bench.coordinator._carry_out([Say(0, WriteSlots(1))])
        bench.turn()


def test_a_worker_that_does_not_read_is_told_of_and_counted_once_for_each_time() -> None:
    with Bench(1) as bench:
        fill(bench)
        bench.pass_time(TICK)
        (told,) = bench.of(FULL)
        assert (told.worker, told.cause, told.count) == (0, Reason.CHANNEL_FULL, 1)
        assert told.reason == "worker 0 does not read what it is told: 1 messages wait"
        bench.pass_time(4 * TICK)
        assert bench.state.ledger.channel_full == 1, "it is full for one and the same time"
        while bench.worker.hear():
            bench.turn()
        fill(bench)
        bench.pass_time(TICK)
        assert bench.state.ledger.channel_full == 2
        assert len(bench.of(FULL)) == 1
        bench.pass_time(SUMMARY_EACH)
        assert len(bench.of(FULL)) == 2


def test_it_is_counted_on_over_all_processes_of_a_worker() -> None:
    with Bench(1) as bench:
        fill(bench)
        bench.worker.exit(KILLED)
        bench.turn()
        bench.pass_time(4 * TICK)
        assert bench.state.ledger.channel_full == 1


def test_want_of_memory_is_another_cause() -> None:
    with Bench(1) as bench:
        channel = bench.coordinator.links[0].channel
        assert channel is not None
        short = OSError(errno.ETOOMANYREFS, "Too many references")
        with mock.patch.object(channel, "_send_packet", side_effect=short):
            bench.coordinator._carry_out([Say(0, WriteSlots(1))])
            bench.pass_time(2 * TICK)
        (told,) = bench.of(FULL)
        assert told.cause is Reason.NO_RESOURCES
        assert bench.state.ledger.channel_full == 1
        bench.turn()
        assert WriteSlots(1) in bench.worker.hear()


def test_what_workers_count_is_told_of_as_well() -> None:
    with Bench(2) as bench:
        slot = bench.coordinator.links[1].slot
        slot.channel_full += 3
        slot.channel_short += 1
        bench.pass_time(TICK)
        assert [(one.worker, one.cause, one.count) for one in bench.of(FULL)] == [
            (1, Reason.CHANNEL_FULL, 3),
            (1, Reason.NO_RESOURCES, 1),
        ]
        assert "the publisher does not read what worker 1 reports" in bench.of(FULL)[0].reason
        assert bench.state.ledger.channel_full == 4
