"""The worker's end of its control channel."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from fanout.control.messages import Subscriptions
from fanout.control.takeover import Resumed

if TYPE_CHECKING:
    from fanout.control.messages import Message
    from tests.simulation.takeovers.processes import Process

CUT_CHANCE = 0.4  # that what waits for the coordinator does not fit into one packet


class Pipe:
    """The worker's end of its channel. What has left it is not lost with the process.

    Attributes:
        sent: packets that the coordinator has not read yet.
        coming: packets for the worker.
        was_full: whether something had to wait, in this turn.
    """

    socket = None
    is_short = False

    def __init__(self, process: Process) -> None:
        self._process = process
        self._waiting: list[Message] = []
        self.closed = self._has_hung_up = False
        self.posted = 0
        self.was_full = False
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
        if self.closed:
            self._take_for_reported([message])
            return
        self.posted += 1
        self._waiting.append(message)
        if isinstance(message, Subscriptions):
            self._process.world.promised(message)
        elif isinstance(message, Resumed) and message.ok:
            self._process.world.goes_on(message.subscriber)

    def flush(self) -> bool:
        """As many packets as there is room for; how much fits into one is up to chance."""
        process = self._process
        world = process.world
        while self._waiting:
            if self._has_hung_up:
                self.closed = True
                waiting, self._waiting = self._waiting, []
                self._take_for_reported(waiting)
                break
            if len(self.sent) >= world.packets and not world.is_calm:
                for message in self._waiting:
                    if isinstance(message, Subscriptions):
                        world.has_waited(message)
                self.was_full = True
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
        self.closed = self.closed or (self._has_hung_up and not self.coming)
        return received

    def hang_up(self) -> None:
        """The coordinator is dead; what it has said before is heard."""
        self._has_hung_up = True

    def _take_for_reported(self, messages: list[Message]) -> None:
        """Nobody hears it any more: it is acted upon at once."""
        for message in messages:
            if isinstance(message, Subscriptions):
                self._process.world.reported(message)
