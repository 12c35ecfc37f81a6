"""Turning: the parts of a simulated worker's turns; none begins in the middle of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.workers.worker import Worker
    from tests.simulation.surroundings import SimulatedSurroundings


class Turning:
    """Runs them: the publisher and others go on between any two steps, and would run more."""

    busy = False
    real: Worker
    around: SimulatedSurroundings

    def do(self, work: Callable[[], None]) -> None:
        """Do a part of a turn, unless it is in one."""
        if self.busy:
            return
        self.busy = True
        try:
            if work == self.real.turn:
                work = self.around.loop.take_turn() or work
            work()
        finally:
            self.busy = False
