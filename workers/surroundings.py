"""What a worker gets from outside: time, memory, sockets, its loop. Shell.

`Surroundings` is all that a worker knows of the world. `Process` is the real one, made by main.py;
the simulation hands in its own.
"""

from __future__ import annotations

import os
import select
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from fanout.basics.system_calls import needed
from fanout.shm.clock import Clock
from fanout.shm.header import Header
from fanout.shm.kept_values import KeptValues
from fanout.shm.reader import LogReader
from fanout.shm.spill_area import SpillArea
from fanout.shm.stream_record import StreamSlot
from fanout.shm.subscriber_slot import SubscriberSlot
from fanout.shm.worker_slot import WorkerSlot
from fanout.transport.kernel import (
    Taken,
    prepare_socket,
    set_queue,
    stream_counts,
    taken_by_host,
)
from fanout.transport.socket_queues import KERNEL, unsent_in_kernel
from fanout.workers.connections.sessions import SESSIONS, leave_no_core, of_curve
from fanout.workers.naps import Naps
from fanout.workers.stream.turn_part import TurnPart, WorkTime

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence

    from fanout.control.channel import Channel
    from fanout.options import Options
    from fanout.shm.doorbell import Doorbell
    from fanout.shm.segment import Segment
    from fanout.transport.kernel import Counts
    from fanout.transport.socket_queues import SocketQueues
    from fanout.workers.connections.sessions import SessionMaker
    from fanout.zmtp.boxes import Primitives


class Loop(Protocol):
    """Calls back; what asyncio's loops have."""

    def call_soon(self, callback: Callable[[], object], /) -> object: ...

    def call_later(self, delay: float, callback: Callable[[], object], /) -> object: ...

    def add_reader(self, fd: socket.socket | int, callback: Callable[[], object], /) -> object: ...

    def remove_reader(self, fd: socket.socket | int, /) -> object: ...

    def add_writer(self, fd: socket.socket | int, callback: Callable[[], object], /) -> object: ...

    def remove_writer(self, fd: socket.socket | int, /) -> object: ...


class Surroundings(Protocol):
    """The world of one worker.

    Attributes:
        loop: on which everything runs.
        channel: to the coordinator.
        header, log, slot: the memory it shares with the publisher; the slot is its own.
        doorbell: the descriptor that the publisher rings it by.
        sessions: what makes the session of a peer, by the protocol that its listener speaks.
        queues: who is asked about the queues of its sockets.
    """

    loop: Loop
    channel: Channel
    header: Header
    log: LogReader
    kept_values: KeptValues | None  # None = there are no last values
    slot: WorkerSlot
    doorbell: int
    sessions: Mapping[str, SessionMaker]
    queues: SocketQueues

    @property
    def is_heard(self) -> bool:
        """Whether the coordinator has acted on all that it was told: who wants what, above all."""

    def leave_no_core(self) -> None:
        """This process has keys from now on."""

    def primitives(self) -> Primitives:
        """What CURVE is made of; asked for when somebody has it."""

    def now(self) -> int:
        """Monotonic ns."""

    def cpu_ns(self) -> int:
        """CPU time of this process."""

    def rss_bytes(self) -> int:
        """Resident memory of this process, shared pages too; 0 if the system does not say."""

    def sleep(self, seconds: float) -> None:
        """Let so much time pass, in the middle of a turn."""

    def wait(self, poll_set: select.epoll, seconds: float) -> None:
        """As `sleep`, but for as long as the set has no event."""

    def poll_set(self) -> select.epoll:
        """A new set of sockets to be polled."""

    def naps(self) -> Naps:
        """What decides when messages may accumulate."""

    def turn_part(self, part_ns: int) -> TurnPart:
        """What bounds the parts of a turn, and gives the sign of life."""

    def prepare(self, descriptor: int) -> socket.socket:
        """The socket of a connection that was handed over.

        Raises:
            OSError: it is gone already.
        """

    def release(self, descriptor: int) -> None:
        """Close the descriptor of a connection that nobody here goes on with."""

    def unsent(self, sock: socket.socket) -> int:
        """Bytes that the kernel took and the peer has not acknowledged; 0 if it does not say."""

    def taken(self, sock: socket.socket, handed: int) -> Taken:
        """How far the peer's host has come with the `handed` bytes that the socket took."""

    def widen(self, sock: socket.socket) -> None:
        """Its peer reads: let the kernel hold for it what is configured, if it had less."""

    def subscriber_slot(self, index: int) -> SubscriberSlot:
        """The slot with this number."""

    def stream_slot(self, index: int) -> StreamSlot:
        """What another worker needs to go on, in the same slot."""

    def stream_counts(self, sock: socket.socket) -> Counts | None:
        """What the kernel has counted of a connection; None = nobody can go on with it."""

    def spill_area(self) -> SpillArea:
        """Its own; the others are read through it. Nothing of it is in use yet."""

    def head_at(self, time: int) -> int:
        """Which message was the next one at that time (monotonic ns), or a little before."""

    def earlier(self, sequence: int, time: int) -> Sequence[tuple[int, int]]:
        """Heads and times of what the coordinator noted before that time; see `Clock.earlier`."""

    def ring_publisher(self) -> None:
        """Wake the publisher, which waits for room in the log."""


class Process:
    """The surroundings of a worker in a process of its own; see `Surroundings`."""

    def __init__(
        self,
        index: int,
        options: Options,
        segment: Segment,
        channel: Channel,
        bells: tuple[Doorbell, Doorbell],
        loop: Loop,
    ) -> None:
        self.loop = loop
        self.channel = channel
        self.header = Header(segment)
        self.log = LogReader(segment)
        self.kept_values = KeptValues(segment) if segment.layout.table.places else None
        self.slot = channel.strain = WorkerSlot(segment, index)
        self.doorbell = bells[0].fd
        self.sessions: Mapping[str, SessionMaker] = SESSIONS
        self.leave_no_core, self.primitives = leave_no_core, of_curve
        self.queues = KERNEL
        self._bells = bells
        self._options = options
        self._segment = segment
        self.now = time.monotonic_ns
        self.cpu_ns = time.process_time_ns
        self.sleep = time.sleep
        self.release = os.close
        self.unsent = unsent_in_kernel
        self.taken = taken_by_host
        self.stream_counts = stream_counts
        self.ring_publisher = bells[1].ring
        clock = Clock(segment)
        self.head_at, self.earlier = clock.head_at, clock.earlier

    @property
    def is_heard(self) -> bool:
        return self.slot.heard == self.channel.posted

    def rss_bytes(self) -> int:
        try:
            descriptor = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return 0
        try:
            pages = int(os.read(descriptor, 128).split()[1])
        finally:
            os.close(descriptor)
        return pages * os.sysconf("SC_PAGE_SIZE")

    def poll_set(self) -> select.epoll:
        with needed("epoll_create1", "watches the sockets of subscribers"):
            return select.epoll()

    def wait(self, poll_set: select.epoll, seconds: float) -> None:
        select.select([poll_set], (), (), seconds)

    def naps(self) -> Naps:
        return Naps(self.log.size)

    def turn_part(self, part_ns: int) -> TurnPart:
        # By the time that this thread has worked: to do less at once because others have the
        # processor would only make more turns of the same work.
        return TurnPart(WorkTime(self.now, time.thread_time_ns), self._beat, part_ns)

    def _beat(self, _worked: int) -> None:
        self.slot.heartbeat = self.now()

    def prepare(self, descriptor: int) -> socket.socket:
        options = self._options
        return prepare_socket(
            descriptor,
            queue_bytes=options.kernel_queue_bytes,
            user_timeout_s=options.tcp_user_timeout,
        )

    def widen(self, sock: socket.socket) -> None:
        with suppress(OSError):  # it has left: that is seen when it is sent something
            set_queue(sock, self._options.kernel_queue_bytes)

    def subscriber_slot(self, index: int) -> SubscriberSlot:
        return SubscriberSlot(self._segment, index)

    def stream_slot(self, index: int) -> StreamSlot:
        return StreamSlot(self._segment, index)

    def spill_area(self) -> SpillArea:
        return SpillArea(self._segment, self.slot.area)
