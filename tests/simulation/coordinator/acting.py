"""Turns of a simulated coordinator: it reads, sees ends, and looks at its workers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fanout.control.messages import (
    Connected,
    ControlError,
    Finish,
    SlotsWritten,
    Started,
    Subscriptions,
)
from fanout.control.takeover import Released, Resumed
from fanout.coordinator import actions as do
from fanout.coordinator import reports
from fanout.coordinator.lives import Condition, Sight
from tests.simulation.coordinator.obeying import Obeying
from tests.simulation.coordinator.promises import (
    ABORTING,
    HANG_UP_MAX,
    LOOK,
    LOOKS_EACH,
    WITNESSED_MAX,
)
from tests.simulation.violated import require

if TYPE_CHECKING:
    from fanout.control.messages import Message
    from tests.simulation.processes import Process


class Acting(Obeying):
    """A coordinator that has its turns, while time passes."""

    def pass_time(self, seconds: float) -> None:
        """Processes that do not hang give signs of life, and begin to serve."""
        self.now += seconds
        for process in self.processes.values():
            if process.is_alive and process.is_beating and seconds:
                self.heartbeats[process.worker] += 1
                self.progress[process.worker] += not process.is_standing
                if process.serves_at is not None and process.serves_at <= self.now:
                    process.serves_at = None
                    if not process.has_hung_up:
                        process.said.append(Started(1))
            if self.can_talk(process):
                process.said += [SlotsWritten(token) for token in process.asked]
                process.asked.clear()
                self.orphans.answer(process)

    def act(self) -> None:
        """A turn: reports, ends, a look if it is time, and what is due."""
        supervision = self.state.supervision
        for process in list(self.processes.values()):
            if self.is_calm or self.rng.random() < 0.8:
                limit = len(process.said)
                self.read(process, limit if self.is_calm else self.rng.randint(0, limit))
            if not process.is_alive and (self.is_calm or self.rng.random() < 0.8):
                self.see_the_end(process)
        if supervision.is_time_to_look(self.now):
            self.look()
        self.carry_out(supervision.due(self.now))
        self.orphans.act()
        if self.finishing_until is None:
            for worker in range(self.count):
                waits = worker not in self.processes and not self.given_up[worker]
                waits = waits and (not self.is_foreign[worker] or self.may_start_at_once())
                require(not waits or not self.is_due(worker), "one waits too long for its start")

    def read(self, process: Process, count: int) -> None:
        """Take so many reports of a process."""
        for _ in range(count):
            message = process.said.popleft()
            before = self.live.get(getattr(message, "subscriber", 0))
            self._note(process, message)
            try:
                if isinstance(message, Resumed | Released):
                    heard = self.orphans.heard(process.worker, message)
                    self.carry_out(heard + self.wrecks.finish())
                    continue
                actions = reports.take(self.state, process.worker, message, self.now)
            except ControlError:
                require(isinstance(message, Finish), f"{message} was refused")
                process.talked_nonsense = True
                actions = self.state.supervision.condemn(process.worker, "nonsense")
            if isinstance(message, Subscriptions) and before is not None:
                wake = do.Wake(process.worker, message.sequence)
                require(wake in actions, "its worker was not woken")
            self.carry_out(actions)

    def _note(self, process: Process, message: Message) -> None:
        """What the coordinator knows when it has read this."""
        if isinstance(message, Started):
            process.served_since = self.now
            self.is_over = False
            for worker, given_up in enumerate(self.given_up):
                if given_up:  # they are due at once
                    self.given_up[worker] = False
                    self.failed_at[worker] = -math.inf
            process.silent_for = 0.0
            self.holds_back.add(process.worker)
        elif isinstance(message, Connected) and message.subscriber in self.live:
            self.live[message.subscriber].was_connected = True
        elif isinstance(message, Subscriptions) and message.subscriber in self.live:
            peer = self.live[message.subscriber]
            self.has_news = True
            peer.told_wants = peer.told_wants.difference(message.cancelled).union(message.added)

    def see_the_end(self, process: Process) -> None:
        """The coordinator sees that a process has ended: all of its reports count."""
        self.read(process, len(process.said))
        del self.processes[process.worker]
        self.fail(process.worker, process)

    def look(self) -> None:
        """The coordinator looks at the workers; so does the model, which allows what follows."""
        # A short `worker_timeout` takes several looks, too.
        tick = min(LOOK, self.worker_timeout / LOOKS_EACH)
        witnessed = min(self.now - self.looked, WITNESSED_MAX * tick)
        self.looked = self.now
        for process in self.processes.values():
            heartbeat, progress = self.seen[process.worker]
            beat = self.heartbeats[process.worker] != heartbeat
            gets_on = self.progress[process.worker] != progress
            process.seen_stopped = process.is_stopped
            if process.aborted_for is not None:
                process.aborted_for += witnessed
            if process.served_since is None:
                process.starting_for += witnessed
            else:
                process.silent_for = 0.0 if beat else process.silent_for + witnessed
                process.stands_for = 0.0 if gets_on else process.stands_for + witnessed
            if process.has_hung_up:
                seen = process.hung_up_for is not None
                process.hung_up_for = (process.hung_up_for or 0.0) + witnessed * seen
        for worker in self.processes:
            self.seen[worker] = self.heartbeats[worker], self.progress[worker]
        sights = [self.sight(worker) for worker in range(self.count)]
        self.carry_out(self.state.supervision.look(self.now, sights))
        for process in self.processes.values():
            if process.is_alive:
                self._require_patience_ended(process)

    def sight(self, worker: int) -> Sight:
        """What the coordinator sees of a worker; something always waits for it."""
        process = self.processes.get(worker)
        has_hung_up = process is not None and process.has_hung_up
        stopped = Condition("T", 0.0) if process is not None and process.is_stopped else None
        return Sight(self.heartbeats[worker], has_hung_up, self.progress[worker], True, stopped)

    def _require_patience_ended(self, process: Process) -> None:
        """Whoever should have been killed by this look was."""
        stands = process.stands_for if self.finishing_until is None else 0.0
        hangs = max(process.silent_for, stands) >= self.worker_timeout
        is_asked = process.aborted_for is not None and process.aborted_for < ABORTING
        is_asked = is_asked and not process.is_stopped
        require(not hangs or is_asked, f"one that hung for {process.silent_for:.1f} s lives")
        dawdles = process.starting_for >= self.start_timeout
        require(process.served_since is not None or not dawdles, "one that never serves lives")
        require((process.hung_up_for or 0.0) < HANG_UP_MAX, "one that hung up lives")
        require(not process.talked_nonsense, "one that talked nonsense lives")
        late = self.finishing_until is not None and self.now >= self.finishing_until
        require(not late, "one that does not finish lives")
