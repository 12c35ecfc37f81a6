"""Surroundings of a worker that a test holds in its hands: its time, its loop, what it reports."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING, Any

from fanout.basics.units import NS
from fanout.shm.clock import Clock
from fanout.shm.header import Header
from fanout.shm.kept_values import KeptValues
from fanout.shm.spill_area import SpillArea
from fanout.shm.stream_record import StreamSlot
from fanout.shm.subscriber_slot import SubscriberSlot
from fanout.shm.worker_slot import WorkerSlot
from fanout.transport.kernel import Taken, stream_counts, taken_by_host
from fanout.transport.socket_queues import KERNEL, unsent_in_kernel
from fanout.workers.connections.sessions import (
    SESSIONS,
    SessionMaker,
    leave_no_core,
    of_curve,
)
from fanout.workers.naps import Naps
from fanout.workers.stream.turn_part import TurnPart
from tests.helpers.log import Log

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from fanout.control.messages import Message
    from fanout.shm.layout import Layout
    from fanout.transport.kernel import Counts


class Loop:
    """Keeps what it was asked to call.

    Attributes:
        soon: what `call_soon` was asked for.
    """

    def __init__(self) -> None:
        self.soon: list[Callable[[], object]] = []

    def call_soon(self, callback: Callable[[], object], /) -> None:
        self.soon.append(callback)

    def call_later(self, _delay: float, _callback: Callable[[], object], /) -> None:
        """The test says when there is a tick."""

    def add_reader(self, *_watched: object) -> None:
        """The test says when there is something to read."""

    remove_reader = add_writer = remove_writer = add_reader


class Outbox:
    """A channel whose reports wait as long as the test says.

    Attributes:
        sent: the reports that are out.
        stuck: whether the coordinator does not read.
    """

    closed = is_short = False
    socket = None

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.waiting: list[Message] = []
        self.stuck = False
        self.posted = 0

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
        self.posted += 1
        self.waiting.append(message)

    def flush(self) -> None:
        if not self.stuck:
            self.sent += self.waiting
            self.waiting.clear()

    def receive(self) -> list[tuple[Message, list[int]]]:
        return []


class Around:
    """The world of one worker, in one process.

    Attributes:
        time: monotonic ns; passes only in sleeps and by the hand of the test.
        slept: seconds of each sleep.
        sockets: what `prepare` finds, by descriptor.
        rings: how often the publisher was woken.
        widened: sockets for which the kernel may hold what is configured.
    """

    doorbell = -1
    sessions: Mapping[str, SessionMaker] = SESSIONS
    is_heard = True  # the coordinator has acted on all that it was told
    leave_no_core, primitives = staticmethod(leave_no_core), staticmethod(of_curve)
    queues = KERNEL

    def __init__(self, layout: Layout) -> None:
        self.written = Log(layout)
        self.loop: Any = Loop()
        self.channel: Any = Outbox()
        self.header = Header(self.written.segment)
        self.log = self.written.reader
        self.kept_values = KeptValues(self.written.segment) if layout.table.places else None
        self.slot = WorkerSlot(self.written.segment, 0)
        self.slot.release()
        self.time = NS
        self.slept: list[float] = []
        self.sockets: dict[int, socket.socket] = {}
        self.rings = 0
        self.widened: list[socket.socket] = []
        self.cpu = self.rss = 0

    def now(self) -> int:
        return self.time

    def cpu_ns(self) -> int:
        return self.cpu

    def rss_bytes(self) -> int:
        return self.rss

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += round(seconds * NS)

    def wait(self, poll_set: select.epoll, seconds: float) -> None:
        if not poll_set.poll(0):
            self.sleep(seconds)

    def poll_set(self) -> select.epoll:
        return select.epoll()

    def naps(self) -> Naps:
        return Naps(self.log.size)

    def turn_part(self, part_ns: int) -> TurnPart:
        return TurnPart(self.now, part_ns=part_ns)

    def prepare(self, descriptor: int) -> socket.socket:
        if descriptor not in self.sockets:
            raise OSError(107, "Transport endpoint is not connected")
        return self.sockets[descriptor]

    def release(self, descriptor: int) -> None:
        os.close(descriptor)

    def unsent(self, sock: socket.socket) -> int:
        return unsent_in_kernel(sock)

    def widen(self, sock: socket.socket) -> None:
        self.widened.append(sock)

    def taken(self, sock: socket.socket, handed: int) -> Taken:
        return taken_by_host(sock, handed)

    def subscriber_slot(self, index: int) -> SubscriberSlot:
        return SubscriberSlot(self.written.segment, index)

    def stream_slot(self, index: int) -> StreamSlot:
        return StreamSlot(self.written.segment, index)

    def stream_counts(self, sock: socket.socket) -> Counts | None:
        return stream_counts(sock)

    def spill_area(self) -> SpillArea:
        return SpillArea(self.written.segment, self.slot.area)

    def head_at(self, time: int) -> int:
        return Clock(self.written.segment).head_at(time)

    def earlier(self, sequence: int, time: int) -> list[tuple[int, int]]:
        return Clock(self.written.segment).earlier(sequence, time)

    def ring_publisher(self) -> None:
        self.rings += 1

    def close(self) -> None:
        self.written.segment.close()
