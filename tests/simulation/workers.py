"""A worker in the simulation: the real turns, on a fake loop, fake sockets and a fake channel.

`ObservedPump` is the real pump that lets the checkers look after every call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.control.messages import (
    Adopt,
    Chose,
    Closed,
    Declined,
    Slow,
    Snapshot,
    SnapshotDone,
    Subscriptions,
)
from fanout.shm.header import Header
from fanout.shm.spill_area import SpillArea
from fanout.shm.stream_record import StreamSlot
from fanout.shm.subscriber_slot import SubscriberSlot
from fanout.shm.worker_slot import WorkerSlot
from fanout.transport.kernel import Taken
from fanout.workers.naps import Naps
from fanout.workers.stream.member import HELD, LOST
from fanout.workers.stream.pump import Pump
from fanout.workers.stream.turn_part import TurnPart
from fanout.workers.worker import Worker
from tests.simulation.memory import SteppedReader, attach
from tests.simulation.model import Sums
from tests.simulation.peers import SESSIONS
from tests.simulation.sockets import FakeEpoll, is_readable, is_writable
from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from fanout.control.messages import Message
    from fanout.reasons import Reason
    from fanout.shm.kept_values import KeptValues
    from fanout.workers.connections.peer import Peer
    from fanout.workers.policy.base import Policy
    from fanout.workers.stream.cohort import Cohort
    from fanout.workers.stream.effects import Effect
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.silence import Silence
    from tests.simulation.sockets import FakeSocket
    from tests.simulation.world import World

NAP_CHANCE = 0.2  # that a worker naps where it may
LONG_NS = 1_000_000_000  # more than any part of a turn may take
NAP_SECONDS_MAX = 0.005
STOP_NS = 1_000_000_000  # without a tick, from which on it was not there to see anything


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
        self.posted = 0
        self.inbound: list[tuple[Message, list[int]]] = []
        self._on_report = on_report
        self._on_departure = on_departure

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
        self._on_report(message)
        self.posted += 1
        self.waiting.append(message)

    def flush(self) -> None:
        while self.waiting and (self.room or not self.stuck):
            self.room = max(0, self.room - 1)
            self._on_departure(self.waiting.pop(0))

    def receive(self) -> list[tuple[Message, list[int]]]:
        received, self.inbound = self.inbound, []
        return received


class ObservedPump(Pump):
    """The real pump; `worker.check` looks at everybody after each call."""

    def __init__(self, worker: SimulatedWorker, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._worker = worker
        self._is_serving = False  # a record is written in the middle of that, now and then

    def change(
        self,
        member: Member,
        wants: Collection[bytes],
        added: Collection[bytes],
        cancelled: Collection[bytes],
        now: int,
    ) -> None:
        front = self.front
        super().change(member, wants, added, cancelled, now)
        self._worker.apply_change(member.id, front, was_held=False)
        self._worker.check("change")

    def calm(self, now: int) -> None:
        super().calm(now)
        self._worker.check("calm")

    def hold(self, member: Member) -> None:
        super().hold(member)
        self._worker.check("hold")

    def release(self, member: Member, prefixes: Iterable[bytes], since: int, now: int) -> None:
        require(member.state in (HELD, LOST), "somebody is released who was not held")
        jumped_to, was_held = member.sequence, member.state is HELD
        if member.older:  # what came before was matched by what it wanted then
            jumped_to = max(jumped_to, member.older[-1][0])
        if member.finishing is not None:
            jumped_to = self.front  # it has lost what came meanwhile
        super().release(member, prefixes, since, now)
        self._worker.apply_change(member.id, since, jumped_to, was_held=was_held)
        self._worker.check("release")

    def speak(self, member: Member, data: bytes, now: int) -> None:
        super().speak(member, data, now)
        self._worker.check("speak")

    def advance(self, head: int, now: int) -> bool:
        more = super().advance(head, now)
        self._worker.check("advance")
        return more

    def serve(self, member: Member, now: int) -> None:
        self._is_serving = True
        super().serve(member, now)
        self._is_serving = False
        self._worker.check("serve")

    def enforce(self, now: int) -> bool:
        cursors = {member.id: (member.position, member.sequence) for member in self.blocked}
        waiting = list(self.effects)  # of the turn before, which had no time for them
        more = super().enforce(now)
        parted = [effect for effect in self.effects if effect not in waiting]
        self._worker.check_limits(now, cursors, parted, cut=more)
        return more

    def replay(
        self, member: Member, first: int, until: int, wants: Cohort[Member], now: int
    ) -> None:
        super().replay(member, first, until, wants, now)
        self._worker.world.checker.gone_back(self._worker, member, first, until)
        self._worker.check("replay")

    def set_policy(self, member: Member, policy: Policy, now: int) -> None:
        super().set_policy(member, policy, now)
        self._worker.world.model_obeys(member.id)
        self._worker.check("set_policy")

    def tell_gaps(self, member: Member, *, losses: bool, conflated: bool) -> None:
        super().tell_gaps(member, losses=losses, conflated=conflated)
        self._worker.check_told(member)

    def excuse(self, member: Member, now: int) -> None:
        super().excuse(member, now)
        self._worker.world.models[member.id].blocked_at = now  # its time starts again

    def give_up(self, member: Member, reason: Reason, text: str) -> None:
        self._worker.check_given_up(member, reason)
        super().give_up(member, reason, text)

    def settle(self, member: Member, *, stay: bool = False) -> None:
        super().settle(member, stay=stay)
        if not self._is_serving:
            self._worker.check_settled(member)

    def flushed(self) -> int:
        flushed = super().flushed()
        self._worker.check_flushed(flushed)
        return flushed


class SimulatedNaps(Naps):
    """Decides by chance, and not at all while everybody is to come to rest."""

    def __init__(self, world: World, log_bytes: int) -> None:
        super().__init__(log_bytes)
        self._world = world

    def pause(self, *_what: Any) -> float:
        rng = self._world.rng
        if self._world.settling or rng.random() >= NAP_CHANCE:
            return 0.0
        return rng.uniform(0.0, NAP_SECONDS_MAX)


class SimulatedClock:
    """One for parts of turns: between two looks there passes nothing, or all the time there is."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._now = 0

    def __call__(self) -> int:
        world = self._world
        if not world.settling and world.rng.random() < world.haste:
            self._now += LONG_NS
        return self._now


class SimulatedSurroundings:
    """What the world lets a worker see of itself; time passes when the world says so.

    Nothing can be written through it but the worker's own slots.
    """

    doorbell = -1
    sessions = SESSIONS

    def __init__(self, worker: SimulatedWorker, world: World, channel: FakeChannel) -> None:
        self._world = world
        self._memory = attach(world.segment, writable=True)
        self._number = worker.index
        self.loop = FakeLoop()
        self.channel = channel
        self.header = Header(world.readable)
        self.kept_values: KeptValues | None = None
        self.log = SteppedReader(world.readable, world.history, lambda: world.writer_step(worker))
        self.slot = WorkerSlot(self._memory, worker.index)
        self.writable = FakeEpoll(world.rng, is_writable)
        self.readable = FakeEpoll(world.rng, is_readable)
        self._sets = [self.readable, self.writable]

    def now(self) -> int:
        return self._world.now

    def cpu_ns(self) -> int:
        return 0

    def rss_bytes(self) -> int:
        return 0

    def sleep(self, _seconds: float) -> None:
        """A nap is interrupted as soon as it is begun."""

    def wait(self, _poll_set: FakeEpoll, _seconds: float) -> None:
        """As `sleep`."""

    def poll_set(self) -> FakeEpoll:
        """First the one for sockets that have room, then the one for those to be read."""
        return self._sets.pop()

    def naps(self) -> Naps:
        return SimulatedNaps(self._world, self.log.size)

    def turn_part(self, part_ns: int) -> TurnPart:
        return TurnPart(SimulatedClock(self._world), part_ns=part_ns)

    def prepare(self, descriptor: int) -> Any:
        return self._world.sockets[descriptor]

    def release(self, _descriptor: int) -> None:
        """There is none."""

    def unsent(self, sock: FakeSocket) -> int:
        return sock.queued

    def taken(self, sock: FakeSocket, handed: int) -> Taken:
        return Taken(handed - sock.queued, handed - sock.queued)

    def subscriber_slot(self, index: int) -> SubscriberSlot:
        return SubscriberSlot(self._memory, index)

    def stream_slot(self, index: int) -> StreamSlot:
        return StreamSlot(self._memory, index)

    def spill_area(self) -> SpillArea:
        return SpillArea(self._memory, self._number + 1)

    def stream_counts(self, _sock: FakeSocket) -> None:
        """Nobody can go on with a connection here."""

    def ring_publisher(self) -> None:
        """The publisher does not wait here: it tries again."""

    def close(self) -> None:
        self._memory.close()


class Looks:
    """How often everybody was looked at who was due.

    Ticks that have no time for all of them go through them in turn, one at least in each.

    Attributes:
        begun: when each look at all of them began that is done, monotonic ns.
    """

    def __init__(self) -> None:
        self.begun: list[int] = []
        self._begin = 0  # of the look at hand
        self._last = -1  # tick of the last look; who was put off then is not due before the next ns
        self._left = 0  # ticks until it is done, at one in each; 0 = none is at hand

    def note(self, now: int, silence: Silence) -> None:
        """There was a tick."""
        if now == self._last:
            return
        due = silence._due
        if not self._left:
            self._begin, self._left = now, len(due) + 1
        self._left -= 1
        if not self._left or not due or due[0][0] > now:
            self.begun.append(self._begin)
            self._last, self._left = now, 0


class SimulatedWorker:
    """The real worker in simulated surroundings.

    Attributes:
        past: what it did for the subscribers that it has no more, as their models say.
        changes: the subscriptions of those whose report is out, and from which message on.
        ticks: when it had them, monotonic ns; several at the same time are one.
        stops: from one tick to the next, of more than a second.
        looks: at those that are silent; a tick may have no time for all of them.
    """

    def __init__(self, index: int, world: World) -> None:
        self.world = world
        self.index = index
        self.busy = False
        self.past = Sums()
        self.changes: dict[int, tuple[int, set[bytes]]] = {}
        self.ticks: list[int] = []
        self.stops: list[tuple[int, int]] = []
        self.looks = Looks()
        self.channel = FakeChannel(self._on_report, self._on_departure)
        self.around = SimulatedSurroundings(self, world, self.channel)
        surroundings: Any = self.around
        self.real = Worker(
            world.options, surroundings, world.tuning, lambda *a: ObservedPump(self, *a)
        )
        self.answer_is_cut = False  # slots were written for it in an earlier turn
        answer = self.real.checkpoints.answer

        def answered(now: int) -> bool:
            self.answer_is_cut = answer(now)
            return self.answer_is_cut

        setattr(self.real.checkpoints, "answer", answered)  # noqa: B010 (else mypy complains)
        self.pump = self.real.pump
        self.slot = self.around.slot
        self.writable, self.readable = self.around.writable, self.around.readable

    @property
    def peers(self) -> dict[int, Peer]:
        return self.real.desk.peers

    @property
    def has_more(self) -> bool:
        """Whether another turn would do something for those whose sockets have room."""
        return self.around.loop.asked or self.writable.any_ready()

    def run_turn(self) -> None:
        """One turn, unless it is in one."""
        self._run(self.real.turn)
        if not self.busy:
            self.world.checker.turn_ended(self)

    def run_sending_turn(self) -> None:
        """What the doorbell and sockets that have room again do, unless it is in a turn."""
        self._run(self.real.sending_turn)
        if not self.busy:
            self.world.checker.turn_ended(self, is_read=not self.around.loop.asked)

    def run_tick(self) -> None:
        """What its timer does, with the turns that it takes until all is done that a tick does."""
        if self.busy:
            return
        self._note_tick(self.world.now)
        front = self.pump.front
        self._run(self.real.tick)
        while self.real.chores.are_left and not self.busy:
            self._run(self.real.turn)
        self.looks.note(self.world.now, self.real.silence)
        self.world.checker.ticked(self, front)

    def _note_tick(self, now: int) -> None:
        before = self.ticks[-1] if self.ticks else now
        if now - before > STOP_NS:
            self.stops.append((before, now))
        if now > before or not self.ticks:
            self.ticks.append(now)

    def adopt(self, subscriber: int, slot: int, protocol: str) -> None:
        """Take over a connection."""
        adopt = Adopt(subscriber, slot, protocol)
        self._run(lambda: self.real.desk.adopt(adopt, [subscriber]))

    def ask(self) -> None:
        """Somebody wants to see what has become of all that is published now."""
        self.channel.inbound.append((Snapshot(self.world.writer.head), []))

    def end_nap(self) -> None:
        """Nothing more accumulates."""
        self.real.rest.end_nap()

    def close(self) -> None:
        self.around.close()

    def _run(self, work: Callable[[], None]) -> None:
        if self.busy:
            return
        self.busy = True
        try:
            if work == self.real.turn:
                work = self.around.loop.take_turn() or work
            work()
        finally:
            self.busy = False

    def _on_report(self, message: Message) -> None:
        if isinstance(message, Chose | Declined):
            self.world.checker.said(message)
        elif isinstance(message, Subscriptions):
            self.world.reported(message)
        elif isinstance(message, Closed):
            self.world.checker.closed(self, message)
        elif isinstance(message, Slow):
            self.world.checker.slow(message)
        elif isinstance(message, SnapshotDone):
            self.world.checker.answered(self, message.token)

    def _on_departure(self, message: Message) -> None:
        if isinstance(message, Chose):
            self.world.order(self.world.coordinator.chose(message))
        if not isinstance(message, Subscriptions):
            return
        model = self.world.models.get(message.subscriber)
        if model is None:  # it was closed while its report waited
            return
        # One change may be in several packets.
        _, before = self.changes.get(message.subscriber, (0, model.prefixes))
        wanted = before.difference(message.cancelled).union(message.added)
        self.changes[message.subscriber] = message.sequence, wanted

    def apply_change(
        self, subscriber: int, since: int, jumped_to: int = 0, *, was_held: bool
    ) -> None:
        """The reported change is in force."""
        change = self.changes.pop(subscriber, None)
        require(change is not None, "a change was made before its report was out")
        assert change is not None
        sequence, prefixes = change
        since_then = max(sequence, jumped_to)
        self.world.checker.changed(self, subscriber, since_then, prefixes, was_held)
        require(sequence == since, "another change was reported")

    def check(self, call: str) -> None:
        self.world.checker.look(self, call)

    def check_limits(
        self, now: int, cursors: dict[int, tuple[int, int]], effects: list[Effect], *, cut: bool
    ) -> None:
        self.world.checker.limits(self, now, cursors, effects, cut=cut)
        self.world.checker.look(self, "enforce")

    def check_given_up(self, member: Member, reason: Reason) -> None:
        self.world.checker.given_up(self, member, reason)

    def check_settled(self, member: Member) -> None:
        self.world.checker.settled(self, member)

    def check_told(self, member: Member) -> None:
        self.world.checker.told(member)

    def check_flushed(self, flushed: int) -> None:
        self.world.checker.flushed(self, flushed)
