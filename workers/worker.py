"""The worker: one loop around sockets, pump and control channel. Shell.

Two epoll sets stand between the loop and the sockets. The *read* set is level-triggered: what is
not read in one turn is there in the next. The *write* set is edge-triggered, with every socket in
it from its adoption on: a socket that was full is reported once when it has room again. So neither
side needs the attention of the other, and a turn of either is bounded.

A turn: control messages, reads, new messages, writable sockets, limits, and idling.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
from functools import partial
from typing import TYPE_CHECKING

from fanout.basics.units import NS
from fanout.control.messages import Finish, WriteSlots
from fanout.reasons import Reason
from fanout.workers.checkpoints import Checkpoints
from fanout.workers.chores import Chores
from fanout.workers.connections.deadlines import Deadlines
from fanout.workers.connections.desk import Desk
from fanout.workers.connections.ending import Ending
from fanout.workers.connections.orders import Orders
from fanout.workers.connections.reading import ReadSide
from fanout.workers.connections.releasing import Releasing
from fanout.workers.connections.resuming import Resuming
from fanout.workers.connections.self_service import self_service_for
from fanout.workers.connections.standing import StandingWatch
from fanout.workers.connections.stopwatch import Stopwatch
from fanout.workers.connections.watched import SocketSets
from fanout.workers.deliveries import Deliveries
from fanout.workers.figures import Figures, totals_in
from fanout.workers.idling import Idling
from fanout.workers.policy.choice import policy_for
from fanout.workers.pressure import Pressure
from fanout.workers.pulse import TICK, quiet_tick
from fanout.workers.stream.pump import Pump
from fanout.workers.stream.silence import Silence
from fanout.workers.tail import Tail
from fanout.workers.tuning import TUNING, Tuning

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.options import Options
    from fanout.workers.connections.peer import Peer
    from fanout.workers.surroundings import Surroundings

ORPHAN_DRAIN = 0.3  # seconds; once the publisher is gone, the whole worker must end within one
TURNS_PER_PIECE = 8  # in which wants changed, for each piece of a list that is taken out


class Worker:
    """Serves the subscribers that the coordinator hands over; everything runs on one loop.

    Its mutable state: whether it is ending, and whether its loop calls it. Everything else is in
    its parts.

    Args:
        around: the world.
        make_pump: makes the pump; with the arguments of `Pump`.
    """

    def __init__(
        self,
        options: Options,
        around: Surroundings,
        tuning: Tuning = TUNING,
        make_pump: Callable[..., Pump] = Pump,
    ) -> None:
        self._around = around
        self._loop, self._channel = around.loop, around.channel
        self._log = around.log
        self._orphan_drain = min(ORPHAN_DRAIN, options.drain_timeout)
        policy = policy_for(options, self._log.entries)
        self._part = part = around.turn_part(tuning.part_ns)
        self._tick_ns = tuning.tick_ns
        self.pump = pump = make_pump(self._log, tuning, totals_in(around.slot), part)
        pump.ages.earlier = around.earlier
        self._write_set, read_set = around.poll_set(), around.poll_set()
        self.idling = Idling(around, self._write_set)
        watch, own = Stopwatch(around.now, around.cpu_ns), self_service_for(options, self._channel)
        self.tail: Tail[Peer] = Tail(around, pump, self.idling.fence, self.idling.allow, watch.skip)
        watched = SocketSets(self._write_set, read_set)
        self.desk = Desk(around, options, policy, self.pump, self.tail, watched)
        self.deadlines = Deadlines(self.desk, options, part)
        times = int(options.send_timeout * NS), int(options.stall_timeout * NS)
        self.silence = Silence(self.pump, *times, self.desk.unsent, part)
        reading = self.desk, self.deadlines, pump, self.tail, self._channel, read_set
        self.reads = ReadSide(*reading, watch, around.now(), own)
        self.standing = StandingWatch(self.pump.steady, self.desk.taken, self.desk.widen)
        self.desk.watchers = (self.deadlines, self.reads, self.standing)
        self.figures = Figures(around, self.pump)
        sending = self.pump, self._log, self._write_set, self.desk.by_descriptor
        self._deliveries = Deliveries(*sending, self.figures, part, tuning)
        self.tail.catch_up = partial(self._deliveries.catch_up, around.now)
        seen = self.pump, self.desk.peers, self._channel, self.figures, around.unsent
        self.checkpoints = Checkpoints(*seen, part, self.desk.records, self._deliveries, tuning)
        here = around, options, self.desk, self.deadlines, pump, self.tail, part
        resuming = Resuming(*here, self.reads.self_service, self.reads.permits)
        self.orders = Orders(self.desk, resuming, Releasing(around, self.desk, pump, self.tail))
        self._ending: Ending | None = None
        looks = self._meet_deadlines, self.standing.tick, self.silence.look, self.pump.calm
        self.chores = Chores(part, tuning, *looks, self.figures.tick, self.checkpoints.tick)
        self._done = asyncio.Event()
        self._turn_scheduled = self._has_failed = False
        self.pressure = Pressure(self._loop, self._channel, self.reads.set, self.turn)
        self._quiet_tick = quiet_tick(options.worker_timeout, options.heartbeat_interval)
        self._ticks = 0  # how many were asked for; only the last one is wanted
        self._wakes_at = 0  # monotonic ns of the next turn for who is not sent anything before
        self._is_slow, self._ticked_front = False, -1  # slow: the next tick is further off
        self._turns_of_changes = 0  # one after another, while there was something to take out

    async def run(self) -> None:
        """Serve until the coordinator says to finish, or is gone."""
        loop = self._loop
        self._write_set.register(self._around.doorbell, select.EPOLLIN | select.EPOLLET)
        loop.add_reader(self._write_set.fileno(), self.sending_turn)
        loop.add_reader(self.reads.set.fileno(), self.turn)
        loop.add_reader(self._channel.socket, self.turn)
        self.tick()
        try:
            await self._done.wait()  # bounded: the coordinator's end is seen as end of file
        finally:
            for one in (self._write_set.fileno(), self.reads.set.fileno(), self._channel.socket):
                loop.remove_reader(one)
            loop.remove_writer(self._channel.socket)
            others_go_on = self._has_failed or not self._done.is_set()  # not set: it is cancelled
            for peer in [] if others_go_on else list(self.desk.peers.values()):
                self.desk.close(peer, Reason.PUBLISHER_CLOSED)
                self._part.is_over()  # the sign of life
            self.figures.publish()
            if not others_go_on:
                self._around.slot.past = 0  # all of it is written down
            self._channel.flush()

    def orphaned(self) -> None:
        """The coordinator is gone: deliver what is committed, within a bound, and end."""
        if self._ending is None or self._ending.left(self._around.now()) > self._orphan_drain:
            self._end(self._orphan_drain)

    def finished(self, *, failed: bool = False) -> None:
        """Nothing is left to do; or it has failed, and others go on with the connections."""
        self._has_failed = failed
        self._done.set()

    # Turns.

    def turn(self) -> None:
        """One bounded piece of everything there is to do; none once it has failed."""
        if self._has_failed:
            return
        self._take_control()
        self._follow_channel()
        busy = self._deliveries.are_due or bool(self.pump.runnable)
        now = self._around.now()
        self.chores.do(now, one=busy)
        cut_off = not self.pressure.is_on and self.reads.turn(now, busy=busy)
        self.desk.greet(now)
        if self.pump.cohorts.left:
            self._take_out()
        if self.chores.are_left:
            self._schedule_turn()
        self.sending_turn(hurry=cut_off)

    def _take_out(self) -> None:
        """Take out a piece of a list of who is gone; who comes, perhaps with it, goes first."""
        self._turns_of_changes = self._turns_of_changes + 1 if self.reads.has_changed else 0
        if self._turns_of_changes % TURNS_PER_PIECE == 0:
            self.pump.cohorts.take_out()
        self._schedule_turn()

    def sending_turn(self, *, hurry: bool = False) -> None:
        """As `turn`, but for reading: that has events of its own, and who was rung hurries."""
        if self._has_failed:
            return
        now = self._around.now()
        more, late, resuming = True, self.checkpoints.are_late, self.orders.resuming
        self.reads.go_on(now)
        if (
            hurry or self.idling.is_awaited or not self.idling.is_napping(now)
        ):  # else the new messages wait for its end
            self.idling.end_nap()
            more = self._deliveries.advance(now, one=late)
        if late:
            self._part.begin(self._tick_ns)
            self.checkpoints.end_round(now)
        if goes_on := resuming.are_due:
            resuming.go_on(now)
        self._deliveries.serve(now)
        unsettled = self._settle_turn(now)
        if goes_on:
            self._channel.flush()
        if self._done.is_set():
            return
        self._wake_later(now)
        if self.pump.waiting:
            self.idling.put_off(now)
        unsettled = unsettled or resuming.are_due
        if unsettled or self.pump.runnable or not self._idle(now, more, hurry):
            self._schedule_turn()

    def tick(self) -> None:
        """What is due from time to time."""
        if self._done.is_set():
            return
        self._is_slow = self._is_quiet
        self._tick_in(self._quiet_tick if self._is_slow else TICK)
        self._ticked_front = self.pump.front
        self.reads.read_spared(self._around.now())
        self.chores.begin()
        self.turn()

    def _meet_deadlines(self, now: int) -> None:
        self.deadlines.tick(now, listening=not self.pressure.is_on)

    @property
    def _is_quiet(self) -> bool:
        """Whether nothing is due before long: who has everything can wait for the next tick."""
        pump = self.pump
        has_news = pump.needs_log and pump.front != self._ticked_front
        return not (
            has_news
            or pump.blocked
            or self.deadlines.are_near
            or self.checkpoints.are_due
            or self.checkpoints.are_late
            or self.reads.spares
            or self.pressure.is_on
            or self._ending is not None
        )

    def _tick_in(self, seconds: float) -> None:
        """Have the next tick then, and no other one."""
        self._ticks += 1
        self._loop.call_later(seconds, partial(self._tick_if, self._ticks))

    def _tick_if(self, number: int) -> None:
        if number == self._ticks:
            self.tick()

    def _wake_later(self, now: int) -> None:
        """Have a turn when the first is due who is not sent anything for a while; one timer."""
        due = self.pump.next_wake
        if due is not None and (not self._wakes_at or due < self._wakes_at):
            self._wakes_at = due
            self._loop.call_later(max(due - now, 0) / NS, self._wake)

    def _wake(self) -> None:
        self._wakes_at = 0
        if not self._done.is_set():
            self.turn()

    def _schedule_turn(self) -> None:
        """Ask the loop for one more turn; one at a time, however many turns ask for it.

        They would else multiply, and keep the loop from its timers, the heartbeat above all.
        """
        self.idling.wake()
        if not self._turn_scheduled:
            self._turn_scheduled = True
            self._loop.call_soon(self._scheduled_turn)

    def _scheduled_turn(self) -> None:
        self._turn_scheduled = False
        self.turn()

    def _settle_turn(self, now: int) -> bool:
        """After the sends of a turn: limits, effects, and what the coordinator waits for.

        Returns:
            Whether there was no time for all of it.
        """
        pump, part, more = self.pump, self._part, False
        each_ns = self._tick_ns if self._deliveries.are_due else 0  # else as long as any part
        if pump.blocked:
            part.begin(each_ns)
            more = pump.enforce(now)
            if pump.jumped:
                self.desk.records.note_jumps()
        self.tail.announce()
        if pump.effects:
            part.begin(each_ns)
        while pump.effects:
            effects, pump.effects = pump.effects, []
            pump.effects += self.desk.carry_out(effects, part)
            if part.is_over():
                break
        self.tail.publish()
        if self.desk.records.renew(part, self._tick_ns):
            self.tail.ring()
        more = self.checkpoints.answer(now) or more
        ending = self._ending
        if ending is not None:
            part.begin()
            if ending.step(now, more=self._deliveries.are_due):
                self.finished()
            more = more or ending.is_cut
        self._follow_channel()  # this turn may have filled it
        if self._is_slow and not self._is_quiet:
            self._is_slow = False
            self._tick_in(TICK)
        return more or bool(pump.effects)

    def _idle(self, now: int, more: bool, hurry: bool) -> bool:
        """Wait for what comes next; False if there is something to do already."""
        pump = self.pump
        if not pump.needs_log:
            pump.follow()
            self.idling.wake()  # nothing that is published concerns this worker
            return True
        if pump.waiting:
            return False
        hurry = hurry or self._ending is not None
        blocked = bool(pump.blocked)
        if self.idling.nap(pump.front, now, pump.share, hurry=hurry, blocked=blocked):
            return False
        return not more and self.idling.sleep(pump.front)

    # Control.

    def _follow_channel(self) -> None:
        if self.pressure.follow():
            self._schedule_turn()  # for those who were held until their change was reported

    def _take_control(self) -> None:
        self._channel.flush()
        self.desk.slow_reports.flush()
        for message, descriptors in self._channel.receive():
            if isinstance(message, WriteSlots):
                self.checkpoints.ask(message.token, self._log.head())
            elif isinstance(message, Finish):  # another one brings the end forward
                self._end(message.timeout, message.spread)
            else:
                self.orders.carry_out(message, descriptors)
        if self._channel.closed:
            with contextlib.suppress(ValueError, OSError):
                self._loop.remove_reader(self._channel.socket)
            self.orphaned()

    def _end(self, timeout: float, spread: float = 0.0) -> None:
        now = self._around.now()
        self.orders.resuming.give_up()
        self.pump.hurry(now)
        self._ending = Ending(self.desk, self._channel, timeout, now, self._part, spread)
