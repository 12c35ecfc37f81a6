"""What becomes of connections that workers leave or give up, in the simulated coordinator.

The real `HandingOn` and `Moving` give them to workers that are played. Records are written as
workers write them; which of them can go on, from where the log is held, and for how long one waits
is written down here once more.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING

from fanout.control.takeover import Released, Resumed
from fanout.errors import NotMovedError
from fanout.shm.own_counts import counted
from fanout.shm.stream_record import Kind, StreamSlot
from fanout.shm.worker_slot import NO_TAIL, WorkerSlot
from tests.simulation.coordinator.handed import AGAIN, HEAD, NOBODY, Handed
from tests.simulation.processes import Flag
from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fanout.coordinator.actions import Action
    from fanout.coordinator.roster import Accepted
    from tests.simulation.processes import Peer

ENDPOINTS = ("tcp://127.0.0.1:1", "tcp://127.0.0.1:1", "ipc:///somewhere")

# What is promised.
PATIENCE = 30.0  # seconds that one waits for a worker that serves
REFUSALS = 8  # of workers that had no room for one; then it is ended
REFUSED_PAUSE = 0.5  # seconds until one of those is asked again, if all were
ENDS_MAX = 3  # of its workers, by themselves and in a row: then it is not handed on any more
ENDS_WITHIN = 30.0  # seconds between two of these


class Orphans(Handed):
    """The connections that no worker serves: what the coordinator does with them."""

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
