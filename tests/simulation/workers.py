"""A worker in the simulation: the real turns, on a fake loop, fake sockets and a fake channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.control.messages import (
    Adopt,
    Chose,
    Closed,
    Declined,
    SlotsWritten,
    Slow,
    Subscriptions,
    WriteSlots,
)
from fanout.workers.worker import Worker
from tests.simulation.observed_pump import ObservedPump
from tests.simulation.sums import Sums
from tests.simulation.surroundings import FakeChannel, SimulatedSurroundings
from tests.simulation.turning import Turning
from tests.simulation.violated import require

if TYPE_CHECKING:
    from fanout.control.messages import Message
    from fanout.reasons import Reason
    from fanout.workers.connections.peer import Peer
    from fanout.workers.stream.effects import Effect
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.silence import Silence
    from tests.simulation.world import World

STOP_NS = 1_000_000_000  # without a tick, from which on it was not there to see anything


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


class SimulatedWorker(Turning):
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
        self.past = Sums()
        self.changes: dict[int, tuple[int, set[bytes]]] = {}
        self._out_at: dict[int, int] = {}  # which message was next when that report was out
        self.ticks: list[int] = []
        self.stops: list[tuple[int, int]] = []
        self.looks = Looks()
        self.channel = FakeChannel(self._on_report, self._on_departure)
        self.around = SimulatedSurroundings(self, world, self.channel)
        self.around.is_late = world.is_held
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
        self.do(self.real.turn)
        if not self.busy:
            self.world.checker.turn_ended(self)

    def run_sending_turn(self) -> None:
        """What the doorbell and sockets that have room again do, unless it is in a turn."""
        self.do(self.real.sending_turn)
        if not self.busy:
            self.world.checker.turn_ended(self, is_read=not self.around.loop.asked)

    def run_tick(self) -> None:
        """What its timer does, with the turns that it takes until all is done that a tick does."""
        if self.busy:
            return
        self._note_tick(self.world.now)
        front = self.pump.front
        self.do(self.real.tick)
        while self.real.chores.are_left and not self.busy:
            self.do(self.real.turn)
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
        self.do(lambda: self.real.desk.adopt(adopt, [subscriber]))

    def ask(self) -> None:
        """Somebody wants to see what has become of all that is published now."""
        self.channel.inbound.append((WriteSlots(self.world.writer.head), []))

    def end_nap(self) -> None:
        """Nothing more accumulates."""
        self.real.idling.end_nap()

    def close(self) -> None:
        self.around.close()

    def _on_report(self, message: Message) -> None:
        if isinstance(message, Chose | Declined):
            self.world.checker.said(message)
        elif isinstance(message, Subscriptions):
            self.world.reported(message)
        elif isinstance(message, Closed):
            self.world.checker.closed(self, message)
        elif isinstance(message, Slow):
            self.world.checker.slow(message)
        elif isinstance(message, SlotsWritten):
            self.world.checker.answered(self, message.token)

    def _on_departure(self, message: Message) -> None:
        self.world.hearing.came(self.index, message)
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
        self._out_at[message.subscriber] = len(self.world.history.messages)

    def apply_change(
        self, subscriber: int, since: int, jumped_to: int = 0, *, was_held: bool
    ) -> None:
        """The reported change is in force."""
        change = self.changes.pop(subscriber, None)
        require(change is not None, "a change was made before its report was out")
        assert change is not None
        sequence, prefixes = change
        out_at = self._out_at.pop(subscriber)
        where = f"{subscriber} may miss {out_at} to {jumped_to}, which others know that it wants"
        require(jumped_to <= max(out_at, sequence), where)
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

    def check_served(self, member: Member) -> None:
        self.world.checker.served(member)

    def check_settled(self, member: Member) -> None:
        self.world.checker.settled(self, member)

    def check_told(self, member: Member) -> None:
        self.world.checker.told(member)

    def check_flushed(self, flushed: int) -> None:
        self.world.checker.flushed(self, flushed)
