"""Workers that give connections up and go on with others, as a simulated coordinator wants it."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING

from fanout.control.takeover import Release, Released, Resume, Resumed, Wants
from fanout.coordinator.handing_on import HandingOn
from fanout.coordinator.moving import Moving
from fanout.shm.credit import FREE
from fanout.shm.header import Header
from fanout.shm.layout import PAGE, Layout
from fanout.shm.segment import Segment
from fanout.shm.stream_record import Kind, StreamRecord, StreamSlot
from fanout.shm.subscriber_slot import SubscriberSlot
from fanout.shm.worker_slot import NO_TAIL, WorkerSlot
from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.control.messages import Message
    from fanout.coordinator.actions import Action
    from tests.simulation.coordinator.world import CoordinatorWorld
    from tests.simulation.processes import Flag, Peer, Process

KINDS = (Kind.GOES_ON, Kind.GOES_ON, Kind.GOES_ON, Kind.WANTS_NOTHING, Kind.NO_ROOM)
HEAD = 500  # of the log, all the time
NOTHING = StreamRecord(**dict.fromkeys(StreamRecord._fields[:-1], 0), speech=b"")
AGAIN = 0.1  # seconds until it is tried again to duplicate a descriptor
NOBODY = -1


class Handed:
    """The connections that no worker serves, or that are handed on: what workers do with them.

    Its mutable state: who waits and who is handed on, since when, and what was counted.
    """

    def __init__(self, world: CoordinatorWorld, slots: int) -> None:
        self._world = world
        self.segment = Segment.create(Layout(PAGE, 64, slots))
        self._header = Header(self.segment)
        self._header.hold_back(NO_TAIL, FREE)  # as at the start of a publisher
        self._header.head = HEAD
        for worker in range(world.count):
            WorkerSlot(self.segment, worker).release()
        self._handing_on = HandingOn(
            *(self.segment, world.state, world.wrecks, self.say, lambda: world.now, lambda: None),
            duplicate=self._duplicate,
            close=lambda _descriptor: None,
        )
        self.moving = Moving(world.state, self._handing_on, lambda: world.now)
        self.leaving: dict[int, Process] = {}  # who were asked to give them up
        self._targets: dict[int, int] = {}  # where they are to go
        self._sources: dict[int, int] = {}  # who was asked to give them up
        self._given_up: set[int] = set()  # by workers that serve, and not handed on to another yet
        self._flags: list[Flag] = []  # of who waits for a move
        self.moved = 0
        self.waiting: dict[int, float] = {}  # subscriber -> since when
        self.handed: dict[int, Process] = {}
        self._needed: dict[int, int] = {}  # by the records of those
        self._ends: dict[int, tuple[int, float]] = {}  # of workers by themselves, when the last
        self._refused: dict[int, list[int]] = {}  # by whom, of those whose workers had no room
        self._since: dict[int, float] = {}  # of those that are handed on: waiting since then
        self._not_before: dict[int, float] = {}  # they are handed on
        self._sends = Random(f"sends of {world.seed}")
        self._sent_to = 0  # nobody knows how much, by the worker that was lost last; 0 = nobody
        self._failed_at = -AGAIN
        self._short_since = math.inf  # nobody could be handed on
        self.takeovers = self.resumed = self.not_resumed = 0

    def close(self) -> None:
        self.segment.close()

    def write(self, peer: Peer, kinds: Sequence[Kind] = KINDS) -> None:
        """Its worker writes its record, as when its handshake is done."""
        rng, connection = self._world.rng, peer.connection
        SubscriberSlot(self.segment, connection.slot).take(connection.subscriber)
        peer.kind = rng.choice(kinds)
        peer.needed = rng.randrange(1_000) if peer.kind is Kind.GOES_ON else NO_TAIL
        record = NOTHING._replace(kind=peer.kind, needed=peer.needed)
        StreamSlot(self.segment, connection.slot).write(record)

    def release(self, process: Process) -> None:
        """A worker gives those up that it was asked for, or cannot."""
        for peer in process.releasing:
            subscriber = peer.connection.subscriber
            can = subscriber in process.connections and peer.is_ready
            ok = can and peer.kind is not Kind.NO_ROOM and self._world.rng.random() < 0.8
            process.said.append(Released(subscriber, ok, "" if ok else "it is busy"))
            if ok:
                del process.connections[subscriber]
                self.write(peer, KINDS[:-1])
        process.releasing.clear()

    def answer(self, process: Process) -> None:
        """A worker goes on with those that were handed on to it, or cannot."""
        self.release(process)
        for peer in process.resuming:
            subscriber = peer.connection.subscriber
            ok = self._world.rng.random() < 0.9
            again = not ok and self._world.rng.random() < 0.5
            process.said.append(Resumed(subscriber, ok, "" if ok else "no descriptors", again))
            if ok:
                process.connections[subscriber] = peer
                self.write(peer)
        process.resuming.clear()

    def give_up(self, process: Process) -> None:
        """A worker ends."""
        for peer in process.resuming:
            process.said.append(Resumed(peer.connection.subscriber, False, "it ends", again=True))
        process.resuming.clear()
        for peer in process.releasing:
            process.said.append(Released(peer.connection.subscriber, False, "it ends"))
        process.releasing.clear()

    def _forget_handed(self, subscriber: int) -> None:
        del self.handed[subscriber]
        if subscriber not in self.waiting:
            self._needed.pop(subscriber, None)

    def say(self, worker: int, message: Message, descriptors: tuple[int, ...]) -> list[Action]:
        """The coordinator says something to a worker: who goes on, above all."""
        process = self._world.processes.get(worker)
        serves = process is not None and process.served_since is not None
        require(serves, "one is handed on to a worker that does not serve")
        assert process is not None
        if isinstance(message, Wants):
            wants = process.told.setdefault(message.subscriber, set())
            process.told[message.subscriber] = wants.difference(message.cancelled).union(
                message.added
            )
        elif isinstance(message, Resume):
            self._hand_on(process, message, descriptors)
        elif isinstance(message, Release):
            self._ask_for(process, self._peer(message.subscriber))
        return []

    def _ask_for(self, process: Process, peer: Peer) -> None:
        subscriber = peer.connection.subscriber
        known = {*self.leaving, *self.waiting, *self.handed}
        require(subscriber not in known, "one is asked for that is on its way")
        require(process.worker == peer.connection.worker, "another one is asked for it")
        require(self._header.hold <= HEAD, "the log is not held for it")
        self.leaving[subscriber] = process
        self._sources[subscriber] = process.worker
        if process.is_alive:
            process.releasing.append(peer)

    def _hand_on(self, process: Process, message: Resume, descriptors: tuple[int, ...]) -> None:
        subscriber = message.subscriber
        peer = self._peer(subscriber)
        require(subscriber in self.waiting, "one is handed on that is served")
        require(descriptors == (-peer.descriptor,), "it is handed on with another connection")
        is_given_up = subscriber in self._given_up
        require(message.quiet == is_given_up, "its record is taken for what it is not")
        if is_given_up:
            target = self._world.processes.get(self._targets[subscriber])
            serves = target is not None and target.served_since is not None
            require(target is process or not serves, "it goes to another one than it was to")
        refused = self._refused.get(subscriber)
        if refused and self._targets.get(subscriber, NOBODY) == NOBODY:
            serving = [
                one for one, it in self._world.processes.items() if it.served_since is not None
            ]
            fewest = min(refused.count(one) for one in serving)
            require(refused.count(process.worker) == fewest, "one is asked that had no room")
        wants = process.told.pop(subscriber, set())
        require(wants == peer.told_wants, "its worker is told of other wants")
        peer.wants = set(wants)
        self._since[subscriber] = self.waiting.pop(subscriber)
        self.handed[subscriber] = process
        if process.is_alive:
            process.resuming.append(peer)

    def _peer(self, subscriber: int) -> Peer:
        return self._world.live[subscriber]

    def _duplicate(self, descriptor: int) -> int:
        if not self._world.is_calm and self._world.rng.random() < 0.05:
            self._failed_at = self._world.now
            self._short_since = min(self._short_since, self._failed_at)
            raise OSError("too many open files")
        self._short_since = math.inf
        return -descriptor
