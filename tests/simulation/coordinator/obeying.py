"""What a simulated coordinator wants to be done, and whether it may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.control.messages import Closed, Connected, Finish, WriteSlots
from fanout.coordinator import actions as do
from fanout.reasons import Reason
from fanout.shm.worker_slot import WorkerState
from tests.simulation.coordinator.promises import (
    FAILURES,
    FORGIVEN_AFTER,
    FROM_OUTSIDE,
    LOOK,
    NO_SERVICE,
)
from tests.simulation.coordinator.staff import Staff, end_of
from tests.simulation.processes import Peer, Process
from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.control.messages import Message
    from fanout.coordinator.actions import Action
    from fanout.coordinator.roster import Accepted


class Obeying(Staff):
    """Workers that are started, killed and told something, and their connections."""

    def fail(self, worker: int, process: Process | None) -> None:
        """A worker has lost its process, or has got none."""
        self.lost += self.finishing_until is None
        served = process.served_since if process is not None else None
        self.failed_at[worker] = self.now
        if served is not None:
            self.served[worker] = self.now
            if self.now - served >= FORGIVEN_AFTER:
                self.failures[worker] = 0
        code = process.code if process is not None else None
        is_foreign = code in FROM_OUTSIDE
        if process is not None and process.was_condemned:
            is_foreign = process.seen_stopped
        self.is_foreign[worker] = is_foreign
        self.failures[worker] += not is_foreign

        too_often = self.failures[worker] > FAILURES
        too_long = self.now - self.served[worker] >= NO_SERVICE
        self.given_up[worker] = given_up = too_often and too_long and not is_foreign
        ends = self.finishing_until is not None
        self.times_given_up += given_up and not ends
        self.is_over = self.is_over or all(self.given_up)
        told = self.state.supervision.ended(worker, "it ended", self.now, code)
        actions = self.orphans.lose(worker, told, code, is_foreign=is_foreign)
        self.carry_out(actions + self.wrecks.finish())
        require(worker not in self.holds_back, "a lost worker holds the log back")
        for subscriber, peer in self.live.items():
            waits = subscriber in self.orphans.waiting
            is_left = peer.connection.worker == worker and not waits
            require(not is_left, "a connection has outlived its worker")
        require(set(self.orphans.waiting) <= set(self.live), "one is ended that could go on")
        state = self.state.supervision.lives[worker].state
        expected = WorkerState.GONE if given_up else WorkerState.WAITING
        require(state is expected, f"after {self.failures[worker]} failures it is {state.name}")

    def carry_out(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case do.Start(worker):
                    self.start(worker)
                case do.Kill(worker):
                    self.kill(worker)
                case do.Abort(worker):
                    self.processes[worker].aborted_for = 0.0
                    self.kill(worker, works=self.rng.random() < 0.5)
                case do.FreeTail(worker):
                    self.holds_back.discard(worker)
                case do.Say(worker, message):
                    self.hear(worker, message)
                case do.HandOver(connection, _):
                    self.hand_over(connection)
                case do.Shut(descriptor) | do.Hold(descriptor):
                    require(descriptor in self.open, "a descriptor is closed twice")
                    self.open.discard(descriptor)
                case do.Book(connection, closed, _exact):
                    self.book(connection, closed)
                case do.Tell(event):
                    self.told[event.kind] += 1
                case do.Answer(flag):
                    flag.set()
                case do.Break():
                    require(not self.is_broken, "it is broken twice")
                    self.is_broken = True
                case do.Mend():
                    require(self.is_broken, "it was not broken")
                    self.is_broken = False
                case do.Leave(worker, _problem):
                    require(not self.processes[worker].is_alive, "one that may be killed is left")
                case _:
                    pass

    def start(self, worker: int) -> None:
        require(worker not in self.processes, "a worker has two processes")
        require(self.finishing_until is None, "a worker is started in the end")
        require(not self.given_up[worker], "one that was given up is started")
        require(self.is_due(worker), "one is started too soon")
        if self.is_foreign[worker]:
            require(self.may_start_at_once(), "too many are started at once")
            self.at_once.append(self.now)
        if not self.is_calm and self.rng.random() < 0.1:
            self.fail(worker, None)
            return
        never = not self.is_calm and self.rng.random() < 0.1
        serves_at = None if never else self.now + self.rng.choice((0.0, 0.1, 1.0))
        self.processes[worker] = Process(worker, serves_at, self.now)
        self.carry_out(self.state.supervision.started(worker))

    def kill(self, worker: int, works: bool = True) -> None:
        """A process is ended, for which there must be a reason."""
        process = self.processes[worker]
        ends = self.finishing_until is not None
        require(
            process.silent_for >= self.worker_timeout
            or process.stands_for >= self.worker_timeout
            or process.talked_nonsense
            or (process.hung_up_for is not None and process.hung_up_for >= LOOK)
            or (process.served_since is None and process.starting_for >= self.start_timeout)
            or (ends and process.served_since is None)
            or (self.finishing_until is not None and self.now >= self.finishing_until),
            f"{process} is killed without a reason",
        )
        self.kills += 1
        process.was_condemned = True
        process.is_alive = process.is_alive and not works

    def hear(self, worker: int, message: Message) -> None:
        process = self.processes.get(worker)
        if process is None or not process.is_alive:
            return
        if isinstance(message, WriteSlots):
            process.asked.append(message.token)
        elif isinstance(message, Finish) and process.is_beating:
            for subscriber in process.connections:
                if not process.has_hung_up:
                    process.said.append(end_of(subscriber, Reason.PUBLISHER_CLOSED))
            self.orphans.give_up(process)
            process.is_alive = False

    def hand_over(self, connection: Accepted) -> None:
        process = self.processes.get(connection.worker)
        require(
            process is not None and process.served_since is not None,
            "a connection is given to a worker that does not serve",
        )
        assert process is not None
        peer = process.connections[connection.subscriber] = self.live[connection.subscriber]
        if self.rng.random() < 0.5:
            self.shake_hands(process, peer)

    def shake_hands(self, process: Process, peer: Peer) -> None:
        peer.is_ready = True
        self.orphans.write(peer)
        process.said.append(Connected(peer.connection.subscriber, "3.1"))

    def book(self, connection: Accepted, closed: Closed) -> None:
        peer = self.live.pop(connection.subscriber, None)
        require(peer is not None, "an end is booked twice")
        assert peer is not None
        require(peer.descriptor not in self.open, "its descriptor is still open")
        self.ended += 1
        self.has_news = True
        self.state.ledger.close(connection, closed)
        del self.slots[connection.slot]
