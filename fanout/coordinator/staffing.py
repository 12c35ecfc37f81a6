"""Staffing: how many workers there are to be, and which of them are replaced. Pure.

A worker whose process is to end is *emptied* first: its subscribers go to others, and it gets no
new ones. Then it is told to end, and is started again if it is wanted. One is emptied at a time.

To replace all of them, one more is started, so that as many serve all the time; each is emptied and
replaced in turn, and at last that one is emptied and not wanted any more. If one that is started
does not serve, the others are left alone: whatever keeps it from serving would keep theirs, too.

The numbers of workers are as they are in shared memory. Those that are not wanted any more keep
theirs, with their totals, and get a process again when more are wanted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.shm.layout import WORKERS_MAX
from fanout.shm.worker_slot import WorkerState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.coordinator.lives import Life


@dataclass(frozen=True, slots=True)
class Staffed:
    """How far it has come.

    Attributes:
        size: how many workers are wanted.
        serving: how many of these serve.
        is_changing: some are replaced, started or ended.
        problem: why not all will serve, or are replaced, for people; empty = they will, and are.
        lost: how those ended that do not serve, for people.
    """

    size: int
    serving: int
    is_changing: bool
    problem: str
    lost: tuple[str, ...]


class Staffing:
    """What is to become of which worker; times are in seconds.

    Its mutable state: how many are wanted and possible, who is to be replaced, who is emptied.

    Args:
        lives: of all workers that there can be; others append to them.
        size: how many are wanted.

    Attributes:
        size: how many are wanted.
        emptied: the one whose subscribers go to others, until it is replaced or gone; None = none.
    """

    def __init__(self, lives: Sequence[Life], size: int) -> None:
        self.size = size
        self.emptied: int | None = None
        self._lives = lives
        self._possible = len(lives)  # others know of these: of further ones maybe not yet
        self._has_stopped = False
        self._left: list[int] = []  # to be replaced
        self._problem = ""
        self._failures: int | None = None  # of the one that is emptied, when its process had ended

    @property
    def is_replacing(self) -> bool:
        """Whether some are still to be replaced."""
        return bool(self._left)

    @property
    def pending(self) -> bool:
        """Whether there is anything to do."""
        if self._has_stopped:
            return False
        if self._left or self.emptied is not None:
            return True
        is_wanted = any(life.state is WorkerState.RETIRED for life in self._lives[: self.size])
        # About one that was left to itself nothing can be done, until it has ended after all.
        surplus = [life for life in self._lives[self.size :] if not life.is_left]
        return is_wanted or any(life.state is not WorkerState.RETIRED for life in surplus)

    def replace_all(self) -> int:
        """Replace all that serve, one after another; returns how many that are."""
        self._problem = ""
        serving = [
            life.index for life in self._lives[: self.size] if life.state is WorkerState.READY
        ]
        self._left = serving
        self._possible = len(self._lives)
        return len(serving)

    def resize(self, size: int) -> None:
        """So many are wanted from now on.

        Args:
            size: 1 to the number of lives.
        """
        self.size = size
        self._problem = ""
        self._possible = len(self._lives)
        self._left = [index for index in self._left if index < size]

    def stop(self) -> None:
        """Everything is about to end: nothing is to be done any more."""
        self._has_stopped = True
        self.emptied = None

    def engage(self, now: float) -> list[int]:
        """Have those started that are wanted and were not; returns their numbers."""
        engaged = []
        for life in self._lives[: self._wanted]:
            if life.state is WorkerState.RETIRED:
                life.engage(now)
                engaged.append(life.index)
        return engaged

    def retire(self) -> list[int]:
        """Note who is not wanted and has no process: it is to get none; returns their numbers."""
        retired = []
        for life in self._lives[self._wanted :]:
            has_ended = not life.has_process and not life.is_left
            if life.state is not WorkerState.RETIRED and has_ended:
                life.state = WorkerState.RETIRED
                life.is_leaving = False
                retired.append(life.index)
        return retired

    def choose(self) -> int | None:
        """Who is to be emptied now, if anybody is; the same until it is replaced, or gone."""
        if self.emptied is not None and self._is_done(self._lives[self.emptied]):
            self.emptied = None
        if self.emptied is None:
            self.emptied = self._next()
            self._failures = None
            if self.emptied is not None:
                self._lives[self.emptied].is_leaving = True
        return self.emptied

    @property
    def staffed(self) -> Staffed:
        """How far it has come."""
        wanted = self._lives[: self.size]
        without = [life for life in wanted if life.state is not WorkerState.READY]
        serving = len(wanted) - len(without)
        lost = tuple(f"worker {life.index}: {life.how}" for life in without if life.how)
        problem = self._problem
        for life in without:
            if life.state is WorkerState.GONE:  # it gets no process, whatever is waited for
                problem = problem or f"worker {life.index} was given up: {life.how}"
        return Staffed(self.size, serving, self.pending, problem, lost)

    def _leave_others(self, problem: str) -> None:
        """One has not got a new process that serves: the others keep theirs."""
        self._left.clear()
        self._problem = f"{problem}; those that were not replaced yet were left alone"

    @property
    def _wanted(self) -> int:
        """How many are to have a process: one more while others are replaced."""
        has_more = self._left or (self.emptied is not None and self.emptied < self.size)
        return min(self.size + bool(has_more), self._possible)

    def _next(self) -> int | None:
        while self._left:
            life = self._lives[self._left[0]]
            if life.state is not WorkerState.READY:  # it is a new one, or will be
                del self._left[0]
                continue
            helper = self._helper
            if helper is not None and helper.state is not WorkerState.READY:
                if not helper.failures:
                    return None  # it starts
                self._leave_others(_did_not_serve(helper))
                break
            return self._left.pop(0)
        surplus = [life for life in self._lives[self._wanted :] if life.has_process]
        if surplus and any(life.state is WorkerState.READY for life in self._lives[: self._wanted]):
            return surplus[-1].index
        return None

    @property
    def _helper(self) -> Life | None:
        """The one more; None = there may be no more workers."""
        return self._lives[self.size] if self.size < min(self._possible, WORKERS_MAX) else None

    def _is_done(self, life: Life) -> bool:
        """Whether one that was to be emptied need not be any more."""
        if life.is_left:  # it has the old process for ever, perhaps
            self._leave_others(f"the process of worker {life.index} cannot be ended")
            return True
        if life.is_leaving:  # it has still the old process
            return False
        if life.index >= self._wanted:
            return True
        if self._failures is None:
            self._failures = life.failures
        if life.failures > self._failures:
            self._leave_others(_did_not_serve(life))
            return True
        return life.state is WorkerState.READY


def _did_not_serve(life: Life) -> str:
    return f"a new process of worker {life.index} did not serve: {life.how}"
