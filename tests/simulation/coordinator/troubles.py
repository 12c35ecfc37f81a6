"""What happens to a simulated coordinator and its workers."""

from __future__ import annotations

from fanout.control.messages import Finish, Slow, Subscriptions
from fanout.coordinator import actions as do
from fanout.coordinator import reports
from fanout.reasons import Reason
from fanout.terms.addresses import AddressRefusal
from tests.simulation.coordinator.checking import PREFIXES, Checking
from tests.simulation.coordinator.orphans import ENDPOINTS
from tests.simulation.coordinator.promises import CODES, LOOK
from tests.simulation.coordinator.staff import HALF_OPEN, SLOTS, end_of
from tests.simulation.processes import Flag, Peer, Process
from tests.simulation.violated import require

CAUSES = (Reason.LEFT, Reason.BROKEN, Reason.VIOLATION, Reason.SEND_TIMEOUT, Reason.TTL)


class Troubles(Checking):
    """Workers die, hang and talk, and subscribers come and go."""

    def turn(self) -> None:
        """Some time passes, and the coordinator has a turn: what it has read is chance."""
        self.pass_time(self.rng.choice((0.0, 0.01, 0.2, LOOK, LOOK)))
        self.act()

    def wait(self) -> None:
        """A long time in which the coordinator has its turns."""
        until = self.now + self.rng.choice((3.0, 12.0, 40.0))
        while self.now < until:
            self.pass_time(LOOK)
            self.act()
            self.check()

    def have_trouble(self) -> None:
        """Whatever is started ends at once, for some time; one may get through now and then."""
        until = self.now + self.rng.choice((4.0, 60.0, 250.0, 450.0))
        while self.now < until:
            for process in self.processes.values():
                if process.is_alive and self.rng.random() >= 0.02:
                    self.end_process(process, 4)
            self.pass_time(2 * LOOK)
            self.act()
            self.check()

    def storm(self) -> None:
        """Several connect at once."""
        for _ in range(self.rng.randint(1, 6)):
            self.accept()

    def accept(self) -> None:
        state = self.state
        self.accepted += 1
        state.ledger.accepted += 1
        loads = [self.rng.randrange(1_000) for _ in range(self.count)]
        ready = state.supervision.ready
        admitted = state.roster.admit(
            *("ipc:1", self.rng.choice(ENDPOINTS), "zmtp", ready, loads, self.now)
        )
        half_open = sum(not peer.was_connected for peer in self.live.values())
        has_room = len(self.live) < SLOTS and half_open < HALF_OPEN
        serving = [one for one in self.processes.values() if one.served_since is not None]
        if isinstance(admitted, AddressRefusal):
            self.refused += 1
            state.ledger.refuse(admitted.cause)
            require(not (has_room and serving), f"refused: {admitted.text}")
            return
        require(has_room, "admitted beyond a limit")
        require(self.slots.get(admitted.slot) is None, "a slot is used twice")
        self.slots[admitted.slot] = admitted.subscriber
        state.duplicates[admitted.subscriber] = self.next_descriptor
        self.open.add(self.next_descriptor)
        peer = Peer(admitted, self.next_descriptor)
        self.next_descriptor += 1
        require(admitted.subscriber not in self.live, "an id is used twice")
        self.live[admitted.subscriber] = peer
        self.carry_out([do.HandOver(admitted, 0)])

    def talk(self) -> None:
        """A worker's subscriber does something, which it reports."""
        process = self.some(one for one in self.processes.values() if self.can_talk(one))
        peer = self.some(process.connections.values()) if process is not None else None
        if process is None or peer is None:
            return
        subscriber = peer.connection.subscriber
        if not peer.is_ready:
            self.shake_hands(process, peer)
        elif self.rng.random() < 0.2:
            process.said.append(Slow(subscriber, self.rng.random() < 0.5, 3, "behind"))
        else:
            added = set(self.rng.sample(PREFIXES, self.rng.randint(0, 3)))
            cancelled = set(self.rng.sample(PREFIXES, self.rng.randint(0, 2))) - added
            peer.wants = (peer.wants - cancelled) | added
            report = Subscriptions(subscriber, 0, sorted(added), sorted(cancelled))
            process.said.append(report)

    def leave(self) -> None:
        """A worker closes a connection."""
        process = self.some(one for one in self.processes.values() if self.can_talk(one))
        if process is None or not process.connections:
            return
        subscriber = self.rng.choice(list(process.connections))
        del process.connections[subscriber]
        process.said.append(end_of(subscriber, self.rng.choice(CAUSES)))

    def die(self) -> None:
        """A process ends by itself, perhaps with reports that nobody has read yet."""
        process = self.some(self.processes.values())
        if process is not None and process.is_alive:
            self.end_process(process, self.rng.choice(CODES))

    def end_process(self, process: Process, code: int | None) -> None:
        process.is_alive = False
        process.code = code

    def hang(self) -> None:
        """A process does nothing any more."""
        process = self.some(self.processes.values())
        if process is not None:
            process.is_beating = False
            process.is_stopped = self.rng.random() < 0.3

    def stand(self) -> None:
        """A process does nothing any more, but to say that it lives."""
        process = self.some(self.processes.values())
        if process is not None:
            process.is_standing = True

    def wake_up(self) -> None:
        """A process that hung goes on."""
        process = self.some(
            one for one in self.processes.values() if one.is_standing or not one.is_beating
        )
        if process is not None:
            process.is_beating = True
            process.is_standing = process.is_stopped = False

    def restart(self) -> None:
        """The user wants those back that do not run."""
        again = [worker for worker in range(self.count) if worker not in self.processes]
        for worker in again:
            self.failures[worker] = 0
            self.served[worker] = self.now
            self.given_up[worker] = self.is_foreign[worker] = False
        restarted = self.state.supervision.restart(self.now)
        require(restarted == len(again), f"{restarted} of {len(again)} are started")

    def hang_up(self) -> None:
        """A process closes its channel, and goes on."""
        process = self.some(self.processes.values())
        if process is not None:
            process.has_hung_up = True

    def talk_nonsense(self) -> None:
        """A worker says what only a coordinator says."""
        process = self.some(one for one in self.processes.values() if self.can_talk(one))
        if process is not None and self.rng.random() < 0.3:
            process.said.append(Finish(1.0))

    def be_stopped(self) -> None:
        """The coordinator is stopped for long, and mostly its workers with it."""
        seconds = self.rng.choice((1.5, 30.0, 3_600.0))
        if self.rng.random() < 0.3:
            self.pass_time(seconds)
        else:
            self.now += seconds
        self.act()

    def ask(self) -> None:
        """Somebody wants to know how things are."""
        self.flags.append(Flag())
        self.carry_out(reports.ask(self.state, self.flags[-1]))
