"""What becomes of connections that workers leave or give up, in the simulated coordinator.

The real `HandingOn` and `Moving` give them to workers that are played. Records are written as
workers write them; which of them can go on, from where the log is held, and for how long one waits
is written down here once more.
"""

from __future__ import annotations

import math
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

from fanout.control.takeover import Release, Released, Resume, Resumed, Wants
from fanout.coordinator.handing_on import HandingOn
from fanout.coordinator.moving import Moving
from fanout.errors import NotMovedError
from fanout.shm.header import Header
from fanout.shm.layout import PAGE, Layout
from fanout.shm.own_counts import counted
from fanout.shm.segment import Segment
from fanout.shm.stream_record import Kind, StreamRecord, StreamSlot
from fanout.shm.subscriber_slot import SubscriberSlot
from fanout.shm.worker_slot import NO_TAIL, WorkerSlot
from tests.simulation.processes import Flag
from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fanout.control.messages import Message
    from fanout.coordinator.actions import Action
    from fanout.coordinator.roster import Accepted
    from tests.simulation.coordinator.world import CoordinatorWorld
    from tests.simulation.processes import Peer, Process

ENDPOINTS = ("tcp://127.0.0.1:1", "tcp://127.0.0.1:1", "ipc:///somewhere")
KINDS = (Kind.GOES_ON, Kind.GOES_ON, Kind.GOES_ON, Kind.WANTS_NOTHING, Kind.NO_ROOM)
HEAD = 500  # of the log, all the time
NOTHING = StreamRecord(**dict.fromkeys(StreamRecord._fields[:-1], 0), speech=b"")

# What is promised.
PATIENCE = 30.0  # seconds that one waits for a worker that serves
AGAIN = 0.1  # seconds until it is tried again to duplicate a descriptor
REFUSALS = 8  # of workers that had no room for one; then it is ended
REFUSED_PAUSE = 0.5  # seconds until one of those is asked again, if all were
NOBODY = -1
ENDS_MAX = 3  # of its workers, by themselves and in a row: then it is not handed on any more
ENDS_WITHIN = 30.0  # seconds between two of these


class Orphans:
    """The connections that no worker serves, or that are handed on.

    Its mutable state: who waits and who is handed on, since when, and what was counted.
    """

    def __init__(self, world: CoordinatorWorld, slots: int) -> None:
        self._world = world
        self.segment = Segment.create(Layout(PAGE, 64, slots))
        self._header = Header(self.segment)
        self._header.hold_back(NO_TAIL)  # as at the start of a publisher
        self._header.head = HEAD
        for worker in range(world.count):
            WorkerSlot(self.segment, worker).release()
        self._handing_on = HandingOn(
            *(self.segment, world.state, world.wrecks, self.say, lambda: world.now),
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

    # What workers do.

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

    # What the coordinator does.

    def move(self) -> None:
        """The user wants some to be served by another worker."""
        world = self._world
        for peer in world.rng.sample(list(world.live.values()), min(8, len(world.live))):
            self._move(peer.connection, world.rng.randrange(world.count), peer)

    def _move(self, connection: Accepted, target: int, peer: Peer) -> None:
        flag = Flag()
        try:
            self.moving.begin(connection.subscriber, target, "", flag)
        except NotMovedError:
            return
        self._flags.append(flag)
        if connection.worker == target and flag.times:
            return
        require(peer.was_connected, "one is moved that is in its handshake")
        self._targets[connection.subscriber] = target

    def end_moves(self) -> None:
        """There is no worker any more."""
        self._world.carry_out(self.moving.abandon())
        require(all(flag.times == 1 for flag in self._flags), "one waits for a move, or in vain")

    def lose(
        self, worker: int, told: list[Action], code: int | None, *, is_foreign: bool
    ) -> list[Action]:
        """A worker is lost."""
        self._send(worker)
        expected = set(self._who_can_go_on(worker, own=code is not None and not is_foreign))
        self.takeovers += bool(expected)
        for subscriber, process in list(self.leaving.items()):
            if process.worker == worker:
                del self.leaving[subscriber]
        for subscriber in expected:
            before = self._needed[subscriber] if subscriber in self.handed else NO_TAIL
            self._needed[subscriber] = min(self._peer(subscriber).needed, before)
            self.waiting[subscriber] = self._world.now
        for subscriber, process in list(self.handed.items()):
            if process.worker == worker:
                self._given_up.discard(subscriber)
                self._refused.pop(subscriber, None)
                self._targets.pop(subscriber, None)
                self._forget_handed(subscriber)
        return self._handing_on.lose(worker, told, code)

    def _send(self, worker: int) -> None:
        """A worker was lost in the middle of a send on a Unix socket, or behind one, or neither."""
        rng, served = (
            self._world.rng,
            [
                peer.connection
                for peer in self._world.live.values()
                if peer.connection.worker == worker
                and peer.connection.endpoint.startswith("ipc:")
                and peer.connection.subscriber not in self.waiting
            ],
        )
        self._sent_to = 0
        if not served or rng.random() < 0.3:
            return
        connection = rng.choice(served)
        sizes: Iterator[int] = iter([rng.randrange(1 << 40)])
        stream = StreamSlot(self.segment, connection.slot)
        send = counted(lambda _: next(sizes), WorkerSlot(self.segment, worker), stream)
        send(b"some")
        if rng.random() < 0.5:
            with suppress(StopIteration):  # it dies
                send(b"more")
            self._sent_to = connection.subscriber

    def _who_can_go_on(self, worker: int, *, own: bool) -> Iterable[int]:
        world = self._world
        for subscriber, peer in world.live.items():
            if peer.connection.worker != worker or subscriber in self.waiting:
                continue
            if world.is_ending:
                continue
            is_suspect = own and self._is_suspect(subscriber)
            is_known = subscriber != self._sent_to
            if is_known and peer.was_connected and not is_suspect and peer.kind is not Kind.NO_ROOM:
                yield subscriber
            else:
                self.not_resumed += peer.was_connected

    def _is_suspect(self, subscriber: int) -> bool:
        ends, last = self._ends.get(subscriber, (0, self._world.now))
        ends = ends + 1 if self._world.now - last <= ENDS_WITHIN else 1
        self._ends[subscriber] = ends, self._world.now
        return ends >= ENDS_MAX

    def heard(self, worker: int, message: Resumed | Released) -> list[Action]:
        """What a worker has said is read."""
        subscriber = message.subscriber
        if isinstance(message, Released):
            if subscriber in self.leaving:
                del self.leaving[subscriber]
                if message.ok:
                    self.waiting[subscriber] = self._world.now
                    self._needed[subscriber] = self._peer(subscriber).needed
                    self._given_up.add(subscriber)
            return self.moving.heard(message)
        actions = self._handing_on.heard(worker, message)
        if subscriber in self.handed:
            if message.again and self._is_asked_for_again(worker, subscriber):
                self._forget_handed(subscriber)
                return actions
            self._forget_handed(subscriber)
            self._needed.pop(subscriber, None)
            was_given_up = subscriber in self._given_up
            self._given_up.discard(subscriber)
            self._refused.pop(subscriber, None)
            self.resumed += message.ok and not was_given_up
            came_back = self._sources.pop(subscriber, NOBODY) == worker
            self.moved += message.ok and was_given_up and not came_back
            self.not_resumed += not message.ok and not self._world.is_ending
        return actions

    def _is_asked_for_again(self, worker: int, subscriber: int) -> bool:
        """A worker had no room for one: it waits again, unless that was too often so."""
        world = self._world
        refused = self._refused.setdefault(subscriber, [])
        refused.append(worker)
        if len(refused) == REFUSALS:
            return False
        self.waiting[subscriber] = self._since[subscriber]
        serving = [one for one, it in world.processes.items() if it.served_since is not None]
        pause = REFUSED_PAUSE if set(serving) <= set(refused) else 0.0
        self._not_before[subscriber] = world.now + pause
        if subscriber in self._given_up:
            source = self._sources[subscriber]
            self._targets[subscriber] = source if source not in refused else NOBODY
        return True

    def _forget_handed(self, subscriber: int) -> None:
        del self.handed[subscriber]
        if subscriber not in self.waiting:
            self._needed.pop(subscriber, None)

    def act(self) -> None:
        """The coordinator hands on; who is not served by then must have a reason to be there."""
        world = self._world
        world.carry_out(self.moving.go_on())
        for _ in range(2):  # who is ended holds the log until then
            world.carry_out(self._handing_on.go_on() + world.wrecks.finish())
        for subscriber in [one for one in self.leaving if one not in world.live]:
            del self.leaving[subscriber]
        serving = any(one.served_since is not None for one in world.processes.values())
        is_short = world.now < self._failed_at + AGAIN
        for subscriber, since in list(self.waiting.items()):
            if subscriber not in world.live:
                is_short_for_long = world.now - self._short_since >= PATIENCE
                is_late = world.now - since > PATIENCE and (not serving or is_short_for_long)
                require(is_late or world.is_ending or world.is_over, "one is ended too soon")
                self.not_resumed += not world.is_ending
                del self.waiting[subscriber], self._needed[subscriber]
                self._given_up.discard(subscriber)
                continue
            require(not world.is_ending and not world.is_over, "one waits for nobody")
            waits = is_short or world.now < self._not_before.get(subscriber, 0.0)
            require(not serving or waits, "one waits though a worker serves")
            require(serving or world.now - since <= PATIENCE, "one waits for too long")
        if not self.waiting and not self.handed:
            self._short_since = math.inf
        held = min([*self._needed.values(), HEAD if self.leaving else NO_TAIL])
        require(self._header.hold == held, f"the log is held from {self._header.hold}, not {held}")
        ledger = world.state.ledger
        counted = ledger.takeovers, ledger.resumed, ledger.not_resumed, ledger.moved
        mine = self.takeovers, self.resumed, self.not_resumed, self.moved
        require(counted == mine, f"counted {counted}, and it were {mine}")

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
