"""One seed of the simulated coordinator."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tests.simulation.coordinator.orphans import Orphans
from tests.simulation.coordinator.promises import ASKED_MAX, BACK_OFF, FINISHING, LOOK
from tests.simulation.coordinator.staff import SLOTS
from tests.simulation.coordinator.troubles import Troubles
from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS = 150


class CoordinatorWorld(Troubles):
    """One run; everything in it follows from the seed."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        rng = self.rng
        self.orphans = Orphans(self, SLOTS)
        # Some kinds of trouble are off in some runs, others come all the time.
        self.weights = [float(rng.choice((0, 1, 1, 4))) for _ in self._steps()]
        self.weights[0] = 6
        self.weights[-1] /= 8  # it takes long, and little else happens meanwhile

    def _steps(self) -> tuple[Callable[[], None], ...]:
        return (
            self.turn, self.storm, self.talk, self.talk, self.leave, self.die, self.hang,
            self.wake_up, self.hang_up, self.talk_nonsense, self.be_stopped, self.ask, self.stand,
            self.restart, self.orphans.move, self.orphans.move, self.wait, self.have_trouble,
        )  # fmt: skip

    def run(self, steps: int = STEPS) -> CoordinatorWorld:
        """Take so many steps at random, let it come to rest, and end it."""
        try:
            self._run(steps)
        finally:
            self.orphans.close()
        return self

    def _run(self, steps: int) -> None:
        self.carry_out(self.state.supervision.begin())
        steps_known = self._steps()
        for _ in range(steps):
            self.rng.choices(steps_known, self.weights)[0]()
            self.check()
        if self.rng.random() < 0.6:
            self.come_to_rest()
        self.end()

    def come_to_rest(self) -> None:
        """Without further trouble every worker serves again, unless it is broken."""
        self.is_calm = True
        for process in self.processes.values():
            process.is_beating = True
            process.is_standing = process.is_stopped = False
        until = self.now + self.start_timeout + 2 * BACK_OFF[-1] + 5 * LOOK
        asks = ASKED_MAX  # in a move its worker is asked at each look, so many times
        while self.now < until or (asks and not all(flag.times for flag in self.flags)):
            asks -= self.now >= until
            self.pass_time(LOOK)
            self.act()
            self.check()
        for life in self.state.supervision.lives:
            found = self.processes.get(life.index)
            serves = found is not None and found.served_since is not None
            is_left_out = self.given_up[life.index]
            require(is_left_out or serves, f"worker {life.index} is {life.state.name} for ever")
        require(all(flag.times == 1 for flag in self.flags), "a question has no answer, or two")

    def end(self) -> None:
        """It is closed: within its timeout everything has ended; some hang meanwhile."""
        timeout = self.rng.choice((0.0, 3.0))
        for process in self.processes.values():
            process.is_beating = self.rng.random() < 0.7
            process.is_stopped = False
        self.is_calm = self.state.ledger.closing = True
        until = math.inf
        for _ in range(self.rng.randint(1, 2)):
            until = min(until, self.now + timeout + FINISHING)
            self.finishing_until = until
            self.carry_out(self.state.supervision.finish(timeout, self.now))
            starting = [one for one in self.processes.values() if one.served_since is None]
            require(not any(one.is_alive for one in starting), "one that never served lives on")
            timeout /= 2
        while self.now < until + LOOK:
            self.pass_time(0.25)
            self.act()
        self.act()
        self.check()
        require(self.state.supervision.over, "it does not end")
        require(not self.live, "connections have outlived the publisher")
        require(not self.open, "descriptors have outlived the publisher")
        require(not self.holds_back, "the log is held back for ever")
        self.orphans.end_moves()
