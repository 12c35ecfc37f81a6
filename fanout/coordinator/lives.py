"""Lives: what supervision knows of each worker, and what a look at one shows. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from fanout.shm.worker_slot import WorkerState

if TYPE_CHECKING:
    from collections.abc import Iterable


class Condition(NamedTuple):
    """What the kernel says of a process."""

    state: str  # a letter: see proc(5)
    cpu_s: float  # seconds that it has worked, all of its threads


class Sight(NamedTuple):
    """What a look at a worker shows."""

    heartbeat: int  # a word that it changes as long as it lives
    has_hung_up: bool  # its end of the control channel is closed
    progress: int = 0  # a word that it changes as long as it gets on with what there is to do
    is_waited_for: bool = False  # messages wait for it, or something that was said to it
    condition: Condition | None = None  # None = nobody knows, or nobody asked: it gets on


@dataclass(slots=True)
class Life:
    """One worker, from process to process."""

    index: int
    state: WorkerState = WorkerState.STARTING
    restarts: int = 0
    failures: int = 0  # in a row
    served: float = 0.0  # when it was last known to serve, or given the time anew
    ready_since: float = 0.0
    start_at: float = 0.0  # when WAITING: the time to start it again
    is_paced: bool = False  # and not before the others that were ended from outside
    has_process: bool = False
    heartbeat: int = 0  # at the last look
    progress: int = 0  # at the last look
    condition: Condition | None = None  # at the last look
    silent_for: float = 0.0  # witnessed seconds without a sign of life, or of starting
    stands_for: float = 0.0  # witnessed seconds without progress, while it was waited for
    hung_up_for: float | None = None  # witnessed seconds since its channel was seen closed
    how: str = ""  # its last process ended, if it was not told to
    condemned: str = ""  # why its process was killed, if it was
    aborted_for: float | None = None  # witnessed seconds since it was asked where it hangs
    overstays_for: float = 0.0  # witnessed seconds since it was killed for not finishing in time
    is_left: bool = False  # its process could not be killed, and may still run
    is_held: bool = False  # what it left behind is being cleared: nobody may take its place yet
    is_leaving: bool = False  # its process is to end: its connections go to others, it gets none
    is_dismissed: bool = False  # and was told to
    dismissed_for: float = 0.0  # witnessed seconds since then

    @property
    def is_stopped(self) -> bool:
        """Whether somebody had stopped its process when it was looked at last."""
        return self.condition is not None and self.condition.state in STOPPED

    @property
    def hangs_for(self) -> float:
        """Witnessed seconds in which it seems to hang: that it does nothing means nothing."""
        return max(self.silent_for, self.stands_for)

    def engage(self, now: float) -> None:
        """It is wanted, and was not: it is to be started."""
        self.state = WorkerState.WAITING
        self.failures = 0
        self.served = self.start_at = now
        self.is_paced = False

    def leave_duty(self, now: float, how: str = "") -> str:
        """Its process has ended as it was told to; returns how, for people.

        Args:
            how: if it was not killed by us; empty = as one does that was told to.
        """
        if self.condemned:
            how = f"killed by us: {self.condemned}"
        else:
            how = f"told to end, its subscribers are with others{how and ': '}{how}"
        self.engage(now)
        self.has_process = self.is_left = self.is_leaving = self.is_dismissed = False
        self.condemned = ""
        return how

    def begin(self) -> None:
        """A process has been started for it; nothing is held against this one yet."""
        self.has_process = True
        self.silent_for = self.stands_for = self.overstays_for = self.dismissed_for = 0.0
        self.hung_up_for = self.aborted_for = self.condition = None


def taking(lives: Iterable[Life]) -> list[int]:
    """Those that serve and take connections; not who is about to end, if there are others.

    Who was told to end takes none in any case: it would close them.
    """
    serving = [life for life in lives if life.state is WorkerState.READY]
    ready = [life for life in serving if not life.is_dismissed]
    staying = [life for life in ready if not life.is_leaving]
    return [life.index for life in staying or ready]


def hopeful(lives: Iterable[Life]) -> list[Life]:
    """Those that serve or will, as far as anybody knows."""
    without = WorkerState.GONE, WorkerState.RETIRED
    return [life for life in lives if life.state not in without]


STOPPED = ("T", "t")  # by SIGSTOP and the like, by a debugger
