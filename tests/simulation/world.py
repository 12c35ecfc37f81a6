"""The world of one seed: a publisher, some workers, many subscribers, and chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.chances import HELD_FROM, LATE_FROM, MILLISECOND, SUBSCRIBERS_MAX, TICKS_APART
from tests.simulation.checker import Checker
from tests.simulation.settling import Settling
from tests.simulation.workers import SimulatedWorker

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HELD_FROM", "LATE_FROM", "STEPS", "World"]

STEPS = 260  # enough for the log to wrap several times


class World(Settling):
    """One run; everything in it follows from the seed."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.checker = Checker(self)

    def run(self, steps: int = STEPS) -> Checker:
        """Live for so many steps, then let everybody catch up.

        Raises:
            Violated, AssertionError: an invariant does not hold.
        """
        try:
            self._live(steps)
        finally:
            self.close()
        self.checker.deliveries += sum(model.sent for model in self.models.values())
        return self.checker

    def close(self) -> None:
        """Give the memory back."""
        for worker in self.workers:
            worker.close()
        self.readable.close()
        self.segment.close()

    def _live(self, steps: int) -> None:
        for index in range(self.options.workers):
            self.workers.append(SimulatedWorker(index, self))
        for _ in range(self.rng.randrange(SUBSCRIBERS_MAX)):
            self._connect()
        actions, weights = zip(*self._actions(), strict=True)
        for action in self.rng.choices(actions, weights, k=steps):
            action()
        self._catch_up()

    def _actions(self) -> list[tuple[Callable[[], None], int]]:
        return [
            (self._publish, 40),
            (lambda: self._worker().run_turn(), 30),
            (lambda: self._worker().run_sending_turn(), 10),
            (self._drain, 50),
            (self._isolate, 4),
            (self._listen, 12),
            (self._stall, 3),
            (self._connect, 12 if self._late else 4),
            (self._disconnect, 2 if self._most == SUBSCRIBERS_MAX else 6),
            (self._stick, 2),
            (self._judge_standing, 4),
            (self._choose, 4 if self._chosen else 0),
            (lambda: self._worker().ask(), 3),
            (self._pass_time, 8),
            (lambda: self._worker().run_tick(), 1),
            (self._hear, 3 if self.is_held else 0),
        ]

    def _drain(self) -> None:
        for sock in self.sockets.values():
            if not sock.stalled and self.rng.random() < 0.6:
                sock.drain(self.rng.choice((1, 10, 1_000, 100_000)))

    def _stall(self) -> None:
        sock = self._socket()
        if sock is not None:
            sock.stalled = not sock.stalled

    def _disconnect(self) -> None:
        sock = self._socket()
        if sock is not None:
            if self.rng.random() < 0.5:
                sock.broken = True
            sock.ended = True

    def _judge_standing(self) -> None:
        """Somebody has kept up for a while, or has not: who goes first is another one then."""
        worker = self._worker()
        if worker.peers and not worker.busy:
            member = worker.peers[self.rng.choice(list(worker.peers))].member
            if worker.pump.steady.pop(member, self) is self:
                worker.pump.steady[member] = None

    def _stick(self) -> None:
        channel = self._worker().channel
        channel.stuck = not channel.stuck
        channel.room = self.rng.randrange(4)

    def _pass_time(self) -> None:
        """Half the time with the ticks that belong to it; else the workers are stopped."""
        left = self.rng.choice((1, 10, 100, 300, 1_000, 1_000, 10_000)) * MILLISECOND
        if self.rng.random() < 0.5:
            self.now += left
            return
        while left > 0:
            self.now += min(left, TICKS_APART)
            left -= TICKS_APART
            for worker in self.workers:
                worker.run_tick()
