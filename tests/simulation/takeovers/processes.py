"""A worker's process: the real worker, and its end of the control channel, until it dies."""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING, Any

from fanout.control.messages import Started, Subscriptions
from fanout.shm.header import Header
from fanout.shm.reader import LogReader
from fanout.shm.stream_record import StreamSlot
from fanout.shm.subscriber_slot import SubscriberSlot
from fanout.shm.worker_slot import WorkerSlot
from fanout.transport import kernel
from fanout.workers.connections.sessions import SESSIONS
from fanout.workers.naps import Naps
from fanout.workers.stream.member import HELD
from fanout.workers.stream.turn_part import TurnPart
from fanout.workers.worker import Worker
from fanout.zmtp.errors import ProtocolError
from tests.simulation.takeovers.fate import GIVING_UP, TAKING_OVER, Fate, Killed
from tests.simulation.takeovers.machine import PollSet, Socket
from tests.simulation.takeovers.memory import Area, Memory
from tests.simulation.takeovers.shown import kept_values
from tests.simulation.violated import Violated, require

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.control.messages import Message
    from fanout.shm.kept_values import KeptValues
    from fanout.shm.spill_area import SpillArea
    from fanout.workers.stream.member import Member
    from tests.simulation.kernel import Connection
    from tests.simulation.takeovers.world import TakeoverWorld

Packet = list[Any]  # messages that travel together
# What comes of reading garbage; of another error it is a mistake in this simulation that is told.
MISREAD = (
    *(ValueError, ArithmeticError, LookupError, AssertionError, RuntimeError),
    *(struct.error, ProtocolError),
)
LONG_NS = 1_000_000_000  # more than any part of a turn may take
CUT_CHANCE = 0.4  # that what waits for the coordinator does not fit into one packet


class Loop:
    """Remembers the turn that was asked for."""

    def __init__(self) -> None:
        self.is_asked = False

    def call_soon(self, _callback: Callable[[], None]) -> None:
        self.is_asked = True

    def call_later(self, _delay: float, _callback: Callable[[], None]) -> None:
        """The world says when there is a tick."""

    add_reader = remove_reader = add_writer = remove_writer = lambda *_: None


class Pipe:
    """The worker's end of its channel. What has left it is not lost with the process.

    Attributes:
        sent: packets that the coordinator has not read yet.
        coming: packets for the worker.
    """

    closed = False
    socket = None

    def __init__(self, process: Process) -> None:
        self._process = process
        self._waiting: list[Message] = []
        self.posted = 0
        self.sent: deque[list[Message]] = deque()
        self.coming: deque[list[tuple[Message, list[int]]]] = deque()

    @property
    def waiting(self) -> list[Subscriptions]:
        """Reports of changes that have not left it."""
        return [one for one in self._waiting if isinstance(one, Subscriptions)]

    @property
    def pending(self) -> int:
        return len(self._waiting)

    @property
    def departed(self) -> int:
        return self.posted - len(self._waiting)

    def send(self, message: Message) -> None:
        self.post(message)
        self.flush()

    def post(self, message: Message) -> None:
        self.posted += 1
        self._waiting.append(message)
        if isinstance(message, Subscriptions):
            self._process.world.promised(message)

    def flush(self) -> bool:
        """As many packets as there is room for; how much fits into one is up to chance."""
        process = self._process
        world = process.world
        while self._waiting:
            if len(self.sent) >= world.packets and not world.is_calm:
                for message in self._waiting:
                    if isinstance(message, Subscriptions):
                        world.has_waited(message)
                return False
            process.point("report")
            waiting = self._waiting
            is_cut = len(waiting) > 1 and not world.is_calm and world.own.random() < CUT_CHANCE
            count = world.own.randrange(1, len(waiting)) if is_cut else len(waiting)
            packet, self._waiting = waiting[:count], waiting[count:]
            self.sent.append(packet)
            for message in packet:
                if isinstance(message, Subscriptions):
                    world.reported(message)
            process.point("report, done")
        return True

    def receive(self) -> list[tuple[Message, list[int]]]:
        world, received = self._process.world, []
        while self.coming and (world.is_calm or world.rng.random() < world.prompt):
            self._process.point("hear")
            for message, descriptors in self.coming.popleft():
                for descriptor in descriptors:
                    world.machine.owner[descriptor] = self._process
                received.append((message, descriptors))
        return received


class Clock:
    """One for parts of turns: between two looks there passes nothing, or all the time there is."""

    def __init__(self, world: TakeoverWorld) -> None:
        self._world = world
        self._now = 0

    def __call__(self) -> int:
        world = self._world
        if not world.is_calm and world.rng.random() < world.haste:
            self._now += LONG_NS
        return self._now


class NoNaps(Naps):
    """Messages never accumulate."""

    def pause(self, *_what: Any) -> float:
        return 0.0


def _waits(member: Member, head: int) -> bool:
    """Whether something is left for who may be sent something."""
    has_gaps = member.gaps is not None and bool(member.gaps.pending)
    return member.sequence < head or has_gaps


class Process:
    """The process of a worker; it is its surroundings, too.

    Attributes:
        fate: when it dies.
        is_stopped: whether it does nothing, and lives.
        code: that it ends with.
        sends_to: to whom it is sending, until it has written down how much that was.
        takes_from: whose input it is taking, or has taken last.
    """

    doorbell = -1
    sessions = SESSIONS

    def __init__(self, world: TakeoverWorld, index: int) -> None:
        self.world = world
        self.index = index
        self.fate = Fate(world.rng, world.favourite, world.kills)
        self.is_stopped = self.is_busy = False
        self.sends_to: Connection | None = None
        self.takes_from: Connection | None = None
        self.code = -9
        self.ends = 0
        self.loop = Loop()
        self.channel = Pipe(self)
        memory: Any = Memory(world.segment, self.point, world.seats, world.rng)
        self._memory = memory
        self.header = Header(world.segment)
        self.log = LogReader(world.segment)
        self.kept_values: KeptValues | None = kept_values(world.segment)
        self.slot = WorkerSlot(memory, index)
        self.readable = PollSet(world.rng, self.point)
        self.writable = PollSet(world.rng, self.point)
        self._sets = [self.readable, self.writable]
        self.unsent = kernel.unsent_in_kernel
        self.taken = kernel.taken_by_host
        self.stream_counts = kernel.stream_counts
        surroundings: Any = self
        self.worker = Worker(world.options, surroundings, world.tuning)
        orders: Any = self.worker._orders
        self._name_points(orders.resuming, "_resume", TAKING_OVER)
        self._name_points(orders._releasing, "release", GIVING_UP)
        self.channel.send(Started(1))

    def _name_points(self, owner: Any, method: str, context: str) -> None:
        """Have points in the middle of this named so."""
        act = getattr(owner, method)

        def noted(*arguments: Any) -> Any:
            self.fate.context = context
            try:
                return act(*arguments)
            finally:
                self.fate.context = ""

        setattr(owner, method, noted)

    def point(self, name: str) -> None:
        """A kill point: others have their turn before it."""
        world = self.world
        if world.eager and not world.is_calm:
            world.between(self)
        self.fate.point(name)
        if name in ("S_HANDED", "W_SENDING"):
            self.sends_to = None
        elif name == "S_TAKING":
            self.takes_from = None

    # What the world has it do.

    @property
    def works(self) -> bool:
        return self.fate.is_alive and not self.is_stopped

    def turn(self) -> None:
        self.loop.is_asked = False
        self._run(self.worker.turn)

    def sending_turn(self) -> None:
        self._run(self.worker.sending_turn)

    def tick(self) -> None:
        """What its timer does, with the turns that it takes until all is done that a tick does."""
        self._run(self.worker.tick)
        while self.worker.chores.are_left and self.works and not self.is_busy:
            self._run(self.worker.turn)

    def not_held(self) -> list[int]:
        """Those it serves of whom no report waits, and none is to be acted upon."""
        waiting = {one.subscriber for one in self.channel.waiting}
        peers = self.worker.desk.peers.values()
        return [one.id for one in peers if one.id not in waiting and one.member.state is not HELD]

    def is_behind(self, head: int) -> bool:
        """Whether there is something left to do for it, of what was published before `head`."""
        pump = self.worker.pump
        has_events = self.readable.has_events or self.loop.is_asked or bool(self.channel.coming)
        rested = pump.rests.rested
        is_busy = any(one not in rested or _waits(one, head) for one in pump.blocked)
        return has_events or is_busy or (pump.needs_log and pump.front < head)

    def _run(self, work: Callable[[], object]) -> None:
        if self.is_busy or not self.works:
            return
        self.is_busy = True
        try:
            work()
            if self.worker._done.is_set():
                self._leave()
            self.world.note_held(self)
        except Killed:
            self.world.died(self)
        except Violated:
            raise
        except MISREAD as error:
            raise Violated(f"worker {self.index} has failed: {error!r}") from error
        finally:
            self.is_busy = False

    def _leave(self) -> None:
        """It has finished, as it was told to; see `Worker.run`."""
        require(not self.worker.desk.peers, "one that was emptied has connections")
        self.worker.figures.publish()
        self.channel.flush()
        self.code = 0
        self.world.died(self)

    # What a worker gets from outside.

    def now(self) -> int:
        return self.world.now

    def cpu_ns(self) -> int:
        return 0

    def rss_bytes(self) -> int:
        return 0

    def sleep(self, _seconds: float) -> None:
        """It is over at once."""

    def wait(self, _poll_set: PollSet, _seconds: float) -> None:
        """As `sleep`."""

    def poll_set(self) -> PollSet:
        """First the one for sockets that have room, then the one for those to be read."""
        return self._sets.pop()

    def naps(self) -> Naps:
        return NoNaps(self.log.size)

    def turn_part(self, part_ns: int) -> TurnPart:
        return TurnPart(Clock(self.world), part_ns=part_ns)

    def prepare(self, descriptor: int) -> Any:
        self.point("prepare")
        return Socket(self.world.machine, descriptor, self.point)

    def release(self, descriptor: int) -> None:
        self.point("close")
        self.world.machine.close(descriptor)

    def subscriber_slot(self, index: int) -> SubscriberSlot:
        return SubscriberSlot(self._memory, index)

    def stream_slot(self, index: int) -> StreamSlot:
        return StreamSlot(self._memory, index)

    def spill_area(self) -> SpillArea:
        is_alive, is_refused = lambda: self.fate.is_alive, self.world.is_memory_refused
        return Area(self._memory, self.slot.area, self.point, is_alive, is_refused)

    def ring_publisher(self) -> None:
        """It tries again by itself."""
