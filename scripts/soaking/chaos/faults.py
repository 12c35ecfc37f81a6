"""Which worker is hit next, by what. Pure."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

BETWEEN_S = (0.3, 0.7)  # from one to the next
AGAIN_S = (0.005, 0.08)  # from a kill to that of a survivor
PAUSED_S = (0.05, 0.4)  # a worker that is stopped for a moment, and goes on
RESTS_S = 0.1  # until it is looked again whether more of them serve
RESTS_SHARE = 0.7  # of the times when not all of them serve nothing happens
STARTS_SHARE = 0.9  # of the times when none serves those are left alone that are starting
KILL_SHARE = 0.8  # of those that are hit together: killed, and not stopped
# How often which thing happens, of all together. What is a call is done if the publisher has it.
WEIGHTS = {"kill": 40, "stop": 12, "all": 12, "again": 20, "pause": 6}
CALLS = {"move": 20, "restart": 6, "resize": 10}


@dataclass(frozen=True)
class Worker:
    """One that runs, as it was a moment ago."""

    index: int
    pid: int
    serves: bool
    subscribers: int


@dataclass(frozen=True)
class Hit:
    """A signal to a worker."""

    worker: Worker
    by: signal.Signals


@dataclass(frozen=True)
class Event:
    """Something that happens now.

    Attributes:
        what: of `WEIGHTS`, with what it leaves in front: "kill, a survivor".
        call: a method of the publisher that is called besides; empty = none.
    """

    what: str
    hits: tuple[Hit, ...] = ()
    call: str = ""


@dataclass
class Faults:
    """Chooses, by chance.

    Args:
        workers: how many there are to be.
        calls: what can be called of the publisher: "move", "restart", "resize".
    """

    rng: random.Random
    workers: int
    calls: Sequence[str] = ()
    next_at: float = 0.0
    _later: list[tuple[float, Hit | str]] = field(default_factory=list)

    @property
    def when(self) -> float:
        """When the next thing happens."""
        return min([self.next_at, *(at for at, _ in self._later)])

    def due(self, now: float, workers: Sequence[Worker]) -> Event | None:
        """What happens now, if anything does; `workers` are those that have a process."""
        if self._later and self._later[0][0] <= now:
            _, later = self._later.pop(0)
            return self._again(later, workers)
        if now < self.next_at:
            return None
        serving = [worker for worker in workers if worker.serves]
        if len(serving) < self.workers and self.rng.random() < RESTS_SHARE:
            # Where a start takes long nobody would ever be served any more.
            self.next_at = now + RESTS_S
            return None
        self.next_at = now + self.rng.uniform(*BETWEEN_S)
        if not serving:
            return self._none_serves(workers)
        weights = WEIGHTS | {name: CALLS[name] for name in self.calls}
        (what,) = self.rng.choices(list(weights), list(weights.values()))
        if what in CALLS:
            if self.rng.random() < 0.5:  # and while that is done a worker is lost
                self._plan(now, AGAIN_S, "kill")
            return Event(what, call=what)
        if what == "all":
            return Event("all", tuple(self._hit(worker) for worker in workers))
        # Whoever has most is the one to look at; but none may be left out.
        weights_of = [1 + worker.subscribers for worker in serving]
        (victim,) = self.rng.choices(serving, weights_of)
        left = "a survivor" if len(serving) > 1 else "the only one"
        if what == "pause":
            self._plan(now, PAUSED_S, Hit(victim, signal.SIGCONT))
        if what == "again":
            self._plan(now, AGAIN_S, "kill")
        by = signal.SIGSTOP if what in ("stop", "pause") else signal.SIGKILL
        return Event(f"{what}, {left}", (Hit(victim, by),))

    def _hit(self, worker: Worker) -> Hit:
        is_killed = self.rng.random() < KILL_SHARE
        return Hit(worker, signal.SIGKILL if is_killed else signal.SIGSTOP)

    def _plan(self, now: float, after: tuple[float, float], what: Hit | str) -> None:
        self._later.append((now + self.rng.uniform(*after), what))
        self._later.sort(key=lambda one: one[0])

    def _again(self, later: Hit | str, workers: Sequence[Worker]) -> Event | None:
        if isinstance(later, Hit):
            return Event("", (later,))
        if not workers:
            return None
        return Event("", (Hit(self.rng.choice(workers), signal.SIGKILL),))

    def _none_serves(self, workers: Sequence[Worker]) -> Event | None:
        """Now and then one that has just begun is lost as well."""
        if not workers or self.rng.random() < STARTS_SHARE:
            return None
        return Event("while starting", (Hit(self.rng.choice(workers), signal.SIGKILL),))
