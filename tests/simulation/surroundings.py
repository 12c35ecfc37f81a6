"""What a worker in the simulation is surrounded by: a fake loop, a fake channel, and time."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, NoReturn

from fanout.shm.header import Header
from fanout.shm.spill_area import SpillArea
from fanout.shm.stream_record import StreamSlot
from fanout.shm.subscriber_slot import SubscriberSlot
from fanout.shm.worker_slot import WorkerSlot
from fanout.transport.kernel import Taken
from fanout.transport.socket_queues import SocketQueues
from fanout.workers.connections.sessions import leave_no_core, of_curve
from fanout.workers.naps import Naps
from fanout.workers.stream.turn_part import TurnPart
from tests.simulation.memory import SteppedReader, attach
from tests.simulation.peers import SESSIONS
from tests.simulation.sockets import FakeEpoll, is_readable, is_writable

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.control.messages import Message
    from fanout.shm.kept_values import KeptValues
    from tests.simulation.sockets import FakeSocket
    from tests.simulation.workers import SimulatedWorker
    from tests.simulation.world import World

NAP_CHANCE = 0.2  # that a worker naps where it may
LONG_NS = 1_000_000_000  # more than any part of a turn may take
NAP_SECONDS_MAX = 0.005


class FakeLoop:
    """Remembers the turn that was asked for."""

    def __init__(self) -> None:
        self._turn: Callable[[], None] | None = None

    @property
    def asked(self) -> bool:
        return self._turn is not None

    def call_soon(self, callback: Callable[[], None]) -> None:
        assert self._turn is None, "a second turn is asked for before the first: they multiply"
        self._turn = callback

    def take_turn(self) -> Callable[[], None] | None:
        """What was asked for, once."""
        turn, self._turn = self._turn, None
        return turn

    def add_reader(self, *_watched: Any) -> None:
        """The world says what is readable."""

    remove_reader = add_writer = remove_writer = add_reader

    def call_later(self, _delay: float, _callback: Callable[[], None]) -> None:
        """The world says when there is a tick."""


class FakeChannel:
    """The worker's end of its control channel; it may be stuck, after `room` further messages."""

    closed = is_short = False
    socket = None

    def __init__(
        self, on_report: Callable[[Message], None], on_departure: Callable[[Message], None]
    ) -> None:
        self.stuck = False
        self.room = 0
        self.waiting: list[Message] = []
        self.posted = 0
        self.inbound: list[tuple[Message, list[int]]] = []
        self._on_report = on_report
        self._on_departure = on_departure

    @property
    def pending(self) -> int:
        return len(self.waiting)

    @property
    def departed(self) -> int:
        return self.posted - len(self.waiting)

    def send(self, message: Message) -> None:
        self.post(message)
        self.flush()

    def post(self, message: Message) -> None:
        self._on_report(message)
        self.posted += 1
        self.waiting.append(message)

    def flush(self) -> None:
        while self.waiting and (self.room or not self.stuck):
            self.room = max(0, self.room - 1)
            self._on_departure(self.waiting.pop(0))

    def receive(self) -> list[tuple[Message, list[int]]]:
        received, self.inbound = self.inbound, []
        return received


class SimulatedNaps(Naps):
    """Decides by chance, and not at all while everybody is to come to rest."""

    def __init__(self, world: World, log_bytes: int) -> None:
        super().__init__(log_bytes)
        self._world = world

    def learn(self, *_what: Any) -> bool:
        return True

    def pause(self, *_what: Any) -> float:
        rng = self._world.rng
        if self._world.settling or rng.random() >= NAP_CHANCE:
            return 0.0
        return rng.uniform(0.0, NAP_SECONDS_MAX)


class SimulatedClock:
    """One for parts of turns: between two looks there passes nothing, or all the time there is."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._now = 0

    def __call__(self) -> int:
        world = self._world
        if not world.settling and world.rng.random() < world.haste:
            self._now += LONG_NS
        return self._now


def _unknown(*_asked: Any) -> NoReturn:
    """As a kernel that does not say; the descriptors are of no socket of this process."""
    raise OSError(errno.EINVAL, "Invalid argument")


class SimulatedSurroundings:
    """What the world lets a worker see of itself; time passes when the world says so.

    Nothing can be written through it but the worker's own slots.
    """

    doorbell = -1
    sessions = SESSIONS
    is_late = False  # the coordinator acts on what is reported at once
    leave_no_core, primitives = staticmethod(leave_no_core), staticmethod(of_curve)
    queues = SocketQueues(_unknown, _unknown)

    def __init__(self, worker: SimulatedWorker, world: World, channel: FakeChannel) -> None:
        self._world = world
        self._memory = attach(world.segment, writable=True)
        self._number = worker.index
        self.loop = FakeLoop()
        self.channel = channel
        self.header = Header(world.readable)
        self.kept_values: KeptValues | None = None
        self.log = SteppedReader(world.readable, world.history, lambda: world.writer_step(worker))
        self.slot = WorkerSlot(self._memory, worker.index)
        self.writable = FakeEpoll(world.rng, is_writable)
        self.readable = FakeEpoll(world.rng, is_readable)
        self._sets = [self.readable, self.writable]

    @property
    def is_heard(self) -> bool:
        return not self.is_late or self.slot.heard == self.channel.posted

    def now(self) -> int:
        return self._world.now

    def cpu_ns(self) -> int:
        return 0

    def rss_bytes(self) -> int:
        return 0

    def sleep(self, _seconds: float) -> None:
        """A nap is interrupted as soon as it is begun."""

    def wait(self, _poll_set: FakeEpoll, _seconds: float) -> None:
        """As `sleep`."""

    def poll_set(self) -> FakeEpoll:
        """First the one for sockets that have room, then the one for those to be read."""
        return self._sets.pop()

    def naps(self) -> Naps:
        return SimulatedNaps(self._world, self.log.size)

    def turn_part(self, part_ns: int) -> TurnPart:
        return TurnPart(SimulatedClock(self._world), part_ns=part_ns)

    def prepare(self, descriptor: int) -> Any:
        return self._world.sockets[descriptor]

    def release(self, _descriptor: int) -> None:
        """There is none."""

    def unsent(self, sock: FakeSocket) -> int:
        return sock.queued

    def taken(self, sock: FakeSocket, handed: int) -> Taken:
        return Taken(handed - sock.queued, handed - sock.queued)

    def widen(self, _sock: FakeSocket) -> None:
        """Its kernel holds as much for everybody."""

    def subscriber_slot(self, index: int) -> SubscriberSlot:
        return SubscriberSlot(self._memory, index)

    def stream_slot(self, index: int) -> StreamSlot:
        return StreamSlot(self._memory, index)

    def spill_area(self) -> SpillArea:
        return SpillArea(self._memory, self._number + 1)

    def stream_counts(self, _sock: FakeSocket) -> None:
        """Nobody can go on with a connection here."""

    def earlier(self, _sequence: int, _time: int) -> tuple[()]:
        """The coordinator is played, and notes nothing: see takeovers."""
        return ()

    def ring_publisher(self) -> None:
        """The publisher does not wait here: it tries again."""

    def close(self) -> None:
        self._memory.close()
