"""Rebalancing: who has too much to do gives subscribers up, in a coordinator turned by hand."""

from __future__ import annotations

from fanout.control.takeover import Release
from fanout.coordinator.balance import HOT_FOR, QUIET
from fanout.coordinator.lives import Condition
from fanout.shm.subscriber_slot import NOTHING, SubscriberSlot
from tests.unit.coordinator.bench import Bench
from tests.unit.coordinator.test_succession import connect

BUSY = 800  # thousandths of a core
HARDLY = 1.0


class Busy:
    """Two workers, of which the first has all subscribers, and works all the time."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.subscribers = connect(bench, 2)
        for subscriber in self.subscribers:
            bench.state.roster.move(subscriber, [0])
        self.sent = 0
        bench.processes[0].slot.load = BUSY

    def pass_time(self, seconds: float) -> list[Release]:
        """Returns what the first worker is to give up."""
        bench = self.bench
        asked: list[Release] = []
        until = bench.now + seconds
        while bench.now < until:
            self.sent += 1_000_000
            for subscriber in self.subscribers:
                slot = bench.state.roster.connections[subscriber].slot
                checkpoint = NOTHING._replace(sent_bytes=self.sent)
                SubscriberSlot(bench.segment, slot).checkpoint(checkpoint)
            bench.conditions[1000] = Condition("S", 0.8 * bench.now)
            bench.conditions[1001] = Condition("S", 0.0)
            bench.pass_time(0.5)
            for message in bench.processes[0].hear():
                assert isinstance(message, Release)
                asked.append(message)
        return asked


def test_a_worker_that_has_much_more_to_do_gives_one_of_two_up() -> None:
    with Bench(2) as bench:
        busy = Busy(bench)
        assert busy.pass_time(QUIET + HOT_FOR - HARDLY) == []
        asked = busy.pass_time(4 * HARDLY)
        assert len({message.subscriber for message in asked}) == 1


def test_not_if_it_is_not_wanted_or_one_has_just_taken_over() -> None:
    with Bench(2, {"rebalance": False}) as bench:
        assert Busy(bench).pass_time(2 * (QUIET + HOT_FOR)) == []
    with Bench(2) as bench:
        busy = Busy(bench)
        busy.pass_time(QUIET)
        bench.state.ledger.takeovers += 1
        assert busy.pass_time(QUIET) == []


def test_nobody_is_moved_to_one_that_does_nothing_since_it_hangs() -> None:
    with Bench(2) as bench:
        busy = Busy(bench)
        busy.pass_time(QUIET)
        bench.processes[1].beats = False
        assert busy.pass_time(2 * HOT_FOR) == []


def test_who_comes_meanwhile_to_a_slot_that_nobody_had_is_not_weighed() -> None:
    """Nothing is known of what it was sent before."""
    with Bench(2) as bench:
        busy = Busy(bench)
        busy.pass_time(QUIET + HOT_FOR - HARDLY)
        for subscriber in connect(bench, 1):
            bench.state.roster.move(subscriber, [0])
        asked = busy.pass_time(4 * HARDLY)
        assert {message.subscriber for message in asked} <= set(busy.subscribers)
        assert len(asked) == 1
