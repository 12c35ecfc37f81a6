"""The checkers: the invariants, held against the models after every step."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from fanout.reasons import Reason
from fanout.shm.layout import MESSAGE_PART
from fanout.workers.stream.effects import Lost
from fanout.workers.stream.member import HELD, LOST
from tests.simulation.model import Sums, require

if TYPE_CHECKING:
    from fanout.control.messages import Closed, Slow
    from fanout.workers.stream.member import Member
    from tests.simulation.model import SubscriberModel
    from tests.simulation.workers import SimulatedWorker
    from tests.simulation.world import World


class Checker:
    """Looks at workers from outside; what it finds wrong is `Violated`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.reported_slow: set[int] = set()
        self.reported_stalled: set[int] = set()
        self.deliveries = 0
        self.drops = 0
        self.evictions = 0
        self.answers = 0

    def look(self, worker: SimulatedWorker, call: str) -> None:
        """Streams, order and conservation, after any call."""
        pump = worker.pump
        for peer in worker.peers.values():
            member, model = peer.member, self._world.models[peer.id]
            model.scan(pump.front)
            model.take(self._world.now)
            self._note_blocked(member, model)
            self._conserved(member, model, call)
            self._bounded(member)
        require(set(pump.runnable) <= set(pump.blocked), "runnable without being blocked")
        require(
            set(pump.blocked) == {p.member for p in worker.peers.values() if p.member.blocked},
            "the blocked members are not those in the dict",
        )
        for effect in pump.effects:
            lost = isinstance(effect, Lost) and effect.member.id in worker.peers
            require(not lost or effect.member.state is LOST, "a lost member would be served again")
        remembered = len(pump.cohorts.known_ids)
        tuning = self._world.tuning
        most = max(tuning.topics_remembered, tuning.batch_messages_max)
        require(remembered <= most, f"{remembered} topic ids are remembered")
        kept = len(pump.backlog.chunks)
        require(kept <= tuning.chunks_kept, f"{kept} chunks are kept")

    def limits(self, worker: SimulatedWorker, now: int, *, cut: bool) -> None:
        """After `enforce`: nobody is too far behind.

        Args:
            cut: it had no time for all of them.
        """
        pump, world = worker.pump, self._world
        allowed = world.allowed
        front = world.history.start_of(pump.front)
        for peer in worker.peers.values():
            member, model = peer.member, world.models[peer.id]
            lost = member.dropped - model.dropped
            if lost:
                require(allowed.drops, "messages were dropped under a policy that does not")
                model.drop(lost, front - allowed.kept_bytes, pump.front - allowed.kept_messages)
                self.drops += lost
                require(member.slow, "a loss that nobody is told of")
            if not member.blocked or member.state is LOST or cut:
                continue
            for sequence in model.unstarted[:1] if allowed.drops else ():
                lag = front - world.history.messages[sequence].start
                require(lag <= allowed.bytes, f"{lag} bytes behind after enforce()")
                count = pump.front - sequence
                require(count <= allowed.messages, f"{count} messages behind")
        self.look(worker, "enforce")

    def given_up(self, worker: SimulatedWorker, member: Member, reason: Reason) -> None:
        """It is to be evicted for its silence: it was silent, while somebody looked, and is."""
        world, model = self._world, self._world.models[member.id]
        allowed, sock = world.allowed, world.sockets[member.id]
        silent = _seen(worker.ticks, _silent_since(model), world.now)
        if reason is Reason.SEND_TIMEOUT:
            require(silent >= allowed.silent_ns, f"given up after {silent} ns")
            lag = world.history.start_of(worker.pump.front) - member.position
            count = worker.pump.front - member.sequence
            far = lag > allowed.patience_bytes or count > allowed.patience_messages
            require(far, f"given up, and only {lag} bytes behind")
        else:
            require(reason is Reason.STALL_TIMEOUT, f"given up because {reason.text}")
            require(silent >= allowed.stalled_ns, f"given up after {silent} ns")
        require(sock.queued >= sock.capacity, "given up although its socket has room")
        self.evictions += 1

    def ticked(self, worker: SimulatedWorker, front: int) -> None:
        """After a tick, begun at this front: nobody is left who was silent for too long before.

        Before: when the last three looks at all of them began. Two are tries, the third is the end.
        """
        world, looks = self._world, worker.looks.begun[-3:]
        allowed = world.allowed
        for peer in worker.peers.values():
            member, model = peer.member, world.models[peer.id]
            has_room = member in worker.pump.runnable
            if not member.blocked or has_room or member.state in (HELD, LOST) or len(looks) < 3:
                model.in_the_way_at = None
                continue
            silent = _seen(worker.ticks, _silent_since(model), looks[0])
            require(silent < allowed.stalled_ns, f"took nothing for {silent} ns, not evicted")
            lag = count = 0
            for sequence in model.unstarted[:1] if silent >= allowed.silent_ns else ():
                lag = world.history.start_of(front) - world.history.messages[sequence].start
                count = front - sequence
            if lag <= allowed.patience_bytes and count <= allowed.patience_messages:
                model.in_the_way_at = None
                continue
            if model.in_the_way_at is None:
                model.in_the_way_at = world.now
            waited = _seen(worker.ticks, model.in_the_way_at, looks[0])
            require(waited <= allowed.silent_ns // 4, f"silent and in the way for {waited} ns")

    def settled(self, worker: SimulatedWorker, member: Member) -> None:
        """After `settle`, the counters of every kind of member are exact."""
        model = self._world.models[member.id]
        if member.state is LOST:
            return  # its connection will be closed in this turn
        require(member.sent == model.sent, f"settled: {member.sent} sent, not {model.sent}")
        require(member.queued == len(model.queue), f"{member.queued} queued, {len(model.queue)}")

    def flushed(self, worker: SimulatedWorker, flushed: int) -> None:
        """Everything below `flushed` was handed over."""
        for peer in worker.peers.values():
            queue = self._world.models[peer.id].queue
            require(not queue or queue[0] >= flushed, f"{queue} is not flushed ({flushed})")

    def changed(
        self,
        worker: SimulatedWorker,
        subscriber: int,
        since: int,
        prefixes: set[bytes],
        was_held: bool,
    ) -> None:
        """A reported change of subscriptions is in force."""
        model = self._world.models[subscriber]
        if was_held:
            model.blocked_at = self._world.now  # its time starts again
        model.change(since, worker.pump.front, prefixes)

    def closed(self, worker: SimulatedWorker, report: Closed) -> None:
        """The final figures of a connection, and why it was closed."""
        world = self._world
        worker.changes.pop(report.subscriber, None)
        model = world.models.pop(report.subscriber)
        model.scan(worker.pump.front)
        model.take(world.now)
        got = (report.matched, report.sent, report.dropped, report.discarded)
        want = (model.matched, model.sent, model.dropped, len(model.queue))
        require(got == want, f"closed ({report.reason}): {got}, not {want}")
        self.deliveries += report.sent
        worker.past.add(model, discarded=len(model.queue))
        world.forget(worker, report.subscriber, model)

    def slow(self, report: Slow) -> None:
        """A subscriber was reported as slow, as stalled, or as recovered."""
        in_trouble = self.reported_slow | self.reported_stalled
        if report.recovered:
            require(report.subscriber in in_trouble, "recovered, but was never slow")
            self.reported_slow.discard(report.subscriber)
            self.reported_stalled.discard(report.subscriber)
        elif report.stalled:
            self.reported_stalled.add(report.subscriber)
        else:
            self.reported_slow.add(report.subscriber)

    def answered(self, worker: SimulatedWorker, head: int) -> None:
        """It says that its slots are exact, and that it is through with all below `head`."""
        world, pump, slot = self._world, worker.pump, worker.slot
        require(pump.front >= head, f"answered at {pump.front}, before {head}")
        self.answers += 1
        sums = worker.past.copy()
        for peer in worker.peers.values():
            model = world.models[peer.id]
            model.scan(pump.front)
            model.take(world.now)
            sums.add(model)
            at = peer.slot.read(peer.id)
            figures = (at.matched, at.sent, at.dropped, at.sent_bytes)
            require(figures == model.figures, f"slot of {peer.id}: {figures}, not {model.figures}")
            unstarted = model.unstarted[:1] or [pump.front]
            behind = at.sequence <= unstarted[0]
            require(behind, f"slot of {peer.id}: at {at.sequence}, but {unstarted} is not sent")
        totals = Sums(slot.matched, slot.sent, slot.sent_bytes, slot.dropped, slot.discarded)
        require(totals == sums, f"the totals are {totals}, not {sums}")

    def turn_ended(self, worker: SimulatedWorker) -> None:
        """Between turns: what the slots say, and that no loss and no end is silent."""
        pump, slot = worker.pump, worker.slot
        for subscriber, sock in self._world.sockets.items():
            require(not sock.closed, f"subscriber {subscriber} was closed, and nobody was told")
        tail = slot.tail
        if pump.needs_log:
            require(tail <= pump.front, "the tail is behind the front")
        for peer in worker.peers.values():
            model = self._world.models[peer.id]
            is_about_to = any(effect.member is peer.member for effect in pump.effects)
            failed = peer.socket.failed  # type: ignore[attr-defined]
            require(not failed or is_about_to, "a broken connection that was not closed")
            if (
                not worker.real.desk.slow_reports and not is_about_to
            ):  # none that waits for the coordinator to read
                known = peer.id in self.reported_slow
                require(peer.member.slow == known, "slow or not, but not reported")
                known = peer.id in self.reported_stalled
                require(peer.member.stalled == known, "stalled or not, but not reported")
            for sequence in model.queue if not model.in_message else model.unstarted:
                require(tail <= sequence, f"message {sequence} is not protected by tail {tail}")
                break

    def isolated(self, worker: SimulatedWorker) -> None:
        """At rest: whoever has room has everything, whatever others do."""
        front, head = worker.pump.front, self._world.writer.head
        require(front == head, f"the front is {front}, not {head}: it waits for somebody")
        for peer in worker.peers.values():
            sock = self._world.sockets[peer.id]
            has_room = not sock.full and not sock.unheard
            if has_room and peer.member.state not in (HELD, LOST):
                queue = self._world.models[peer.id].queue
                require(not queue, f"subscriber {peer.id} has room and was not sent {queue}")

    def _note_blocked(self, member: Member, model: SubscriberModel) -> None:
        if not member.blocked:
            model.blocked_at = None
        elif model.blocked_at is None:
            model.blocked_at = self._world.now

    def _conserved(self, member: Member, model: SubscriberModel, call: str) -> None:
        who = f"{call}: subscriber {member.id}"
        matched = member.matched
        require(matched == model.matched, f"{who}: {matched} matched, not {model.matched}")
        if call != "enforce" or member.dropped != model.dropped:
            require(member.dropped == model.dropped, f"{who}: {member.dropped} dropped")
            lost = member.dropped_bytes
            require(lost == model.dropped_bytes, f"{who}: {lost} bytes dropped")
        takes_all = member.cohort is not None and member.cohort.everything
        lags = takes_all or any(c is not None and c.everything for _, c in member.older)
        if not lags:
            require(member.sent == model.sent, f"{who}: {member.sent} sent, not {model.sent}")
            queued = len(model.queue)
            require(member.queued == queued, f"{who}: {member.queued} queued, not {queued}")
        messages, others = model.counted_bytes()
        require(member.sent_bytes == messages, f"{who}: {member.sent_bytes} bytes, not {messages}")
        require(member.spoken_bytes == others, f"{who}: {member.spoken_bytes} spoken, {others}")

    def _bounded(self, member: Member) -> None:
        largest = self._world.options.log_bytes // MESSAGE_PART
        require(len(member.spill) <= largest, f"{len(member.spill)} bytes in the spill")
        require(
            len(member.control) <= self._world.tuning.control_bytes_max, "too many control bytes"
        )
        require(
            len(member.older) <= self._world.tuning.older_max or member.state is LOST,
            f"{len(member.older)} older segments",
        )
        if not member.blocked:
            require(not member.spill and not member.control, "a ready member with a spill")


def _silent_since(model: SubscriberModel) -> int:
    return max(model.blocked_at or 0, model.progress_at)


def _seen(ticks: list[int], since: int, now: int) -> int:
    """Of the time between, how much a worker with these ticks was there to see.

    Of a gap of more than a second between two ticks, a tenth of a second counts.
    """
    seen = now - since
    for before, after in pairwise(ticks):
        if since < after and after - before > 1_000_000_000:
            seen -= after - before - 100_000_000
    return seen
