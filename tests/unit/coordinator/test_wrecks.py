"""Wrecks: cleared in slices, in an order that loses nothing, and others have their turn."""

from __future__ import annotations

from threading import Event as Flag
from typing import TYPE_CHECKING

from fanout.coordinator import actions as do
from fanout.coordinator import lost, reports
from fanout.coordinator.supervision import BACKOFF_MAX
from fanout.coordinator.wrecks import SLICE
from fanout.events import EventKind
from fanout.shm.log import LogWriter
from fanout.shm.subscriber_slot import NOTHING, SubscriberSlot
from fanout.shm.worker_slot import NO_TAIL
from fanout.zmtp.frames import encode_message
from tests.unit.coordinator.bench import Bench
from tests.unit.coordinator.test_supervision import only

if TYPE_CHECKING:
    import socket

    import pytest

COUNT = 4  # slots of the bench


class Ticking(Bench):
    """Each look at the clock takes longer than a slice: a slice is one step."""

    def __init__(self) -> None:
        super().__init__()
        self.ticks = False
        self.looks = 0
        pool = self.coordinator._pool
        pool._now = pool._wrecks._now = pool._wrecks._losses._now = self._tick

    def _tick(self) -> float:
        self.looks += self.ticks
        return self.now + self.looks * 1.1 * SLICE

    def has_wrecks(self) -> bool:
        """Whether something is left to be cleared."""
        return self.coordinator._pool.has_wrecks

    def lose(self) -> list[tuple[socket.socket, int]]:
        """COUNT subscribers lose their worker, which had counted nine of the ten they wanted."""
        subscribers = [self.connect(b"A") for _ in range(COUNT)]
        for connection in self.state.roster.connections.values():
            slot = SubscriberSlot(self.segment, connection.slot)
            slot.checkpoint(NOTHING._replace(matched=9, sent=0))
        writer = LogWriter(self.segment)
        writer.refresh([])
        writer.append(encode_message([b"A1"]), 0)
        self.worker.slot.tail = 0
        self.ticks = True
        self.worker.exit(1)
        return subscribers


def tail_of(bench: Bench) -> int:
    """The tail that a worker that is gone has left."""
    return bench.worker.slot.tail


def test_others_have_their_turn_while_a_wreck_is_cleared() -> None:
    with Ticking() as bench:
        bench.lose()
        connect = bench.listen()
        left, accepted = [], []
        while len(bench.of(EventKind.WORKER_LOST)) < 1:
            connect()
            bench.turn()
            left.append(len(bench.state.roster.connections))
            accepted.append(bench.state.ledger.accepted)

        assert len(left) > 1, "it was cleared in one go"
        assert accepted == sorted(set(accepted)), "a turn in which nobody was accepted"
        assert bench.state.ledger.discarded == 10 * COUNT


def test_the_log_is_let_go_of_when_all_is_counted_and_before_anybody_is_ended() -> None:
    with Ticking() as bench:
        bench.lose()
        pool = bench.coordinator._pool
        actions = pool._on_exit(pool.links[0])
        seen = [(tail_of(bench), do.FreeTail(0) in actions)]
        while bench.has_wrecks():
            actions = pool.clear()
            seen.append((tail_of(bench), do.FreeTail(0) in actions))
            bench.coordinator._carry_out(actions)

        kinds = [
            "let go" if lets_go else "held" if tail != NO_TAIL else "ending"
            for tail, lets_go in seen
        ]
        held = kinds.index("let go")
        assert held > COUNT, "each is a step, however little there is to count"
        assert kinds == [*["held"] * held, "let go", *["ending"] * (len(kinds) - held - 1)]
        assert bench.state.ledger.discarded == 10 * COUNT, "it was counted when it was too late"


def test_nobody_takes_the_place_of_one_that_is_not_cleared_yet() -> None:
    with Ticking() as bench:
        bench.lose()
        bench.turn()
        bench.now += BACKOFF_MAX
        bench.turn()
        assert bench.has_wrecks()
        assert len(bench.processes) == 1, "two write into one slot"
        while bench.has_wrecks():
            bench.turn()
        bench.turn()

        assert len(bench.processes) == 2


def test_who_asks_meanwhile_is_answered_when_it_is_cleared() -> None:
    with Ticking() as bench:
        bench.lose()
        bench.turn()
        flag = Flag()
        bench.coordinator._carry_out(reports.ask(bench.state, flag))
        left = []
        while not flag.is_set():
            left.append(len(bench.state.roster.connections))
            bench.turn()

        assert left[0] > 0
        assert not bench.state.roster.connections
        assert bench.state.ledger.discarded == 10 * COUNT


def test_the_end_waits_for_what_is_not_cleared_yet() -> None:
    with Ticking() as bench:
        bench.lose()
        bench.turn()
        bench.coordinator._finish(0.0)
        over = [bench.state.supervision.over]
        while bench.has_wrecks():
            bench.turn()
        over.append(bench.state.supervision.over)

        assert over == [False, True]
        assert [one.messages for one in bench.state.ledger.undelivered] == [10] * COUNT


def test_who_is_not_counted_in_time_is_told_of_as_not_exact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lost, "COUNTING_MAX", 0.0)
    with Bench() as bench:
        _sock, subscriber = bench.connect(b"A")
        writer = LogWriter(bench.segment)
        writer.refresh([])
        writer.append(encode_message([b"A1"]), 0)
        bench.worker.slot.tail = 0
        bench.worker.exit(1)
        bench.turn()

        evicted = only(bench.of(EventKind.SUBSCRIBER_EVICTED))
        assert (evicted.subscriber, evicted.discarded, evicted.exact) == (subscriber, 0, False)
        assert "there was no time" in evicted.reason
        assert "exact=False" in str(evicted)
        undelivered = only(bench.state.ledger.take_lost())
        assert (undelivered.messages, undelivered.exact) == (0, False)


def test_what_is_owed_is_counted_in_slices() -> None:
    with Ticking() as bench:
        bench.lose()
        counting = bench.coordinator._pool.owed()
        slices = 1
        while not counting.go_on():
            slices += 1

        assert slices > 1
        assert list(counting.value.values()) == [(10, True)] * COUNT
