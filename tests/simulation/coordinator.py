"""The coordinator in virtual time: its real state, reports and supervision, and processes at play.

Workers die, hang, wake up again, hang up, talk nonsense, never begin to serve and report late;
connections come in storms; the coordinator itself is stopped for an hour. After each step the
invariants are held against a model that knows of each process and connection what became of it.
The model shares no rule with the product: what it allows is written down here once more.
"""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING, TypeVar

from fanout.control.messages import (
    Closed,
    Connected,
    ControlError,
    Finish,
    Slow,
    Snapshot,
    SnapshotDone,
    Started,
    Subscriptions,
)
from fanout.control.takeover import Released, Resumed
from fanout.coordinator import actions as do
from fanout.coordinator import reports
from fanout.coordinator.addresses import Refusal
from fanout.coordinator.interest import Interest
from fanout.coordinator.ledger import Ledger
from fanout.coordinator.lives import Condition, Sight
from fanout.coordinator.state import make_state
from fanout.coordinator.wrecks import Wrecks
from fanout.events import EventKind
from fanout.options import Options
from fanout.reasons import Reason
from fanout.shm.worker_slot import WorkerState
from tests.helpers.losses import NoLosses
from tests.simulation.orphans import ENDPOINTS, Orphans
from tests.simulation.processes import Flag, Peer, Process
from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fanout.control.messages import Message
    from fanout.coordinator.actions import Action
    from fanout.coordinator.lost import Later
    from fanout.coordinator.roster import Accepted

T = TypeVar("T")

STEPS = 150
SLOTS, HALF_OPEN = 8, 5
PREFIXES = (b"", b"A", b"AB", b"B", b"C")
CAUSES = (Reason.LEFT, Reason.BROKEN, Reason.VIOLATION, Reason.SEND_TIMEOUT, Reason.TTL)

# What is promised, in seconds.
LOOK = 0.5  # the coordinator looks at the workers so often
LOOKS_EACH = 8  # or so often in `worker_timeout`
WITNESSED_MAX = 2  # looks: of the time between two, if it comes late to the second
ABORTING = 0.15  # for one that hangs to say where
HANG_UP_MAX = 2 * LOOK + WITNESSED_MAX * LOOK + ABORTING  # that one may live with a closed channel
FINISHING = 1.0  # past its timeout
FORGIVEN_AFTER = 30.0  # of service
FAILURES = 5  # in a row, that are never final
NO_SERVICE = 300.0  # from then on a failure beyond those is final
AT_ONCE = 4  # in a second: starts of those that were ended from outside
CODES = (None, 0, 4, -11, -6, -9, -9, -15)  # that a process ends with
FROM_OUTSIDE = (-9, -15)
BACK_OFF = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0)  # after so many failures in a row, or more


class CoordinatorWorld:
    """One run; everything in it follows from the seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = rng = Random(seed)
        self.now = rng.uniform(0.0, 1e6)
        self.count = rng.randint(1, 4)
        self.worker_timeout = rng.choice((1.0, 2.0, 7.3))
        self.start_timeout = rng.choice((2.0, 5.0))
        options = Options(
            max_subscribers=SLOTS,
            max_half_open=HALF_OPEN,
            worker_timeout=self.worker_timeout,
            start_timeout=self.start_timeout,
        )
        self.state = make_state(options, self.count, Interest(), Ledger(), self.now)
        self.processes: dict[int, Process] = {}  # by worker; an end that was not seen is here, too
        self.heartbeats = [0] * self.count
        self.progress = [0] * self.count
        self.seen = [(0, 0)] * self.count  # heartbeat and progress
        self.failures = [0] * self.count  # in a row
        self.failed_at = [0.0] * self.count
        self.is_foreign = [False] * self.count  # its last end, and nobody has started it since
        self.at_once: list[float] = []  # when those were started
        self.given_up = [False] * self.count
        self.served = [self.now] * self.count  # when it ended that served, while it does not
        self.is_over = False  # all were given up, and none has served since
        self.holds_back: set[int] = set()  # workers whose words hold the log back
        self.live: dict[int, Peer] = {}
        self.slots: dict[int, int] = {}  # slot -> subscriber
        self.open: set[int] = set()  # descriptors
        self.next_descriptor = 100
        self.accepted = self.refused = self.ended = self.lost = self.times_given_up = 0
        self.told: dict[EventKind, int] = dict.fromkeys(EventKind, 0)
        self.flags: list[Flag] = []
        self.wrecks = Wrecks(self.state, NoLosses(), final_of, lambda: self.now)
        self.orphans = Orphans(self, SLOTS)
        self.looked = self.now
        self.finishing_until: float | None = None
        self.is_calm = False
        self.is_broken = False
        self.kills = 0
        self.has_news = True  # about subscriptions
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

    # What happens.

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
        if isinstance(admitted, Refusal):
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

    # Time, and the coordinator's turn.

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
                process.said += [SnapshotDone(token) for token in process.asked]
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

    # What is to be done.

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
                case do.Release(worker):
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
        if isinstance(message, Snapshot):
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

    # Invariants.

    def check(self) -> None:
        """What must hold after each step."""
        state, ledger, live = self.state, self.state.ledger, self.live
        require(set(state.roster.connections) == set(live), "the roster lists others")
        half_open = sum(not peer.was_connected for peer in live.values())
        require(state.roster.half_open == half_open, f"half open: {state.roster.half_open}")
        require(self.accepted == self.refused + len(live) + self.ended, "one was lost")
        require((ledger.accepted, ledger.refused) == (self.accepted, self.refused), "miscounted")
        ends = ledger.evicted + ledger.disconnected + ledger.failed_handshakes
        require(ends == self.ended, f"{ends} of {self.ended} ends are booked")
        told = self.told
        require(told[EventKind.SUBSCRIBER_EVICTED] == ledger.evicted, "told otherwise than counted")
        told_ends = told[EventKind.SUBSCRIBER_EVICTED] + told[EventKind.SUBSCRIBER_DISCONNECTED]
        told_ends += told[EventKind.HANDSHAKE_FAILED]
        require(told_ends == self.ended, "an end was not told, or twice")
        require(told[EventKind.WORKER_LOST] == self.lost, "a loss was not told, or twice")
        times = told[EventKind.WORKER_GIVEN_UP]
        require(times == self.times_given_up, "that one is given up was not told, or twice")
        require(self.open == set(state.duplicates.values()), "descriptors leak")
        require(self.open == {peer.descriptor for peer in live.values()}, "descriptors leak")
        self._check_interest()
        ends = self.finishing_until is not None
        require(ends or self.is_broken == self.is_over, "broken without a cause, or not told")

    def _check_interest(self) -> None:
        if not self.has_news:
            return
        self.has_news = False
        interest = self.state.interest
        wanting = [peer for peer in self.live.values() if peer.told_wants]
        require(interest.count(None) == len(wanting), "others are interested")
        for topic in PREFIXES:
            workers = {
                peer.connection.worker
                for peer in wanting
                if any(topic.startswith(prefix) for prefix in peer.told_wants)
            }
            require(interest.workers_for(topic) == workers, f"others want {topic!r}")

    # Rest, and the end.

    def come_to_rest(self) -> None:
        """Without further trouble every worker serves again, unless it is broken."""
        self.is_calm = True
        for process in self.processes.values():
            process.is_beating = True
            process.is_standing = process.is_stopped = False
        until = self.now + self.start_timeout + 2 * BACK_OFF[-1] + 5 * LOOK
        while self.now < until:
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

    # Small things.

    @property
    def is_ending(self) -> bool:
        """Whether nobody is to go on any more."""
        return self.state.ledger.closing or self.finishing_until is not None

    def is_due(self, worker: int) -> bool:
        """Whether the back-off of one without a process has passed, or it never had one."""
        failures = self.failures[worker]
        if self.is_foreign[worker]:
            return True
        # The same sum as the product's: what is due now is not due a little later.
        back_off = BACK_OFF[min(failures, len(BACK_OFF)) - 1]
        return not failures or self.now >= self.failed_at[worker] + back_off

    def may_start_at_once(self) -> bool:
        """Whether not so many others were in the last second."""
        return sum(self.now < time + 1.0 for time in self.at_once) < AT_ONCE

    def can_talk(self, process: Process) -> bool:
        """Whether it can report, and does."""
        serves = process.served_since is not None and process.is_alive
        gets_on = process.is_beating and not process.is_standing
        return serves and gets_on and not process.has_hung_up

    def some(self, candidates: Iterable[T]) -> T | None:
        """One of them by chance, None if there is none."""
        found = list(candidates)
        return self.rng.choice(found) if found else None


def final_of(connection: Accepted, cause: Reason, later: Later) -> Closed:
    del later
    return end_of(connection.subscriber, cause)


def end_of(subscriber: int, cause: Reason) -> Closed:
    """The end of a connection."""
    evicted = cause not in (Reason.LEFT, Reason.BROKEN, Reason.PUBLISHER_CLOSED)
    return Closed(subscriber, evicted, cause.number, cause.text, 9, 5, 1, 3, 0)
