"""A worker's process: the real worker, and its end of the control channel, until it dies."""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING, Any

from fanout.basics.exits import Exit
from fanout.control.messages import Started
from fanout.shm import layout as at
from fanout.shm.clock import Clock as Notes
from fanout.shm.header import Header
from fanout.shm.reader import LogReader
from fanout.shm.stream_record import StreamSlot
from fanout.shm.subscriber_slot import SubscriberSlot
from fanout.shm.worker_slot import WorkerSlot
from fanout.transport import kernel
from fanout.transport.socket_queues import unsent_in_kernel
from fanout.workers.connections.sessions import SESSIONS
from fanout.workers.stream.member import HELD
from fanout.workers.stream.turn_part import TurnPart
from fanout.workers.worker import Worker
from fanout.zmtp.errors import ProtocolError
from tests.simulation.takeovers.ages import require_ages
from tests.simulation.takeovers.fate import CANCELLED, GIVING_UP, TAKING_OVER, Fate, Killed
from tests.simulation.takeovers.loop import Clock, Loop, NoNaps
from tests.simulation.takeovers.machine import PollSet, Socket
from tests.simulation.takeovers.memory import Area, Memory
from tests.simulation.takeovers.pipe import Pipe
from tests.simulation.takeovers.sealed import PROTOCOL
from tests.simulation.takeovers.shown import kept_values
from tests.simulation.takeovers.tasks import Task
from tests.simulation.violated import Violated, require

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.shm.kept_values import KeptValues
    from fanout.shm.spill_area import SpillArea
    from fanout.shm.stream_record import StreamRecord
    from fanout.workers.naps import Naps
    from fanout.workers.stream.member import Member
    from tests.simulation.kernel import Connection
    from tests.simulation.takeovers.world import TakeoverWorld

# What comes of reading garbage; of another error it is a mistake in this simulation that is told.
MISREAD = (
    *(ValueError, ArithmeticError, LookupError, AssertionError, RuntimeError, StopIteration),
    *(struct.error, ProtocolError),
)


def _waits(member: Member, head: int) -> bool:
    """Whether something is left for who may be sent something."""
    has_gaps = member.gaps is not None and bool(member.gaps.pending)
    return member.sequence < head or has_gaps


class NotedSlot(StreamSlot):
    """Says of whom a record is valid now; its writer has died before, or passed that."""

    def __init__(self, memory: Any, index: int, noted: Callable[[int], None]) -> None:
        super().__init__(memory, index)
        self._noted = noted

    def write(self, record: StreamRecord) -> None:
        super().write(record)
        self._noted(self.words[at.S_ID])


class Process:
    """The process of a worker; it is its surroundings, too.

    Attributes:
        fate: when it dies.
        is_stopped: whether it does nothing, and lives.
        code: that it ends with.
        sends_to: to whom it is sending, until it has written down how much that was.
        takes_from: of whose input it takes what it has looked at, until it has written down that
            this is over.
        going_back: who is promised what was published before, until it is known what that is.
        unheard: whose input it has taken before it has acted upon that.
        goes_on_with: with whom it is just going on, as it says in a word of its own.
        is_condemned: whether we have killed it.
    """

    doorbell = -1

    def __init__(self, world: TakeoverWorld, index: int) -> None:
        self.world = world
        self.index = index
        self.fate = Fate(*(world.rng, world.favourite, world.kills), is_devoted=world.is_devoted)
        self.is_stopped = self.is_busy = False
        self.sends_to: Connection | None = None
        self.takes_from: Connection | None = None
        self.going_back: set[int] = set()
        self._is_known: int | None = None  # of whom the next record says what it gets
        self.unheard: set[Connection] = set()
        self.goes_on_with: int | None = None
        self.is_condemned = False
        self._is_short = False  # there was no memory for all that is to be in the next record
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
        self.earlier = Notes(world.segment).earlier
        self.readable = PollSet(world.rng, self.point)
        self.writable = PollSet(world.rng, self.point)
        self._sets = [self.readable, self.writable]
        self.queues = queues = world.machine.queues
        self.unsent = partial(unsent_in_kernel, queues=queues)
        self.taken = partial(kernel.taken_by_host, queues=queues)
        self.stream_counts = partial(kernel.stream_counts, queues=queues)
        self.widen = lambda _sock: None  # as in `tests/simulation/surroundings.py`
        with_boxes = partial(world.boxes.session, rng=world.own)
        self.sessions = {**SESSIONS, PROTOCOL: with_boxes}
        self.is_heard = True
        self.leave_no_core = lambda: None  # it is the process of the test
        self.primitives = lambda: world.boxes
        surroundings: Any = self
        self.worker = Worker(world.options, surroundings, world.tuning)
        self._task = Task(self.worker) if world.dies else None
        orders: Any = self.worker.orders
        self._note_who(orders.resuming)
        self._note_who_goes_back(self.worker.desk.replays)
        self._name_points(orders.resuming, "_resume", TAKING_OVER)
        self._name_points(orders._releasing, "release", GIVING_UP)
        self.channel.send(Started(1))

    def _note_who(self, resuming: Any) -> None:
        """Know with whom it is going on; before that it has written it down."""
        go_on = resuming._resume

        def noted(one: Any, now: int) -> None:
            self.goes_on_with = one.message.subscriber
            go_on(one, now)

        resuming._resume = noted

    def _note_who_goes_back(self, replays: Any) -> None:
        """Know who was promised something, and when a record of what it gets is valid."""
        promise, begin = replays.promise, replays.begin

        def promised(peer: Any, said: Any, added: Any, *others: Any) -> int:
            until: int = promise(peer, said, added, *others)
            subscriber = self.world.subscribers.get(peer.id)
            if added and subscriber is not None and subscriber.goes_back:
                self.going_back.add(peer.id)
            return until

        def begun(peer: Any, now: int) -> None:
            self._is_known = peer.id
            begin(peer, now)
            self._is_known = None
            self.going_back.discard(peer.id)

        replays.promise, replays.begin = promised, begun

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
        elif name == "W_RESUMING":
            self.goes_on_with = None

    # What the world has it do.

    @property
    def works(self) -> bool:
        return self.fate.is_alive and not self.is_stopped

    def turn(self) -> None:
        self.loop.is_asked = False
        self._run(self.worker.turn, reads=True)

    def sending_turn(self) -> None:
        self._run(self.worker.sending_turn)

    def tick(self) -> None:
        """What its timer does, with the turns that it takes until all is done that a tick does."""
        self._run(self.worker.tick, reads=True)
        while self.worker.chores.are_left and self.works and not self.is_busy:
            self._run(self.worker.turn, reads=True)

    @property
    def served(self) -> list[int]:
        """Those it serves."""
        return list(self.worker.desk.peers)

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

    def cancel(self) -> None:
        """Its task is, where it waits: it ends by that, as by a bug."""
        self._run(self._be_cancelled)

    def _be_cancelled(self) -> None:
        assert self._task is not None
        self.world.kills[CANCELLED] += 1
        self.code = Exit.BUG
        self._task.cancel()
        self.world.died(self)

    def be_told(self) -> None:
        """The publisher's process is dead, as a descriptor of that says."""
        self._run(self.worker.orphaned)

    def drop(self) -> None:
        """Nothing of it has any effect any more."""
        self.fate.is_alive = False
        if self._task is not None:
            self._task.drop()

    def _run(self, work: Callable[[], object], *, reads: bool = False) -> None:
        if self.is_busy or not self.works:
            return
        if self._task is not None and self._task.is_new:
            work = self._task.begin
        self.is_busy = True
        reads = reads and not self.channel.pending
        self.channel.was_full = False
        try:
            work()
            if self.worker._done.is_set():
                self._leave()
            self.world.note_held(self)
            require_ages(self.worker.pump, self.world)
            if reads and not self.channel.was_full and self.unheard:
                self.world.note_heard(self)
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
        if self._task is not None:
            self._task.finish()
        else:
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
        return NotedSlot(self._memory, index, self._note_record)

    def spill_area(self) -> SpillArea:
        here = self._memory, self.slot.area, self.point
        return Area(*here, lambda: self.fate.is_alive, self._is_refused)

    def _is_refused(self) -> bool:
        is_refused = self.world.is_memory_refused()
        self._is_short = self._is_short or is_refused
        return is_refused

    def _note_record(self, subscriber: int) -> None:
        if subscriber == self._is_known:
            self.going_back.discard(subscriber)
        self.world.excuses.recorded(subscriber, is_short=self._is_short)
        self._is_short = False

    def ring_publisher(self) -> None:
        """It tries again by itself."""
