"""A worker in the simulation: the real turns, on a fake loop, fake sockets and a fake channel.

`ObservedPump` is the real pump that lets the checkers look after every call.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from unittest import mock

from fanout.control.messages import Adopt, Closed, Slow, Subscriptions
from fanout.shm.doorbell import Doorbell
from fanout.workers import worker as real
from fanout.workers.stream.pump import Pump
from tests.simulation.memory import SteppedReader, attach
from tests.simulation.sockets import FakeEpoll, is_readable, is_writable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fanout.control.messages import Message
    from fanout.workers.policy.limits import LagPolicy
    from fanout.workers.stream.member import Member
    from tests.simulation.world import World

NAP_CHANCE = 0.2  # that a worker naps where it may
NAP_NS_MAX = 5_000_000


class FakeLoop:
    """Remembers the turn that was asked for."""

    def __init__(self) -> None:
        self._turn: Callable[[], None] | None = None

    @property
    def asked(self) -> bool:
        return self._turn is not None

    def call_soon(self, callback: Callable[[], None]) -> None:
        assert self._turn is None, "a second turn is asked for before the first: they multiply"
        self._turn = callback

    def take_turn(self) -> Callable[[], None] | None:
        """What was asked for, once."""
        turn, self._turn = self._turn, None
        return turn

    def add_reader(self, *_watched: Any) -> None:
        """The world says what is readable."""

    remove_reader = add_writer = remove_writer = add_reader

    def call_later(self, _delay: float, _callback: Callable[[], None]) -> None:
        """The world says when there is a tick."""


class FakeChannel:
    """The worker's end of its control channel; it may be stuck, after `room` further messages."""

    closed = False
    socket = None

    def __init__(
        self, on_report: Callable[[Message], None], on_departure: Callable[[Message], None]
    ) -> None:
        self.stuck = False
        self.room = 0
        self.waiting: list[Message] = []
        self._on_report = on_report
        self._on_departure = on_departure

    @property
    def pending(self) -> int:
        return len(self.waiting)

    def send(self, message: Message) -> None:
        self.post(message)
        self.flush()

    def post(self, message: Message) -> None:
        self._on_report(message)
        self.waiting.append(message)

    def flush(self) -> None:
        while self.waiting and (self.room or not self.stuck):
            self.room = max(0, self.room - 1)
            self._on_departure(self.waiting.pop(0))

    def receive(self) -> list[tuple[Message, list[int]]]:
        return []


class ObservedPump(Pump):
    """The real pump; `worker.check` looks at everybody after each call."""

    def __init__(self, worker: SimulatedWorker, policy: LagPolicy) -> None:
        super().__init__(worker.log, policy)
        self._worker = worker

    def subscribe(self, member: Member, prefixes: Iterable[bytes]) -> None:
        front = self.front
        super().subscribe(member, prefixes)
        self._worker.apply_change(member.id, front)
        self._worker.check("subscribe")

    def hold(self, member: Member) -> None:
        super().hold(member)
        self._worker.check("hold")

    def release(self, member: Member, prefixes: Iterable[bytes], since: int, now: int) -> None:
        jumped_to = member.sequence
        super().release(member, prefixes, since, now)
        self._worker.apply_change(member.id, since, jumped_to)
        self._worker.check("release")

    def speak(self, member: Member, data: bytes, now: int) -> None:
        super().speak(member, data, now)
        self._worker.check("speak")

    def advance(self, head: int, now: int) -> bool:
        more = super().advance(head, now)
        self._worker.check("advance")
        return more

    def serve(self, member: Member, now: int) -> None:
        super().serve(member, now)
        self._worker.check("serve")

    def enforce(self, now: int) -> None:
        super().enforce(now)
        self._worker.check_limits(now)

    def settle(self, member: Member) -> None:
        super().settle(member)
        self._worker.check_settled(member)

    def flushed(self) -> int:
        flushed = super().flushed()
        self._worker.check_flushed(flushed)
        return flushed


class SimulatedWorker(real.Worker):
    """The real worker, but for its surroundings."""

    def __init__(self, index: int, world: World) -> None:
        rng = world.rng
        memory = attach(world.segment, writable=True)
        bells = Doorbell(), Doorbell()
        channel: Any = FakeChannel(self._on_report, self._on_departure)
        super().__init__(index, world.options, memory, channel, *bells)
        for bell in bells:
            bell.close()
        self.world = world
        self.index = index
        self.busy = False
        self.changes: dict[int, tuple[int, set[bytes]]] = {}  # whose report is out
        self.loop = FakeLoop()
        self.memory = memory
        self.write_set.close()
        self.reads.set.close()
        self.writable = FakeEpoll(rng, is_writable)
        self.readable = FakeEpoll(rng, is_readable)
        surroundings: Any = self
        surroundings._loop = self.loop
        surroundings._room = mock.Mock()
        surroundings.write_set = self.writable
        surroundings.reads.set = self.readable
        policy = self.pump._policy
        surroundings.segment = world.readable  # nothing but its own slots can be written
        self.log = SteppedReader(world.readable, lambda: world.writer_step(self))
        self.pump = ObservedPump(self, policy)
        surroundings.rest._log = self.log
        surroundings.rest.nap = self._nap  # time passes when the world says so

    def _now(self) -> int:
        return self.world.now

    def run_turn(self) -> None:
        """One turn, unless it is in one."""
        self._run(self._turn)
        if not self.busy:
            self.world.checker.turn_ended(self)

    def run_sending_turn(self) -> None:
        """What the doorbell and sockets that have room again do, unless it is in a turn."""
        self._run(self._sending_turn)
        if not self.busy:
            self.world.checker.turn_ended(self)

    def run_tick(self) -> None:
        """What its timer does."""
        self._run(self._tick)

    def adopt(self, subscriber: int, slot: int) -> None:
        """Take over a connection."""
        self._run(lambda: self._adopt(Adopt(subscriber, slot, "zmtp"), subscriber))

    def _nap(self, *_what: object, hurry: bool, **_how: object) -> bool:
        """A nap is interrupted as soon as it is begun; there is none while time stands still."""
        rest, rng = self.rest, self.world.rng
        if not (hurry or self.world.settling) and (
            rest.is_napping(self.world.now) or rng.random() < NAP_CHANCE
        ):
            rest._nap_ends = rest._nap_ends or self.world.now + rng.randrange(NAP_NS_MAX)
            return True
        rest.end_nap()
        return False

    def _run(self, work: Callable[[], None]) -> None:
        if self.busy:
            return
        self.busy = True
        try:
            if work == self._turn:
                work = self.loop.take_turn() or work
            work()
        finally:
            self.busy = False

    def _on_report(self, message: Message) -> None:
        if isinstance(message, Closed):
            self.world.checker.closed(self, message)
        elif isinstance(message, Slow):
            self.world.checker.slow(message)

    def _on_departure(self, message: Message) -> None:
        if not isinstance(message, Subscriptions):
            return
        model = self.world.models.get(message.subscriber)
        if model is None:  # it was closed while its report waited
            return
        # One change may be in several packets.
        _, before = self.changes.get(message.subscriber, (0, model.prefixes))
        wanted = before.difference(message.cancelled).union(message.added)
        self.changes[message.subscriber] = message.sequence, wanted

    def apply_change(self, subscriber: int, since: int, jumped_to: int = 0) -> None:
        """The reported change is in force."""
        change = self.changes.pop(subscriber, None)
        assert change is not None, "a change was made before its report was out"
        sequence, prefixes = change
        self.world.checker.changed(self, subscriber, max(sequence, jumped_to), prefixes)
        assert sequence == since, "another change was reported"

    def check(self, call: str) -> None:
        self.world.checker.look(self, call)

    def check_limits(self, now: int) -> None:
        self.world.checker.limits(self, now)

    def check_settled(self, member: Member) -> None:
        self.world.checker.settled(self, member)

    def check_flushed(self, flushed: int) -> None:
        self.world.checker.flushed(self, flushed)


async def start(index: int, world: World) -> SimulatedWorker:
    """A worker looks for its loop when it is made."""
    asyncio.get_running_loop()
    return SimulatedWorker(index, world)
