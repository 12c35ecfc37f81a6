"""A real coordinator on the thread of the test, with time and workers that the test plays."""

from __future__ import annotations

import logging
import os
import selectors
import socket
from typing import TYPE_CHECKING, Any, Self

from fanout.control.channel import Channel
from fanout.control.messages import Closed, Connected, Started, Subscriptions
from fanout.coordinator.announcer import Announcer
from fanout.coordinator.clocks import Times
from fanout.coordinator.coordinator import Coordinator
from fanout.coordinator.interest import Interest
from fanout.coordinator.surroundings import Surroundings
from fanout.coordinator.watching import TICK
from fanout.options import Options
from fanout.reasons import Reason
from fanout.shm.bells import Bell
from fanout.shm.doorbell import Doorbell
from fanout.shm.segment import Segment
from fanout.shm.subscriber_slot import SubscriberSlot
from tests.helpers.log import SMALL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from fanout.control.messages import Message
    from fanout.coordinator.lives import Condition
    from fanout.events import Event, EventKind
    from fanout.shm.worker_slot import WorkerSlot

KILLED = -9


class Impatient(selectors.DefaultSelector):
    """A selector that never waits: time passes when the test says so."""

    def select(self, timeout: float | None = None) -> Any:
        del timeout
        return super().select(0)


class Prompt(Announcer):
    """Tells at once, on the thread that it is told on."""

    def __init__(self, events: list[Event]) -> None:
        super().__init__(None, logging.getLogger("fanout.bench"))
        self._events = events

    def tell(self, event: Event) -> None:
        self._events.append(event)


class Worker:
    """A process that the test plays: what it says, whether it lives, how it ends."""

    def __init__(self, index: int, control_descriptor: int, slot: WorkerSlot) -> None:
        self.index = index
        self.slot = slot
        self.pid: int | None = 1000 + index
        self.exitcode: int | None = None
        self.sentinel = os.eventfd(0, os.EFD_NONBLOCK)
        self.channel = Channel(socket.socket(fileno=os.dup(control_descriptor)))
        self.closed = False
        self.beats = True
        self.aborts = 0  # how often the coordinator has tried that; it is of no use here
        self.may_be_killed = True

    def say(self, *messages: Message) -> None:
        """Report, as far as the coordinator has room for it."""
        for message in messages:
            self.channel.post(message)
        self.channel.flush()

    def hear(self) -> list[Message]:
        """What the coordinator has said."""
        received = self.channel.receive()
        for _message, descriptors in received:
            for descriptor in descriptors:
                os.close(descriptor)
        return [message for message, _descriptors in received]

    def hang_up(self) -> None:
        """Close the channel, and go on."""
        self.channel.close()

    def exit(self, code: int) -> None:
        """End."""
        if self.exitcode is None:
            self.exitcode = code
            self.channel.close()
            os.eventfd_write(self.sentinel, 1)

    # What the coordinator does with it.

    def abort(self) -> None:
        self.aborts += 1

    def kill(self) -> None:
        if not self.may_be_killed:
            raise PermissionError(1, "Operation not permitted")
        self.exit(KILLED)

    def join(self, timeout: float) -> None:
        del timeout
        assert self.exitcode is not None or not self.may_be_killed, "it would wait"

    def close(self) -> None:
        assert not self.closed
        self.closed = True
        os.close(self.sentinel)


class Bench:
    """A coordinator and what surrounds it; a context manager that ends it.

    Attributes:
        now: the time, in seconds.
        processes: every process that was started, in this order.
        refused: how many of the next starts the system gives no process for.
        events: what was told.
        broken: whether the coordinator has said that nothing can be delivered any more.
        condition: what the kernel says of all processes.
        conditions: of some, by process id.
        slept: seconds that the machine has slept.
        set_by: seconds by which the time of day was set.
    """

    def __init__(self, workers: int = 1, options: Mapping[str, Any] | None = None) -> None:
        self.now = 1_000.0
        self.slept = self.set_by = 0.0
        self.processes: list[Worker] = []
        self.refused = 0
        self.events: list[Event] = []
        self.broken = False
        self.condition: Condition | None = None
        self.conditions: dict[int, Condition] = {}
        self._sockets: list[socket.socket] = []  # of subscribers
        self.segment = Segment.create(SMALL)
        self.doorbells = [Doorbell() for _ in range(workers)]
        self.room = Doorbell()
        self.interest = Interest()
        bells = [Bell(self.segment, i, doorbell) for i, doorbell in enumerate(self.doorbells)]
        settings = {"workers": workers, "max_subscribers": SMALL.subscribers, **(options or {})}
        self.coordinator = Coordinator(
            Options(**settings),
            self.segment,
            bells,
            self.room,
            self.interest,
            Prompt(self.events),
            on_broken=lambda: setattr(self, "broken", True),
            on_mended=lambda: setattr(self, "broken", False),
            on_ended=lambda: None,
            surroundings=Surroundings(
                *(lambda: self.now, Impatient, self._start),
                lambda pid: self.conditions.get(pid, self.condition),
                self._times,
            ),
        )
        self.state = self.coordinator.state

    def __enter__(self) -> Self:
        self.coordinator.begin()
        for process in list(self.processes):
            process.say(Started(1))
        self.turn()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.coordinator._release()
        self.close()

    def close(self) -> None:
        """Release what the test has lent to the coordinator."""
        for bell in (*self.doorbells, self.room):
            bell.close()
        for process in self.processes:
            process.hang_up()
        for sock in self._sockets:
            sock.close()
        self.segment.close()

    def _start(self, index: int, control_descriptor: int) -> Worker:
        if self.refused:
            self.refused -= 1
            raise OSError(11, "Resource temporarily unavailable")
        slot = self.coordinator.links[index].slot
        self.processes.append(Worker(index, control_descriptor, slot))
        return self.processes[-1]

    def _times(self) -> Times:
        existing = self.now + self.slept
        return Times(self.now, existing, existing + self.set_by)

    @property
    def worker(self) -> Worker:
        """The youngest process."""
        return self.processes[-1]

    def enlarge(self, workers: int) -> None:
        """Make so many workers possible."""
        while len(self.doorbells) < workers:
            self.doorbells.append(Doorbell())
        bells = [Bell(self.segment, i, doorbell) for i, doorbell in enumerate(self.doorbells)]
        self.coordinator.enlarge(bells)

    def of_worker(self, index: int) -> Worker:
        """The youngest process of a worker."""
        return [process for process in self.processes if process.index == index][-1]

    def turn(self) -> None:
        """One turn at a time that has not moved."""
        self.coordinator.turn()

    def pass_time(self, seconds: float) -> None:
        """Let time pass tick by tick; processes that beat live, and get on, in each."""
        until = self.now + seconds
        while self.now < until:
            self.now += TICK
            for process in self.processes:
                if process.beats and process.exitcode is None:
                    process.slot.heartbeat += 1
                    process.slot.progress += 1
            self.turn()

    def of(self, kind: EventKind) -> list[Event]:
        """The events of this kind so far."""
        return [event for event in self.events if event.kind is kind]

    def listen(self) -> Callable[[], socket.socket]:
        """Listen; returns what connects there, for the coordinator to accept in its next turn."""
        endpoint = self.coordinator.reception.bind("tcp://127.0.0.1:*")
        port = int(endpoint.rpartition(":")[2])

        def connect() -> socket.socket:
            self._sockets.append(socket.create_connection(("127.0.0.1", port), timeout=10))
            return self._sockets[-1]

        return connect

    def accept(self) -> int:
        """Somebody who says nothing yet: its id."""
        before = set(self.state.roster.connections)
        self.listen()()
        self.turn()
        (subscriber,) = set(self.state.roster.connections) - before
        return subscriber

    def connect(self, *prefixes: bytes) -> tuple[socket.socket, int]:
        """A subscriber with these subscriptions: its socket and its id."""
        subscriber = self.accept()
        sock = self._sockets[-1]
        connection = self.state.roster.connections[subscriber]
        SubscriberSlot(self.segment, connection.slot).take(subscriber)
        process = [one for one in self.processes if one.index == connection.worker][-1]
        process.hear()
        process.say(Connected(subscriber, "3.1"), Subscriptions(subscriber, 0, list(prefixes), []))
        self.turn()
        return sock, subscriber


def closed(subscriber: int, cause: Reason = Reason.LEFT) -> Closed:
    """A worker's report of an end; nothing was sent."""
    evicted = cause not in (Reason.LEFT, Reason.BROKEN, Reason.PUBLISHER_CLOSED)
    return Closed(subscriber, evicted, cause.number, cause.text, 0, 0, 0, 0, 0)
