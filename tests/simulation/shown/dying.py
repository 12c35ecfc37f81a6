"""Workers that die while they show something, and what the system does for who goes on.

A worker dies before or in any of its looks, stores and system calls; what it has stored and handed
to the kernel until then is there, and the kernel has counted it.
"""

from __future__ import annotations

import math
import termios
from typing import TYPE_CHECKING, Any

from fanout.control.messages import Started
from fanout.shm.worker_slot import WorkerSlot
from fanout.transport.kernel import Counts
from fanout.transport.socket_queues import SocketQueues
from tests.simulation.shown.memory import SteppedValues
from tests.simulation.shown.worker import ShownWorker
from tests.simulation.sockets import FakeSocket
from tests.simulation.surroundings import SimulatedSurroundings
from tests.simulation.takeovers.fate import Fate, Killed
from tests.simulation.takeovers.memory import Area, Memory
from tests.simulation.takeovers.pipe import Pipe
from tests.simulation.takeovers.processes import NotedSlot

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from fanout.shm.spill_area import SpillArea
    from fanout.shm.stream_record import StreamSlot
    from tests.simulation.shown.deaths import DyingWorld

POINTS_MAX = 2_000
SENDS_MAX = 30


class AnyTime(Fate):
    """It dies after so many points, whatever these are called, or where it sends something."""

    def seal(self) -> str:
        self._name = self._rng.choice(("", "send", "sent"))
        most = SENDS_MAX if self._name else POINTS_MAX
        self._left = 1 + int(most ** self._rng.random())
        return self._name


class DyingSocket(FakeSocket):
    """A connection that outlives who serves it.

    Attributes:
        worker: who serves it.
        handed: bytes that the kernel was handed, by whomever.
        was_taken: whether what it said was taken before it was acted upon, once.
        is_shut: whether its worker had begun to end it.
        was_cut: whether we have ended it, and its peer had not.
    """

    worker: DyingWorker

    def __init__(self, descriptor: int, world: DyingWorld) -> None:
        super().__init__(descriptor, world.rng, lambda: world.writer_step(self.worker))
        self.lossy = self.faulty = 0.0
        self.handed = 0
        self.was_cut = self.was_taken = self.is_shut = False

    @property
    def connection(self) -> DyingSocket:
        """What the coordinator has a descriptor of."""
        return self

    def send(self, data: bytes | memoryview) -> int:
        self.worker.point("send")
        count = super().send(data)
        self.handed += count
        self.worker.point("sent")
        return count

    def recv(self, size: int, flags: int = 0) -> bytes:
        self.worker.point("take")
        data = super().recv(size, flags)
        self.was_taken = self.was_taken or not flags  # without a look at it
        self.worker.point("take, done")
        return data

    def shutdown(self, how: int) -> None:
        self.is_shut = True
        super().shutdown(how)

    def break_off(self) -> None:
        """Nobody serves it any more."""
        self.was_cut = not self.broken
        self.broken = self.ended = True


def _held(sock: socket.socket, question: int) -> int:
    connection: Any = sock
    return len(connection.there) if question == termios.FIONREAD else int(connection.queued)


class DyingSurroundings(SimulatedSurroundings):
    """Those of one: each of its stores is a point at which it may die."""

    queues = SocketQueues(_held, lambda sock: getattr(sock, "ended"))  # noqa: B009

    def __init__(self, worker: DyingWorker, world: DyingWorld, channel: Any) -> None:
        super().__init__(worker, world, channel)  # type: ignore[arg-type]
        self._worker = worker
        self._seen: Any = world
        memory: Any = Memory(self._memory, worker.point, world.seats, world.rng)
        self._memory = memory
        self.slot = WorkerSlot(memory, worker.index)

    def prepare(self, descriptor: int) -> Any:
        self._worker.point("prepare")
        sock = self._seen.machine.open[descriptor]
        sock.worker, sock.closed = self._worker, False
        return sock

    def release(self, descriptor: int) -> None:
        self._seen.machine.close(descriptor)

    def stream_counts(self, sock: Any) -> Any:
        return None if sock.is_shut or sock.broken else Counts(sock.handed, sock.read)

    def stream_slot(self, index: int) -> StreamSlot:
        return NotedSlot(self._memory, index, self._seen.recorded)

    def spill_area(self) -> SpillArea:
        here = self._memory, self.slot.area, self._worker.point
        return Area(*here, lambda: self._worker.fate.is_alive, lambda: False)


class DyingWorker(ShownWorker):
    """A worker's process, until it dies.

    Attributes:
        fate: when that is.
        code: that it ends with.
        is_condemned: whether we have killed it.
    """

    def __init__(self, index: int, world: DyingWorld) -> None:  # which makes no other worker
        self.index = index
        self.world = world
        self.fate = AnyTime(world.rng, "", world.kills)
        self.code = -9
        self.is_condemned = False
        here: Any = self
        self.channel: Any = Pipe(here)
        super().__init__(index, world)
        self.channel.send(Started(1))

    def _surroundings(self, world: Any) -> Any:
        around: Any = DyingSurroundings(self, world, self.channel)
        around.kept_values = SteppedValues(world.readable, lambda: world.writer_step(self))
        return around

    @property
    def works(self) -> bool:
        """Whether it lives."""
        return self.fate.is_alive

    @property
    def is_doomed(self) -> bool:
        """Whether it is to die soon."""
        return self.fate._left < math.inf

    def point(self, name: str) -> None:
        """A point at which it may die; not between two things that are one."""
        if not self.world.is_noting or not self.fate.is_alive:
            self.fate.point(name)

    def run(self, work: Callable[[], None]) -> None:
        if not self.works or self.busy:
            return
        try:
            super().run(work)
        except Killed:
            self.world.died(self)
