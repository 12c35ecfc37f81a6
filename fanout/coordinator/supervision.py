"""Supervision: when to start, kill and give up which worker. Pure.

A worker is STARTING until it has said that it serves, and READY until its process has ended. Then
it is WAITING to be started again. Why it has ended decides when that is:

- By *itself*: an exit, a crash, a start that fails. So are ends of *ours*: one that we have killed
  since it hung or did what it must not has failed as well. Each failure in a row doubles the wait.
- By somebody *else*: a signal that we have not sent and that no process gets for what it does, the
  one of the kernel that is out of memory too. Or we have killed it since somebody had stopped it.
  That says nothing against it: it is started again at once, however often, but no more than a few
  in a second of all workers, and no failure is counted.

A worker is GONE, given up, if it has failed again and again and has not served for minutes: a
service of months must outlive a bad minute, and retrying costs next to nothing. The others serve
on, and get the new connections. When all are given up, nothing can be delivered any more. Those
that were given up are tried again when another one begins to serve after all, since what has made
them fail may be over, and when the user wants it (`restart`).

A worker is killed that hangs (see `Watch`), that does not begin to serve, that has closed its
control channel and does not end, that does what it must not, or that does not finish in time. The
first reason is the one that is told: what is seen of a worker that dies says nothing more. One
that hangs is aborted first, which makes it print where, and is killed if it cannot do even that: it
may wait in the kernel. One that is stopped cannot, and is killed at once. One that the system does
not let us kill is left to itself, and replaced only when it has ended. So is, in the end, one that
was killed and does not go: the kernel waits for something in its name, and nobody waits for that.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fanout.basics.exits import Exit, is_from_outside
from fanout.control.messages import Finish
from fanout.coordinator import actions as do
from fanout.coordinator.end_times import EndTimes
from fanout.coordinator.lives import Life, hopeful, taking
from fanout.coordinator.pace import Pace
from fanout.coordinator.watching import Watch
from fanout.events import EventKind
from fanout.shm.worker_slot import WorkerState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.coordinator.actions import Action
    from fanout.coordinator.lives import Sight

KILL_GRACE = 1.0  # seconds past its timeout that a finishing worker gets before it is killed
LATE_TICK = 0.05  # seconds between looks at those who overstay, in the end
BACKOFF_FIRST = 0.1  # seconds until a lost worker is started again; doubles with each failure
BACKOFF_MAX = 10.0  # seconds; a machine out of memory gets time to recover
BACKOFF_DOUBLINGS = 16  # more than it takes to BACKOFF_MAX; the power of a thousand overflows
AT_ONCE = 4  # workers that are started again at once in a second: a start takes 0.1 s of a core
GIVE_UP_AFTER = 300.0  # seconds in which a worker has not served, after which a failure is final
FAILURES_MAX = 5  # failures in a row that are never final: a stopped machine makes time pass, too
STABLE_AFTER = 30.0  # seconds of service after which earlier failures are forgotten


class Supervision:
    """The lives of all workers; times are in seconds of one clock that never goes back.

    Its mutable state: the lives, whether all were given up, and until when the end may take.

    Args:
        workers: how many, 1 or more.
        worker_timeout: seconds without a sign of life, or progress, after which a worker is hung.
        start_timeout: seconds that a process may take until it serves.
        now: the time.
    """

    def __init__(
        self, workers: int, worker_timeout: float, start_timeout: float, now: float
    ) -> None:
        self.lives = [Life(index, served=now) for index in range(workers)]
        self.finishing_until: float | None = None  # set once: the end has begun
        self._watch = Watch(worker_timeout, start_timeout, now)
        self._pace = Pace(AT_ONCE, 1.0)
        self._end_times = EndTimes()
        self._has_served = False  # all of them at once, since the beginning
        self._is_broken = False  # it was told that nothing can be delivered any more

    @property
    def broken(self) -> bool:
        """Whether every worker was given up."""
        return not hopeful(self.lives)

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
    def taking(self) -> list[int]:
        """Those of them that take connections; not who is about to end, if there are others."""
        return taking(self.lives)

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
        return [do.Start(life.index) for life in self.lives]

    def started(self, worker: int) -> list[Action]:
        """A process has been started for it; nothing is held against this one yet."""
        self.lives[worker].begin()
        return [do.NoteWorker(worker)]

    def serves(self, worker: int, now: float) -> list[Action]:
        """Its process has said that it serves."""
        life = self.lives[worker]
        life.state = WorkerState.READY
        life.ready_since = now
        life.silent_for = 0.0
        actions: list[Action] = [do.NoteWorker(worker), *self._take_up_again(now)]
        if self._is_broken:
            self._is_broken = False
            actions.append(do.Mend())
        if not self._has_served and len(self.ready) == len(self.lives):
            self._has_served = True
            actions.append(do.Serve())
        return actions

    def _take_up_again(self, now: float) -> list[Action]:
        """What has made workers fail is over, as one serves: those given up are due at once."""
        actions: list[Action] = []
        for life in self.lives:
            if life.state is WorkerState.GONE:
                life.state = WorkerState.WAITING
                life.start_at = now
                actions.append(do.NoteWorker(life.index))
        return actions

    def restart(self, now: float) -> int:
        """Have all started now that were given up or wait to be started; returns how many.

        Nothing is held against them any more. Those that have a process are left alone.
        """
        if self.finishing_until is not None:
            return 0
        again = [
            life
            for life in self.lives
            if life.state in (WorkerState.WAITING, WorkerState.GONE) and not life.is_left
        ]
        for life in again:
            life.engage(now)
        return len(again)

    def condemn(self, worker: int, reason: str) -> list[Action]:
        """Kill its process, if it has one; `reason` is told unless there was one before."""
        life = self.lives[worker]
        if not life.has_process:
            return []
        life.condemned = life.condemned or reason
        return [do.Kill(worker, life.condemned)]

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
        if life.is_dismissed and self.finishing_until is None:
            text = life.leave_duty(now, "" if exit_code == Exit.OK else how)
            return [do.NoteWorker(worker), do.tell_of_worker(EventKind.WORKER_RETIRED, life, text)]
        is_foreign = is_from_outside(exit_code)
        if life.condemned:
            how = f"killed by us: {life.condemned}"
            is_foreign = life.is_stopped
            life.condemned = ""  # the next one may not even be started
        life.how = how
        if life.state is WorkerState.READY:
            life.served = now
            if now - life.ready_since >= STABLE_AFTER:
                life.failures = 0
        life.has_process = life.is_leaving = life.is_dismissed = False
        was_left, life.is_left = life.is_left, False
        life.state = WorkerState.WAITING
        life.start_at = now
        life.is_paced = is_foreign
        if not is_foreign:
            self._fail(life, now)
        told = [] if was_left else self._tell_of_loss(life, how, exit_code)
        return [do.NoteWorker(worker), *told, *self._tell_of_giving_up(life)]

    def _fail(self, life: Life, now: float) -> None:
        """It has ended by itself, or by its fault: let it wait, or give it up."""
        life.failures += 1
        if life.failures > FAILURES_MAX and now - life.served >= GIVE_UP_AFTER:
            life.state = WorkerState.GONE
        doublings = min(life.failures - 1, BACKOFF_DOUBLINGS)
        life.start_at = now + min(BACKOFF_FIRST * 2**doublings, BACKOFF_MAX)

    def left(self, worker: int, problem: str) -> list[Action]:
        """Its process cannot be killed: nobody waits for it any more, its end is still noticed.

        Args:
            problem: why not, for people.
        """
        life = self.lives[worker]
        how = f"{life.condemned}; its process cannot be killed ({problem}) and is left to itself"
        life.condemned, life.how = "", how
        life.has_process = False
        life.is_left = True
        life.state = WorkerState.WAITING
        life.start_at = math.inf
        actions: list[Action] = [do.NoteWorker(worker)]
        if not self._has_served:
            actions.append(do.FailStart(f"worker {worker} did not start: {how}"))
        return [*actions, do.tell_of_worker(EventKind.WORKER_LOST, life, how)]

    def _tell_of_loss(self, life: Life, how: str, exit_code: int | None) -> list[Action]:
        actions: list[Action] = []
        if not self._has_served:
            actions.append(do.FailStart(f"worker {life.index} did not start: {how}", exit_code))
        if self.finishing_until is None:  # else it was meant to end
            actions.append(do.tell_of_worker(EventKind.WORKER_LOST, life, how, exit_code))
        return actions

    def _tell_of_giving_up(self, life: Life) -> list[Action]:
        """If it was given up: say so, and if nobody is left, that nothing can be delivered."""
        if life.state is not WorkerState.GONE or self.finishing_until is not None:
            return []
        left = len(hopeful(self.lives))
        wanted = sum(one.state is not WorkerState.RETIRED for one in self.lives)
        text = (
            f"{life.failures} failures in a row, and no service for {GIVE_UP_AFTER:g} s; "
            f"{left} of {wanted} workers are left"
        )
        actions: list[Action] = [do.tell_of_worker(EventKind.WORKER_GIVEN_UP, life, text)]
        if self.broken and not self._is_broken:
            self._is_broken = True
            actions.append(do.Break())
        return actions

    # What time brings.

    def next_look(self) -> float:
        """The time at which `look()` or `due()` has something to do, if nothing comes before."""
        times = [self._watch.next_look]
        if self.finishing_until is not None:
            times.append(max(self.finishing_until, self._watch.looked + LATE_TICK))
        else:
            times += [self._start_at(one) for one in self.lives if one.state is WorkerState.WAITING]
        return min(times)

    def _start_at(self, life: Life) -> float:
        return max(life.start_at, self._pace.opens) if life.is_paced else life.start_at

    def is_time_to_look(self, now: float) -> bool:
        """Whether a tick has passed, or the end is near, which is not to wait for one."""
        return self.finishing_until is not None or now >= self._watch.next_look

    def look(self, now: float, sights: Sequence[Sight]) -> list[Action]:
        """Judge every worker that has a process.

        Args:
            sights: of all workers, in their order.
        """
        witnessed = self._watch.witness(now)
        actions: list[Action] = []
        for life, sight in zip(self.lives, sights, strict=True):
            if life.has_process:
                reason = self._judge(life, sight, witnessed, now)
                if reason and self._is_late(now) and self._watch.overstays(life, witnessed):
                    actions.append(do.Leave(life.index, "it was killed and has not ended"))
                elif reason:
                    actions += self._end_hanging(life, reason, now)
        self._watch.plan(self.lives, now)
        return actions

    def _judge(self, life: Life, sight: Sight, witnessed: float, now: float) -> str:
        """Why to kill it; empty = there is no reason to."""
        ends = self.finishing_until is not None
        reason = self._watch.judge(life, sight, witnessed, ends=ends or life.is_dismissed)
        return reason or ("did not finish in time" if self._is_late(now) else "")

    def _is_late(self, now: float) -> bool:
        """Whether the end takes longer than it may."""
        return self.finishing_until is not None and now >= self.finishing_until

    def _end_hanging(self, life: Life, reason: str, now: float) -> list[Action]:
        """As `condemn()`; who hangs is aborted first, if it can say where and there is time."""
        if self._is_late(now) or not self._watch.may_print(life):
            return self.condemn(life.index, reason)
        if life.aborted_for is not None or life.condemned:
            life.aborted_for = life.aborted_for or 0.0
            return []  # it was aborted, or killed, already: it may be about to go
        life.aborted_for = 0.0
        life.condemned = reason
        return [do.Abort(life.index)]

    def due(self, now: float) -> list[Action]:
        """Start again whose back-off has passed; they are STARTING when this returns."""
        if self.finishing_until is not None:
            return []
        due = [
            one
            for one in self.lives
            if one.state is WorkerState.WAITING and one.start_at <= now and not one.is_held
            if not one.is_paced or self._pace.passes(now)
        ]
        for life in due:
            life.state = WorkerState.STARTING
            life.restarts += 1
        return [do.Start(life.index) for life in due]

    # The end.

    def finish(self, timeout: float, now: float, spread: float = 0.0) -> list[Action]:
        """Have all of them end, see `Finish`; again: what is sooner for that is brought forward."""
        if not self._end_times.bring_forward(timeout, spread, now):
            return []
        self.finishing_until = self._end_times.until + KILL_GRACE
        timeout, spread = self._end_times.left(now)
        actions: list[Action] = []
        for life in self.lives:
            if life.state is WorkerState.READY:
                actions.append(do.Say(life.index, Finish(timeout, spread)))
            else:
                actions += self.condemn(life.index, "it served nobody yet")
        return actions
