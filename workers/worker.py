"""The worker: an asyncio loop around sockets, pump and control channel. Shell.

Two epoll sets stand between the loop and the sockets. The *read* set is level-triggered: what is
not read in one turn is there in the next. The *write* set is edge-triggered, with every socket in
it from its adoption on: a socket that was full is reported once when it has room again. So neither
side needs the attention of the other, and a turn of either is bounded.

A turn: control messages, reads, new messages, writable sockets, limits, and rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import time
from typing import TYPE_CHECKING

from fanout.control.messages import Adopt, Closed, Connected, Finish, Slow, Snapshot, SnapshotDone
from fanout.shm.header import Header
from fanout.shm.reader import LogReader
from fanout.shm.subscriber_slot import SubscriberSlot
from fanout.shm.worker_slot import NO_TAIL, WorkerSlot
from fanout.transport.kernel import prepare_socket
from fanout.workers.connections.causes import cause_of, never_served
from fanout.workers.connections.deadlines import Deadlines
from fanout.workers.connections.ending import Ending
from fanout.workers.connections.peer import Peer
from fanout.workers.connections.reading import ReadSide
from fanout.workers.connections.sessions import SESSIONS
from fanout.workers.connections.slowness import SlowReports
from fanout.workers.policy.limits import LagPolicy
from fanout.workers.rest import Rest
from fanout.workers.stream.effects import Effect, Lost, Slowed
from fanout.workers.stream.pump import Pump
from fanout.zmtp import SessionLimits, to_zmtp_1

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.control.channel import Channel
    from fanout.control.messages import Message
    from fanout.options import Options
    from fanout.shm.doorbell import Doorbell
    from fanout.shm.segment import Segment
    from fanout.workers.stream.member import Member

TICK = 0.1  # seconds; the net under the doorbell, and the resolution of the timeouts
WRITABLE_PER_TURN = 256  # sockets served in a turn
CHECKPOINTS_PER_TICK = 1_024  # slots brought up to date in a tick: some milliseconds
BATCHES_PER_TURN = 16  # batches of new messages in a turn
MESSAGES_PER_TURN = 16_384  # after which a turn takes no further batch
LAG_SHARE = 2  # a subscriber may be half the index behind: room for what comes meanwhile
ORPHAN_DRAIN = 0.3  # seconds for deliveries once the publisher is gone: it is to end within one
NS = 1_000_000_000


class Worker:
    """Serves the subscribers that the coordinator hands over; everything runs on one loop.

    Its mutable state: the peers by id and by descriptor, the deadlines, and what the pump holds.
    """

    def __init__(
        self,
        index: int,
        options: Options,
        segment: Segment,
        channel: Channel,
        doorbell: Doorbell,
        room: Doorbell,
    ) -> None:
        self.options = options
        self.segment = segment
        self.channel = channel
        self.peers: dict[int, Peer] = {}
        self.by_descriptor: dict[int, Peer] = {}
        self.log = LogReader(segment)
        policy = LagPolicy(
            options.slow_policy == "drop_oldest",
            options.lag_limit_bytes,
            self.log.entries // LAG_SHARE,
            int(options.send_timeout * NS),
        )
        self.pump = Pump(self.log, policy)
        self.limits = SessionLimits(
            max_frame_bytes=options.max_inbound_bytes,
            max_subscriptions=options.max_subscriptions,
            max_subscription_bytes=options.max_subscription_bytes,
            max_subscriptions_bytes=options.max_subscriptions_bytes,
            allow_zmtp_1=options.allow_zmtp_1,
        )
        self.deadlines = Deadlines(self)
        self.write_set = select.epoll()
        self.reads = ReadSide(self)
        self.slow_reports = SlowReports(channel)
        self.ending: Ending | None = None
        self._slot = WorkerSlot(segment, index)
        self._header = Header(segment)
        self.rest = Rest(self._slot, self.log, self.write_set)
        self._doorbell = doorbell
        self._room = room
        self._snapshots: list[tuple[int, int]] = []  # token, and the head when it was asked for
        self._checked_front = -1
        self._stale: list[Peer] = []  # whose slots have still to be brought up to that front
        self._cpu = time.process_time_ns()
        self._loop = asyncio.get_running_loop()
        self._done = self._loop.create_future()
        self._turn_scheduled = False
        self._reads_paused = False  # until the coordinator has read our reports
        self._next_second = 0

    async def run(self) -> None:
        """Serve until the coordinator says to finish, or is gone."""
        loop = self._loop
        self.write_set.register(self._doorbell.fd, select.EPOLLIN | select.EPOLLET)
        loop.add_reader(self.write_set.fileno(), self._sending_turn)
        loop.add_reader(self.reads.set.fileno(), self._turn)
        loop.add_reader(self.channel.socket, self._turn)
        self._tick()
        try:
            await self._done  # bounded: the coordinator's end is seen as end of file
        finally:
            loop.remove_reader(self.write_set.fileno())
            loop.remove_reader(self.reads.set.fileno())
            loop.remove_reader(self.channel.socket)
            loop.remove_writer(self.channel.socket)
            for peer in list(self.peers.values()):
                self.close(peer, evicted=False, reason="the publisher was closed")
            self.channel.flush()

    def orphaned(self) -> None:
        """The coordinator is gone: deliver what is committed, within a bound, and end."""
        if self.ending is None:
            self.ending = Ending(self, min(ORPHAN_DRAIN, self.options.drain_timeout), self._now())

    def finished(self) -> None:
        """Nothing is left to do."""
        if not self._done.done():
            self._done.set_result(None)

    def close(self, peer: Peer, *, evicted: bool, reason: str) -> None:
        """End a connection and report its final figures."""
        if self.peers.pop(peer.id, None) is None:
            return
        member = peer.member
        self.pump.remove(member)
        self.deadlines.forget(peer)
        del self.by_descriptor[peer.socket.fileno()]
        self.write_set.unregister(peer.socket)
        self.reads.forget(peer)
        kernel_bytes = 0 if evicted else peer.unsent_in_kernel()
        peer.checkpoint(0)
        peer.close()
        self._slot.subscribers = len(self.peers)
        self.slow_reports.finish(peer.id)
        self.channel.send(
            Closed(
                *(peer.id, evicted, cause_of(reason), reason),
                *(member.matched, member.sent, member.dropped, member.queued, kernel_bytes),
            )
        )

    def say(self, peer: Peer, now: int) -> None:
        """Send what the session wants to say, between two messages."""
        data = peer.session.data_to_send()
        if data:
            self.protect_front()  # if its socket is full, its cursor will be the front
            self.pump.speak(peer.member, data, now)

    def connected(self, peer: Peer, version: str, now: int) -> None:
        """The handshake of this peer is done."""
        peer.ready = True
        if version == "1.0":
            peer.member.dialect = to_zmtp_1
        self.deadlines.connected(peer, version, now)
        self.channel.post(Connected(peer.id, version))

    def protect_front(self) -> None:
        """Make the log keep what comes from now on, before anybody is promised it."""
        if not self.pump.needs_log and not self.reads.unapplied:  # else somebody is promised it
            self._slot.tail = self.log.head()
            self.rest.fence()
            self.pump.follow(self.log.head())

    # Turns.

    def _now(self) -> int:
        return time.monotonic_ns()

    def _turn(self) -> None:
        """One bounded piece of everything there is to do."""
        self._take_control()
        cut_off = not self._is_channel_full() and self.reads.turn(self._now())
        self._sending_turn(hurry=cut_off)

    def _sending_turn(self, *, hurry: bool = False) -> None:
        """As `_turn`, but for reading: that has events of its own, and who was rung hurries."""
        now = self._now()
        more = True
        if hurry or not self.rest.is_napping(now):  # else the new messages wait for its end
            self.rest.end_nap()
            more = self._advance(now)
        self._serve_writable(now)
        self._settle_turn(now)
        if self._done.done():
            return
        if self.pump.runnable or not self._rest(now, more, hurry):
            self._schedule_turn()

    def _schedule_turn(self) -> None:
        """Ask the loop for one more turn; one at a time, however many turns ask for it.

        Turns that follow on turns would else multiply while there is always something to do, and
        keep the loop from its timers, the heartbeat above all.
        """
        self.rest.wake()
        if not self._turn_scheduled:
            self._turn_scheduled = True
            self._loop.call_soon(self._scheduled_turn)

    def _scheduled_turn(self) -> None:
        self._turn_scheduled = False
        self._turn()

    def _serve_writable(self, now: int) -> None:
        for descriptor, _events in self.write_set.poll(0, WRITABLE_PER_TURN):
            peer = self.by_descriptor.get(descriptor)
            if peer is not None:
                self.pump.writable(peer.member)
        if self.pump.runnable:
            self.pump.serve_runnable(now, WRITABLE_PER_TURN)

    def _advance(self, now: int) -> bool:
        pump = self.pump
        head = self.log.head()
        if not pump.needs_log:
            pump.follow(head)
            return False
        last = pump.front + MESSAGES_PER_TURN
        for _ in range(BATCHES_PER_TURN):
            if not pump.advance(head, now):
                return self.log.head() != pump.front
            if pump.front >= last:
                break
        return True

    def _settle_turn(self, now: int) -> None:
        """After the sends of a turn: limits, effects, and what the coordinator waits for."""
        pump = self.pump
        if pump.blocked:
            pump.enforce(now)
        while pump.effects:
            effects, pump.effects = pump.effects, []
            for effect in effects:
                self._apply(effect)
        slot = self._slot
        tail = pump.tail() if pump.needs_log else NO_TAIL
        slot.flushed = pump.flushed() if pump.needs_log else NO_TAIL
        slot.tail = tail
        wanted = self._header.wanted
        if wanted and wanted != slot.wanted_seen and tail >= wanted:
            slot.wanted_seen = wanted
            self._room.ring()
        if self._snapshots:
            self._answer_snapshots()
        if self.ending is not None:
            self.ending.step(now)
        self._is_channel_full()  # watched from now on, if this turn has filled it

    def _rest(self, now: int, more: bool, hurry: bool) -> bool:
        """Wait for what comes next; False if there is something to do already."""
        pump = self.pump
        if not pump.needs_log:
            pump.follow(self.log.head())
            self.rest.wake()  # nothing that is published concerns this worker
            return True
        hurry = hurry or self.ending is not None
        blocked = bool(pump.blocked)
        if self.rest.nap(pump.front, now, pump.share, hurry=hurry, blocked=blocked):
            return False
        return not more and self.rest.sleep(pump.front)

    def _tick(self) -> None:
        if self._done.done():
            return
        self._loop.call_later(TICK, self._tick)
        now = self._now()
        self._slot.heartbeat = now
        self.reads.end_rests(now)
        self.deadlines.tick(now, listening=not self._reads_paused)
        if now >= self._next_second:
            self._next_second = now + NS
            self._measure_load()
        if not self._stale and (self.pump.front != self._checked_front or self.pump.blocked):
            self._checked_front = self.pump.front
            self._stale = list(self.peers.values())
        self._checkpoint(self._stale[:CHECKPOINTS_PER_TICK])
        del self._stale[:CHECKPOINTS_PER_TICK]
        self._turn()

    def _measure_load(self) -> None:
        cpu = time.process_time_ns()
        self._slot.load = (cpu - self._cpu) * 1000 // NS
        self._cpu = cpu

    def _checkpoint(self, peers: Iterable[Peer]) -> None:
        """Bring the slots of those who are still here up to date."""
        blocked = self.pump.blocked
        for peer in peers:
            if peer.id in self.peers:
                self.pump.settle(peer.member)
                peer.checkpoint(blocked.get(peer.member, 0))

    def _answer_snapshots(self) -> None:
        """Who asks wants to see what became of all that was published before."""
        front = self.pump.front
        due = [token for token, head in self._snapshots if head <= front]
        if due:
            self._checkpoint(self.peers.values())
            self._snapshots = self._snapshots[len(due) :]
        for token in due:
            self.channel.send(SnapshotDone(token))

    # Control.

    def _is_channel_full(self) -> bool:
        """Whether reports wait for the coordinator; if so, its reading is what wakes us."""
        full = self.channel.pending > 0
        if full != self._reads_paused:
            self._reads_paused = full
            if full:
                self._loop.remove_reader(self.reads.set.fileno())
                self._loop.add_writer(self.channel.socket, self._turn)
            else:
                self._loop.remove_writer(self.channel.socket)
                self._loop.add_reader(self.reads.set.fileno(), self._turn)
                self._schedule_turn()  # for those who were held until their change was reported
        return full

    def _take_control(self) -> None:
        self.channel.flush()
        self.slow_reports.flush()
        for message, descriptors in self.channel.receive():
            self._handle(message, descriptors)
        if self.channel.closed:
            with contextlib.suppress(ValueError, OSError):
                self._loop.remove_reader(self.channel.socket)
            self.orphaned()

    def _handle(self, message: Message, descriptors: list[int]) -> None:
        if isinstance(message, Adopt) and len(descriptors) == 1:
            self._adopt(message, descriptors[0])
            return
        for descriptor in descriptors:
            os.close(descriptor)
        if isinstance(message, Adopt):  # the system drops what it finds no number for
            reason = "its worker has no descriptors left (raise the limit of open files)"
            self.channel.send(never_served(message.subscriber, True, reason))
        elif isinstance(message, Snapshot):
            self._snapshots.append((message.token, self.log.head()))
        elif isinstance(message, Finish):  # another one brings the end forward
            self.ending = Ending(self, message.timeout, self._now())

    def _adopt(self, message: Adopt, descriptor: int) -> None:
        now = self._now()
        slot = SubscriberSlot(self.segment, message.slot)
        try:
            sock = prepare_socket(descriptor, self.options)
        except OSError as error:
            reason = f"gone before it was adopted: {error.strerror}"
            self.channel.send(never_served(message.subscriber, False, reason))
            return
        session = SESSIONS[message.protocol](self.limits)
        peer = Peer(message.subscriber, slot, sock, session, now)
        self.peers[peer.id] = peer
        self.by_descriptor[sock.fileno()] = peer
        self.deadlines.adopted(peer, now)
        self.write_set.register(sock, select.EPOLLOUT | select.EPOLLET)
        self.reads.watch(peer)
        self._slot.subscribers = len(self.peers)
        self.say(peer, now)

    def _apply(self, effect: Effect) -> None:
        peer = self.peers.get(effect.member.id)
        if peer is None:
            return
        if isinstance(effect, Lost):
            self.close(peer, evicted=effect.evicted, reason=effect.reason)
        elif isinstance(effect, Slowed):
            self._report_slow(peer.member, False, effect.reason)
        else:
            self._report_slow(peer.member, True, "has caught up")

    def _report_slow(self, member: Member, recovered: bool, reason: str) -> None:
        self.slow_reports.add(Slow(member.id, recovered, member.dropped, reason))
