"""The coordinator's real part in takeovers: its state, reports, supervision, wrecks and handing on.

Played is what it asks of the system: processes, channels and descriptors. All that it writes into
shared memory is written in steps, between which others have their turn.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from fanout.control.judging import AuthRequest, Judged, Judgement
from fanout.control.messages import Adopt, Evict
from fanout.control.takeover import Released, Resumed
from fanout.coordinator import actions as do
from fanout.coordinator import reports
from fanout.coordinator.areas import Areas
from fanout.coordinator.figures import Figures, final_of
from fanout.coordinator.handing_on import HandingOn
from fanout.coordinator.interest import Interest
from fanout.coordinator.ledger import Ledger
from fanout.coordinator.lives import Life
from fanout.coordinator.lost import Losses
from fanout.coordinator.moving import Moving
from fanout.coordinator.state import make_state
from fanout.coordinator.succession import Succession
from fanout.coordinator.wrecks import Wrecks
from fanout.errors import NotMovedError
from fanout.shm.credit import FREE
from fanout.shm.header import Header
from fanout.shm.worker_slot import NO_TAIL, WorkerSlot
from fanout.terms.addresses import AddressRefusal
from fanout.zmtp.errors import ProtocolError
from tests.simulation.takeovers.dying import PublisherDied
from tests.simulation.takeovers.fate import OF_COORDINATOR, OTHER_WORDS
from tests.simulation.takeovers.memory import Memory
from tests.simulation.takeovers.sealed import PROTOCOL, SealedSubscriber
from tests.simulation.violated import Violated, require

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.control.messages import Message
    from fanout.coordinator.actions import Action
    from fanout.coordinator.lost import Unreported
    from fanout.coordinator.roster import Accepted
    from fanout.reasons import Reason
    from fanout.terms.slow_policy import SlowPolicy
    from tests.simulation.takeovers.processes import Process
    from tests.simulation.takeovers.subscriber import Subscriber
    from tests.simulation.takeovers.world import TakeoverWorld

ENDPOINT = "tcp://127.0.0.1:1"
SLICE_OVER = 0.02  # seconds: more than any slice of a turn
NO_FILES_CHANCE = 0.02


class Coordinator:
    """Takes reports, sees ends, and hands on what lost workers have left.

    Attributes:
        processes: by worker; those whose end was not seen are here, too.
        not_resumed: why nobody went on, by the words of that, and how often.
    """

    def __init__(self, world: TakeoverWorld) -> None:
        self._world = world
        self._skew = 0.0
        self._is_busy = False
        self.state = make_state(world.options, world.count, Interest(), Ledger(), self.now())
        memory: Any = Memory(world.segment, self._step, world.seats, world.rng)
        self._slots = [WorkerSlot(memory, index) for index in range(world.seats)]
        for index in range(world.seats):
            WorkerSlot(world.segment, index).release()
        # They start as well, and are ended first: RETIRED is who has no process, and gets one anew.
        for index in range(world.count, world.seats):
            self.state.supervision.lives.append(Life(index, served=self.clock))
        self.state.roster.enlarge(world.seats)
        Header(world.segment).hold_back(NO_TAIL, FREE)
        losses = Losses(world.segment, self.state.interest, self.state.changes, self.now)
        self._wrecks = Wrecks(self.state, losses, partial(_final_of, world.segment), self.now)
        self._handing_on = HandingOn(
            *(memory, self.state, self._wrecks, self._say, self.now, world.publisher.hold),
            duplicate=self._duplicate,
            close=world.machine.close,
        )
        self._areas = Areas(world.segment, self.state.takeovers)
        ledger, policy = self.state.ledger, world.options.policy
        self._figures = Figures(world.segment, ledger, policy, clock=lambda: world.now)
        self._moving = Moving(self.state, self._handing_on, self.now)
        self._succession = Succession(
            *(self.state, self._moving, self.now), world.options.handshake_timeout
        )
        self.processes: dict[int, Process] = {}
        self._posted: dict[int, list[tuple[Message, list[int]]]] = {}

    def now(self) -> float:
        """Seconds; a look at the clock may take as long as a slice of a turn."""
        world = self._world
        if not world.is_calm and world.rng.random() < world.haste:
            self._skew += SLICE_OVER
        return world.now / 1e9 + self._skew

    @property
    def clock(self) -> float:
        """Seconds, as `now()`, but a look that takes no time."""
        return self._world.now / 1e9 + self._skew

    def begin(self) -> None:
        self._carry_out(self.state.supervision.begin())

    @property
    def is_settled(self) -> bool:
        """Whether all workers serve, and nobody is left to be handed on."""
        state = self.state
        serve = len(state.supervision.ready) == state.staffing.size
        is_busy = state.takeovers.pending or self._wrecks.pending or len(self._moving) > 0
        is_busy = is_busy or state.staffing.pending
        return serve and not is_busy

    # Its turn.

    def turn(self) -> None:
        """Some reports, some ends, and what is due."""
        if self._is_busy or self._world.last.is_over:
            return
        self._is_busy = True
        try:
            with suppress(PublisherDied):
                self._have_a_turn()
        except ProtocolError as error:
            raise Violated(f"the coordinator has read garbage: {error!r}") from error
        self._is_busy = False

    def _have_a_turn(self) -> None:
        world, rng = self._world, self._world.rng
        for process in list(self.processes.values()):
            if world.is_calm or rng.random() < world.prompt:
                sent = process.channel.sent
                self._read(process, len(sent) if world.is_calm else rng.randint(0, len(sent)))
            if not process.fate.is_alive and (world.is_calm or rng.random() < world.prompt):
                self._see_the_end(process)
        self._areas.tidy()
        self._carry_out(self._wrecks.go_on())
        self._carry_out(self._succession.go_on() + self._moving.go_on())
        self._carry_out(self._handing_on.go_on())
        self._carry_out(self.state.supervision.due(self.now()))
        self._figures.turned(world.now)
        world.looked.append((world.now, world.publisher.head))
        self._flush()

    def _read(self, process: Process, packets: int) -> None:
        for _ in range(packets):
            for message in process.channel.sent.popleft():
                self._world.heard(message)
                if isinstance(message, Resumed):
                    if not message.ok:
                        self._moving.refused(process.index, message)
                    self._carry_out(self._handing_on.heard(process.index, message))
                elif isinstance(message, Released):
                    self._carry_out(self._moving.heard(message))
                elif isinstance(message, AuthRequest):
                    self._say(process.index, Judged(message.subscriber, Judgement.ALLOW, ""), ())
                else:
                    taken = reports.take(self.state, process.index, message, self.now())
                    self._carry_out(taken)

    def _see_the_end(self, process: Process) -> None:
        """A process has ended: all that it has reported counts."""
        self._read(process, len(process.channel.sent))
        del self.processes[process.index]
        self._world.ended(process)
        worker, code = process.index, process.code
        told = self.state.supervision.ended(worker, "it ended", self.now(), code)
        self._carry_out(self._handing_on.lose(worker, told, code))

    def accept(self, subscriber_of: Any) -> None:
        """Somebody connects, and is given to a worker that serves.

        Args:
            subscriber_of: makes the subscriber, of its number and its slot.
        """
        state, machine = self.state, self._world.machine
        taking = state.supervision.taking
        if not taking:
            return
        admitted = state.roster.admit(
            "127.0.0.1:1", ENDPOINT, "zmtp", taking, [0] * self._world.seats, self.now()
        )
        if isinstance(admitted, AddressRefusal):
            return
        subscriber: Subscriber = subscriber_of(admitted.subscriber)
        if isinstance(subscriber, SealedSubscriber):
            admitted.protocol = PROTOCOL
        connection = subscriber.connection
        state.duplicates[admitted.subscriber] = machine.hold(connection, self)
        adopt = Adopt(admitted.subscriber, admitted.slot, admitted.protocol)
        self._say(admitted.worker, adopt, (machine.hold(connection, self),))
        self._carry_out(state.choices.admit(admitted))
        self._flush()

    def call(self, subscriber: int, policy: SlowPolicy | None) -> None:
        """The program chooses a policy for somebody."""
        self._carry_out(reports.set_slow_policy(self.state, subscriber, policy))
        self._flush()

    def served_by(self, worker: int) -> list[int]:
        """The subscribers of a worker."""
        return [one.subscriber for one in self.state.roster.served_by(worker)]

    def move(self, subscriber: int, worker: int) -> None:
        """Somebody is to be served by another worker."""
        with suppress(NotMovedError):
            self._moving.begin(subscriber, worker, "by chance")

    def restart(self) -> None:
        """All workers are replaced, one after another, and those that wait are started."""
        self.state.supervision.restart(self.now())
        self.state.staffing.replace_all()

    def resize(self, workers: int) -> None:
        """There are to be so many."""
        self.state.staffing.resize(workers)

    def ask(self, flag: Any) -> None:
        """Have the workers bring their slots up to date; then `flag` is set."""
        self._carry_out(reports.ask(self.state, flag))
        self._flush()

    def finish(self, timeout: float) -> None:
        """The publisher is being closed."""
        self._carry_out(self.state.supervision.finish(timeout, self.now()))
        self._flush()

    def condemn(self, worker: int) -> None:
        """It hangs, as it was found."""
        self._carry_out(self.state.supervision.condemn(worker, "it hangs"))

    # What is to be done.

    def _carry_out(self, actions: Iterable[Action]) -> None:
        for action in actions:
            self._world.last.point("an action")
            match action:
                case do.Start(worker):
                    require(worker not in self.processes, "a worker has two processes")
                    self._slots[worker].area = self._areas.give(worker)
                    self.processes[worker] = self._world.start(worker)
                    self._carry_out(self.state.supervision.started(worker))
                case do.Kill(worker):
                    self.processes[worker].is_condemned = True
                    self.processes[worker].fate.end()
                    self._world.died(self.processes[worker])
                case do.FreeTail(worker, moved):
                    self._slots[worker].release(moved)
                case do.Say(worker, message):
                    self._say(worker, message, ())
                case do.Shut(descriptor):
                    self._world.machine.open[descriptor].break_off()
                    self._world.machine.close(descriptor)
                case do.Answer(flag):
                    flag.set()
                case do.Book(connection, closed, _exact):
                    self._world.closed(connection.subscriber, closed)
                case _:
                    pass

    def _say(self, worker: int, message: Message, descriptors: tuple[int, ...]) -> list[Action]:
        if isinstance(message, Evict) and not self.state.takeovers.note_evict(message):
            return []
        self._posted.setdefault(worker, []).append((message, list(descriptors)))
        return []

    def _flush(self) -> None:
        posted, self._posted = self._posted, {}
        for worker, messages in posted.items():
            self._world.last.point("an order")
            process = self.processes.get(worker)
            if process is not None and process.fate.is_alive:
                process.channel.coming.append(messages)
            else:
                for message, descriptors in messages:
                    self._world.lost_on_the_way(message)
                    for descriptor in descriptors:
                        self._world.machine.close(descriptor)

    def _duplicate(self, descriptor: int) -> int:
        world = self._world
        if not world.is_calm and world.rng.random() < NO_FILES_CHANCE:
            raise OSError("too many open files")
        return world.machine.duplicate(descriptor, self)

    def _step(self, name: str) -> None:
        """Before each of its stores."""
        known = name if name in OF_COORDINATOR else OTHER_WORDS
        self._world.beside_the_coordinator(known)
        self._world.last.point(known)


def _final_of(segment: Any, connection: Accepted, cause: Reason, later: Unreported) -> Any:
    return final_of(segment, connection, cause, later, evicted=True)
