"""Watching: whether a worker lives and gets on, by what looks at it show. Pure.

A worker hangs that gives no sign of life for `worker_timeout`. So does one that gives them and
makes no progress while messages, or something that was said to it, wait for it: a turn that never
ends may still look at the clock, which is a sign of life. One that does not begin to serve, or has
closed its control channel and does not end, or was told to end and does not, is of no use either.

All of that is counted in *witnessed* time. The coordinator looks once a tick; if it comes late to a
look, then it was itself stopped (a laptop that slept, a paused machine), the workers with it most
likely, and what passed beyond two ticks is no evidence against anybody. Nor may one look condemn
a worker: it may come before the worker, which was stopped as well, runs again. There are eight
ticks in `worker_timeout` at least, so no look counts more than a quarter of it.

Nor is a worker to blame for a machine that is busy: time in which it wanted to work and hardly got
the processor counts half. One that is stopped (SIGSTOP, a debugger) hangs like any other.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fanout.shm.worker_slot import WorkerState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.coordinator.lives import Life, Sight

TICK = 0.5  # seconds between looks at most; an idle publisher wakes twice a second
TICKS_EACH = 8  # in `worker_timeout`, at least: one that hangs is noticed a tick late at most
TICK_TRUST = 2.0  # ticks between two looks that count as witnessed, at most
LOOK_MIN = 0.01  # seconds between looks at least, where something is over before the next tick
# Seconds of witnessed time from the end of its channel to that of a worker: milliseconds, but half
# a second where fifteen want the same core. Who is killed before cannot say why it has ended.
HANG_UP_GRACE = 2.0
ABORT_GRACE = 0.15  # seconds of witnessed time in which one that hangs may print where, and end
FINISH_GRACE = 10.0  # seconds of witnessed time to end in when told; it takes ms: it has nobody
LEAVE_GRACE = 1.0  # witnessed seconds that one who was killed gets to go, in the end
STARVED_PART = 0.1  # of a core: who wants to work and gets less is starved by the machine
STARVED_WEIGHT = 0.5  # of the time in which it was: it gets twice as much
RUNNABLE = "R"


class Watch:
    """Judges at each look; times are in seconds of one clock that never goes back.

    Its mutable state: when the last look was, and the next one is. What is known of a worker is in
    its life.

    Args:
        worker_timeout: seconds without a sign of life, or without progress, after which one hangs.
        start_timeout: seconds that a process may take until it serves.
        now: the time.

    Attributes:
        tick: seconds between two looks, if nothing is over before.
        looked: when the last one was.
        next_look: when the next one is due.
    """

    def __init__(self, worker_timeout: float, start_timeout: float, now: float) -> None:
        self.tick = min(TICK, worker_timeout / TICKS_EACH)
        self.next_look = now + self.tick
        self._worker_timeout = worker_timeout
        self._start_timeout = start_timeout
        self._trust = TICK_TRUST * self.tick
        self.looked = now

    def witness(self, now: float) -> float:
        """A look begins; returns how much of the time since the last one was witnessed."""
        witnessed = min(now - self.looked, self._trust)
        self.looked = now
        return witnessed

    def judge(self, life: Life, sight: Sight, witnessed: float, *, ends: bool) -> str:
        """Why to kill it; empty = there is no reason to.

        Args:
            ends: it is to finish, and busy with that, for which it has a time of its own.
        """
        is_ready = life.state is WorkerState.READY
        self._note(life, sight, witnessed, is_ready=is_ready)
        if is_ready and life.silent_for >= self._worker_timeout:
            hint = "; it is stopped" if life.is_stopped else ""
            return f"no sign of life for {self._worker_timeout:g} s (worker_timeout){hint}"
        if is_ready and life.stands_for >= self._worker_timeout and not ends:
            return f"no progress for {self._worker_timeout:g} s (worker_timeout)"
        if life.state is WorkerState.STARTING and life.silent_for >= self._start_timeout:
            return f"it did not begin to serve within {self._start_timeout:g} s (start_timeout)"
        if life.hung_up_for is not None and life.hung_up_for >= HANG_UP_GRACE:
            return "it closed its control channel and did not end"
        if life.dismissed_for >= FINISH_GRACE:
            return f"it was told to end and did not within {FINISH_GRACE:g} s"
        return ""

    def _note(self, life: Life, sight: Sight, witnessed: float, *, is_ready: bool) -> None:
        """Write down in its life what this look shows."""
        counted = witnessed
        if _is_starved(life, sight, witnessed):
            counted *= STARVED_WEIGHT
        life.condition = sight.condition
        if is_ready and sight.heartbeat != life.heartbeat:
            life.silent_for = 0.0
        else:
            life.silent_for += counted
        if not is_ready or sight.progress != life.progress or not sight.is_waited_for:
            life.stands_for = 0.0
        else:
            life.stands_for += counted
        life.heartbeat, life.progress = sight.heartbeat, sight.progress
        if sight.has_hung_up:
            life.hung_up_for = 0.0 if life.hung_up_for is None else life.hung_up_for + witnessed
        if life.aborted_for is not None:
            life.aborted_for += witnessed
        if life.is_dismissed:
            life.dismissed_for += counted

    def may_print(self, life: Life) -> bool:
        """Whether it hangs and can perhaps say where, for which it has a little time."""
        hangs = max(life.silent_for, life.stands_for) >= self._worker_timeout
        is_over = life.aborted_for is not None and life.aborted_for >= ABORT_GRACE
        return life.state is WorkerState.READY and hangs and not life.is_stopped and not is_over

    def overstays(self, life: Life, witnessed: float) -> bool:
        """Whether it was killed so long ago that nobody waits for it any more; asked in the end."""
        if life.condemned:
            life.overstays_for += witnessed
        return life.overstays_for >= LEAVE_GRACE

    def plan(self, lives: Iterable[Life], now: float) -> None:
        """All were looked at: look again in a tick, or when for one of them a time is over."""
        soon = self.tick
        for life in lives:
            if life.has_process:
                soon = min(soon, self._left(life))
        self.next_look = now + max(soon, LOOK_MIN)

    def _left(self, life: Life) -> float:
        """Seconds until it hangs, if it stands still, or is to have printed where."""
        left = math.inf
        if life.state is WorkerState.READY:
            for passed in (life.silent_for, life.stands_for):
                if 0 < passed < self._worker_timeout:
                    left = min(left, self._worker_timeout - passed)
        if life.aborted_for is not None and life.aborted_for < ABORT_GRACE:
            left = min(left, ABORT_GRACE - life.aborted_for)
        return left


def _is_starved(life: Life, sight: Sight, witnessed: float) -> bool:
    """Whether the machine is to blame: since the last look it had hardly any of the processor."""
    before, now = life.condition, sight.condition
    if before is None or now is None or now.state != RUNNABLE:
        return False
    return now.cpu_s - before.cpu_s < STARVED_PART * witnessed
