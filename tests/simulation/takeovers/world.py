"""One seed: a publisher, workers that die, the coordinator, subscribers, and chance."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from tests.simulation.takeovers.chances import (
    BACK_FROM,
    DEVOTED_FROM,
    HALF_FROM,
    HELD_FROM,
    LATE_FROM,
    MIXED_FROM,
    ORPHANED_FROM,
    RARE_FROM,
    SEALED_FROM,
    SHOWN_FROM,
    SLOTS,
)
from tests.simulation.takeovers.coordinator import Coordinator
from tests.simulation.takeovers.dying import PublisherDied
from tests.simulation.takeovers.fate import GIVING_UP
from tests.simulation.takeovers.orphaned import Orphaned
from tests.simulation.takeovers.processes import Process

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "BACK_FROM",
    "DEVOTED_FROM",
    "HALF_FROM",
    "HELD_FROM",
    "LATE_FROM",
    "MIXED_FROM",
    "ORPHANED_FROM",
    "RARE_FROM",
    "SEALED_FROM",
    "SHOWN_FROM",
    "STEPS",
    "TakeoverWorld",
]

STEPS = 130


class TakeoverWorld(Orphaned):
    """One run; everything in it follows from the seed.

    Attributes:
        kills: how often somebody died at each kill point, by name.
        resumed, moved: connections that went on, and that were given up for that by who served.
        reasons: why others did not.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.coordinator = Coordinator(self)

    def run(self, steps: int = STEPS) -> TakeoverWorld:
        """Live for so many steps, then let everybody have everything.

        Raises:
            Violated: somebody has not got what he must get.
        """
        try:
            self._live(steps)
        finally:
            for process in self.coordinator.processes.values():
                process.drop()
            self.segment.close()
        return self

    def _live(self, steps: int) -> None:
        self.coordinator.begin()
        for _ in range(3):
            self._turns()
        for _ in range(self.rng.randint(1, SLOTS - 1)):
            self._connect()
        for _ in range(12 if self.seals else 4):  # a handshake takes longer
            self._turns()
        actions, weights = zip(*self._actions(), strict=True)
        fatal = self.past.randrange(steps // 4, steps * 3 // 4) if self.dies else -1
        for number, action in enumerate(self.rng.choices(actions, weights, k=steps)):
            if number == fatal:
                self.last.seal()
            with suppress(PublisherDied):
                action()
            if self.last.is_over:
                break
        if self.dies:
            self._be_orphaned()
        else:
            self._catch_up()

    def _actions(self) -> list[tuple[Callable[[], None], int]]:
        weight, favourite = self.rng.choice, self.favourite
        moves: tuple[int, ...] = (20,) if favourite.startswith(GIVING_UP) else (0, 5, 15)
        ends: tuple[int, ...] = (10, 20, 40)
        if self.seals:  # who loses a worker is closed, and nobody would be there to be moved
            moves, ends = (60, 120), (0, 0, 1)
        if self.is_devoted:
            moves, ends = (40,), (40,)
        sides = (20, 40) if self.seals else (2, 6)
        leaves = (2,) if favourite in ("close", "shut down") else (0, 0, 1)
        return [
            (self._publish, 120 if self.seals else weight((40, 80))),
            (self._turn, 60),
            (self._tick, weight((3, 10))),
            (self.coordinator_turn, weight((50, 50, 50, 12))),
            (self._drain, weight((10, 30))),
            (self._talk, weight((4, 12, 30))),
            (self._seal, weight(ends)),
            (self._kill_all, weight((0, 0, 1))),
            (self._hang, weight((0, 0, 1) if self.seals else (0, 1, 2))),
            (self._end_who_hangs, 4),
            (self._connect, 2),
            (self._leave, weight(leaves)),
            (self._choose, 0 if self.shows or self.seals else weight((0, 2))),
            (self._move, weight(moves)),
            (self._pass_time, 6),
            (self._stall, weight((0, 0, 1, 4))),
            (self._storm, weight((0, 0, 1))),
            (self.coordinator.restart, weight((0, 0, 1))),
            (self._resize, weight((0, 0, 1))),
            *([(self._cancel, self.past.choice((0, 2, 4)))] if self.dies else []),
            *([(self._end_a_side, self.past.choice(sides))] if self.halves else []),
        ]

    def start(self, worker: int) -> Process:
        return Process(self, worker)
