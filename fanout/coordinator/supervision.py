"""Supervision: when to start, kill and give up which worker. Pure.

A worker is STARTING until it has said that it serves, and READY until its process has ended. Then
it is WAITING for its back-off to pass. It is GONE if it has failed again and again and no worker at
all has served for minutes: a service of months must outlive a bad minute, and retrying costs next
to nothing. Should another one serve after all, those that were given up are started again.

A worker is killed that gives no sign of life, that does not begin to serve, that has closed its
control channel and does not end, that does what it must not, or that does not finish in time. The
first reason is the one that is told: what is seen of a worker that dies says nothing more. One
that gives no sign of life is aborted first, which makes it print where it hangs, and is killed if
it cannot do even that: it may be stopped, or wait in the kernel. One that the system does not let
us kill is left to itself, and replaced only when it has ended. So is, in the end, one that was
killed and does not go: the kernel waits for something in its name, and nobody waits for that.

Silence is counted in *witnessed* time. The coordinator looks once a tick; if it comes late to a
look, then it was itself stopped (a laptop that slept, a paused machine), the workers with it most
likely, and what passed beyond TICK_TRUST is no evidence against anybody. Nor may one look condemn
a worker: it may come before the worker, which was stopped as well, runs again. So no look counts
more than half of `worker_timeout`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fanout.control.messages import Finish
from fanout.coordinator.actions import (
    Abort,
    Break,
    FailStart,
    Kill,
    Leave,
    NoteWorker,
    Say,
    Serve,
    Start,
    Tell,
)
from fanout.coordinator.lives import Life
from fanout.events import Event, EventKind
from fanout.shm.worker_slot import WorkerState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.coordinator.actions import Action
    from fanout.coordinator.lives import Sight

TICK = 0.5  # seconds between looks at the workers; an idle publisher wakes twice a second
TICK_TRUST = 2 * TICK  # seconds between two looks that count as witnessed, at most
ABORT_GRACE = 1.0  # seconds of witnessed time in which one that hangs may print where, and end
HANG_UP_GRACE = TICK  # seconds of witnessed time from the end of its channel to that of a worker
KILL_GRACE = 1.0  # seconds past its timeout that a finishing worker gets before it is killed
LEAVE_GRACE = 1.0  # witnessed seconds that one who was killed gets to go, in the end
LATE_TICK = 0.05  # seconds between looks at those who overstay, in the end
BACKOFF_FIRST = 0.1  # seconds until a lost worker is started again; doubles with each failure
BACKOFF_MAX = 10.0  # seconds; a machine out of memory gets time to recover
BACKOFF_DOUBLINGS = 16  # more than it takes to BACKOFF_MAX; the power of a thousand overflows
GIVE_UP_AFTER = 300.0  # seconds without any worker that serves, after which a failure may be final
FAILURES_MAX = 5  # failures in a row that are never final: a stopped machine makes time pass, too
STABLE_AFTER = 30.0  # seconds of service after which earlier failures are forgotten


class Supervision:
    """The lives of all workers; times are in seconds of one clock that never goes back.

    Its mutable state: the lives, the time of the last look, when somebody has last served, and
    until when the end may take.

    Args:
        workers: how many, 1 or more.
        worker_timeout: seconds without a sign of life after which a worker is hung.
        start_timeout: seconds that a process may take until it serves.
        now: the time.
    """

    def __init__(
        self, workers: int, worker_timeout: float, start_timeout: float, now: float
    ) -> None:
        self.lives = [Life(index) for index in range(workers)]
        self.finishing_until: float | None = None  # set once: the end has begun
        self._worker_timeout = worker_timeout
        self._trust = TICK_TRUST * min(1.0, worker_timeout / (4 * TICK))
        self._start_timeout = start_timeout
        self._looked = now
        self._has_served = False  # all of them at once, since the beginning
        self._served = now  # when somebody was last known to serve

    @property
    def broken(self) -> bool:
        """Whether every worker was given up."""
        return all(life.state is WorkerState.GONE for life in self.lives)

    @property
    def over(self) -> bool:
        """Whether the end has begun and no process is left."""
        busy = any(one.has_process or one.is_held for one in self.lives)
        return self.finishing_until is not None and not busy

    @property
    def ready(self) -> list[int]:
        """The workers that serve."""
        return [life.index for life in self.lives if life.state is WorkerState.READY]

    @property
    def held(self) -> list[int]:
        """The lost workers of whom something is left to be cleared."""
        return [life.index for life in self.lives if life.is_held]

    def hold(self, worker: int) -> None:
        """What this lost worker has left is to be cleared before it is started again."""
        self.lives[worker].is_held = True

    def let_go(self, worker: int) -> None:
        """It is cleared."""
        self.lives[worker].is_held = False

    # The life of a worker.

    def begin(self) -> list[Action]:
        """Start all of them."""
        return [Start(life.index) for life in self.lives]

    def started(self, worker: int) -> list[Action]:
        """A process has been started for it; nothing is held against this one yet."""
        life = self.lives[worker]
        life.has_process = True
        life.silent_for = 0.0
        life.hung_up_for = None
        life.condemned = ""
        life.overstays_for = 0.0
        return [NoteWorker(worker)]

    def serves(self, worker: int, now: float) -> list[Action]:
        """Its process has said that it serves."""
        life = self.lives[worker]
        life.state = WorkerState.READY
        life.ready_since = now
        life.silent_for = 0.0
        actions: list[Action] = [NoteWorker(worker), *self._take_up_again(now)]
        if not self._has_served and len(self.ready) == len(self.lives):
            self._has_served = True
            actions.append(Serve())
        return actions

    def _take_up_again(self, now: float) -> list[Action]:
        """What has made workers fail is over, as one serves: those given up are due at once."""
        actions: list[Action] = []
        for life in self.lives:
            if life.state is WorkerState.GONE:
                life.state = WorkerState.WAITING
                life.start_at = now
                actions.append(NoteWorker(life.index))
        return actions

    def condemn(self, worker: int, reason: str) -> list[Action]:
        """Kill its process, if it has one; `reason` is told unless there was one before."""
        life = self.lives[worker]
        if not life.has_process:
            return []
        life.condemned = life.condemned or reason
        return [Kill(worker, life.condemned)]

    def ended(
        self, worker: int, how: str, now: float, exit_code: int | None = None
    ) -> list[Action]:
        """Its process has ended, or could not be started.

        It is WAITING until `start_at` when this returns, or GONE.

        Args:
            how: it ended, for people, in case that it was not killed by us.
            exit_code: None = there was no process, or nobody knows it.
        """
        life = self.lives[worker]
        if life.condemned:
            how = f"killed by us: {life.condemned}"
        if life.state is WorkerState.READY:
            self._served = now
            if now - life.ready_since >= STABLE_AFTER:
                life.failures = 0
        life.has_process = False
        was_left, life.is_left = life.is_left, False
        life.failures += 1
        life.state = WorkerState.WAITING
        if life.failures > FAILURES_MAX and not self.ready and now - self._served >= GIVE_UP_AFTER:
            life.state = WorkerState.GONE
        doublings = min(life.failures - 1, BACKOFF_DOUBLINGS)
        life.start_at = now + min(BACKOFF_FIRST * 2**doublings, BACKOFF_MAX)
        told = [] if was_left else self._tell_of_loss(life, how, exit_code)
        return [NoteWorker(worker), *told]

    def left(self, worker: int, problem: str) -> list[Action]:
        """Its process cannot be killed: nobody waits for it any more, its end is still noticed.

        Args:
            problem: why not, for people.
        """
        life = self.lives[worker]
        how = f"{life.condemned}; its process cannot be killed ({problem}) and is left to itself"
        life.condemned = ""
        life.has_process = False
        life.is_left = True
        life.state = WorkerState.WAITING
        life.start_at = math.inf
        actions: list[Action] = [NoteWorker(worker)]
        if not self._has_served:
            actions.append(FailStart(f"worker {worker} did not start: {how}"))
        return [*actions, Tell(Event(EventKind.WORKER_LOST, how, worker=worker))]

    def _tell_of_loss(self, life: Life, how: str, exit_code: int | None) -> list[Action]:
        actions: list[Action] = []
        if not self._has_served:
            text = f"worker {life.index} did not start: {how}"
            actions.append(FailStart(text, exit_code))
        if self.finishing_until is not None:
            return actions  # it was meant to end
        if life.state is WorkerState.GONE:
            how += (
                f"; given up after {life.failures} failures in a row: "
                f"no worker has served for {GIVE_UP_AFTER:g} s"
            )
        lost = Event(EventKind.WORKER_LOST, how, worker=life.index, exit_code=exit_code)
        actions.append(Tell(lost))
        if self.broken:
            actions.append(Break())
        return actions

    # What time brings.

    def next_look(self) -> float:
        """The time at which `look()` or `due()` has something to do, if nothing comes before."""
        times = [self._looked + TICK]
        if self.finishing_until is not None:
            times.append(max(self.finishing_until, self._looked + LATE_TICK))
        else:
            times += [one.start_at for one in self.lives if one.state is WorkerState.WAITING]
        return min(times)

    def is_time_to_look(self, now: float) -> bool:
        """Whether a tick has passed, or the end is near, which is not to wait for one."""
        return self.finishing_until is not None or now - self._looked >= TICK

    def look(self, now: float, sights: Sequence[Sight]) -> list[Action]:
        """Judge every worker that has a process.

        Args:
            sights: of all workers, in their order.
        """
        witnessed = min(now - self._looked, self._trust)
        self._looked = now
        if self.ready:
            self._served = now
        actions: list[Action] = []
        for life, sight in zip(self.lives, sights, strict=True):
            if life.has_process:
                reason = self._judge(life, sight, now, witnessed)
                if reason and self._overstays(life, now, witnessed):
                    actions.append(Leave(life.index, "it was killed and has not ended"))
                elif reason:
                    actions += self._end_hanging(life, reason, now)
        return actions

    def _is_late(self, now: float) -> bool:
        """Whether the end takes longer than it may."""
        return self.finishing_until is not None and now >= self.finishing_until

    def _overstays(self, life: Life, now: float, witnessed: float) -> bool:
        """Whether it was killed so long ago, in the end, that nobody waits for it any more."""
        if life.condemned and self._is_late(now):
            life.overstays_for += witnessed
        return life.overstays_for >= LEAVE_GRACE

    def _end_hanging(self, life: Life, reason: str, now: float) -> list[Action]:
        """As `condemn()`, but one that gives no sign of life is aborted first, if there is time."""
        is_late = self._is_late(now)
        beyond = life.silent_for - self._worker_timeout
        if life.state is not WorkerState.READY or is_late or not 0 <= beyond < ABORT_GRACE:
            return self.condemn(life.index, reason)
        if life.condemned:
            return []  # it was aborted, or killed, already
        life.condemned = reason
        return [Abort(life.index)]

    def _judge(self, life: Life, sight: Sight, now: float, witnessed: float) -> str:
        """Why to kill it; empty = there is no reason to."""
        if life.state is WorkerState.READY and sight.heartbeat != life.heartbeat:
            life.silent_for = 0.0
        else:
            life.silent_for += witnessed
        life.heartbeat = sight.heartbeat
        if sight.has_hung_up:
            life.hung_up_for = 0.0 if life.hung_up_for is None else life.hung_up_for + witnessed
        if life.state is WorkerState.READY and life.silent_for >= self._worker_timeout:
            return f"no sign of life for {self._worker_timeout:g} s (worker_timeout)"
        if life.state is WorkerState.STARTING and life.silent_for >= self._start_timeout:
            return f"it did not begin to serve within {self._start_timeout:g} s (start_timeout)"
        if self._is_late(now):
            return "did not finish in time"
        if life.hung_up_for is not None and life.hung_up_for >= HANG_UP_GRACE:
            return "it closed its control channel and did not end"
        return ""

    def due(self, now: float) -> list[Action]:
        """Start again whose back-off has passed; they are STARTING when this returns."""
        if self.finishing_until is not None:
            return []
        due = [
            one
            for one in self.lives
            if one.state is WorkerState.WAITING and one.start_at <= now and not one.is_held
        ]
        for life in due:
            life.state = WorkerState.STARTING
            life.restarts += 1
        return [Start(life.index) for life in due]

    # The end.

    def finish(self, timeout: float, now: float) -> list[Action]:
        """Have all of them end; again, with a time that is up sooner, brings it forward.

        Args:
            timeout: seconds in which they may still deliver what is queued.
        """
        until = now + timeout + KILL_GRACE
        if self.finishing_until is not None and self.finishing_until <= until:
            return []
        self.finishing_until = until
        actions: list[Action] = []
        for life in self.lives:
            if life.state is WorkerState.READY:
                actions.append(Say(life.index, Finish(timeout)))
            else:
                actions += self.condemn(life.index, "it served nobody yet")
        return actions
