"""The checkers: the invariants, held against the models after every step."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from fanout.control.messages import Chose
from fanout.workers.stream.effects import Lost
from fanout.workers.stream.member import HELD, LOST
from tests.simulation.silence_checker import SilenceChecker
from tests.simulation.sums import Sums
from tests.simulation.violated import Violated, require

if TYPE_CHECKING:
    from fanout.control.messages import Closed, Declined, Slow
    from fanout.workers.stream.member import Member
    from tests.simulation.workers import SimulatedWorker

PACED_NS = 200_000_000  # by then one with a rate may be sent as much as it may be at once


class Checker(SilenceChecker):
    """Looks at workers from outside; what it finds wrong is `Violated`."""

    def look(self, worker: SimulatedWorker, call: str) -> None:
        """Streams, order and conservation, after any call."""
        pump = worker.pump
        matched = matched_bytes = 0
        for peer in worker.peers.values():
            member, model = peer.member, self._world.models[peer.id]
            model.scan(pump.front, self._world.now)
            self._note_late(member, model)
            if call != "enforce":
                self._thinned(worker, member, model, model.pass_until)
                self._confirm(member, model)  # it may have been told of that already
            is_thinned = call == "serve" and model.rules.conflates
            waited = set(model.unstarted) if is_thinned else set()
            of_log = bool(member.spill) or not member.control
            model.take(self._world.now, of_log=of_log)
            matched += model.matched
            model.require_caught_up()
            if waited:
                self._must_be_thinned(pump.front, model, waited)
            self._note_blocked(member, model)
            matched_bytes += self._right(member, model, call)
        got = (pump.totals.matched, pump.matched_bytes)
        want = (worker.past.matched + matched, worker.past.matched_bytes + matched_bytes)
        if got != want:
            raise Violated(f"{call}: in all {got} messages and bytes matched, not {want}")
        require(pump.runnable.keys() <= pump.blocked.keys(), "runnable without being blocked")
        require(
            pump.blocked.keys() == {p.member for p in worker.peers.values() if p.member.blocked},
            "the blocked members are not those in the dict",
        )
        for effect in pump.effects:
            lost = isinstance(effect, Lost) and effect.member.id in worker.peers
            require(not lost or effect.member.state is LOST, "a lost member would be served again")
        remembered = len(pump.cohorts.known_ids)
        tuning = self._world.tuning
        most = max(tuning.topics_remembered, tuning.batch_messages_max)
        if remembered > most:
            raise Violated(f"{remembered} topic ids are remembered")
        kept = len(pump.backlog.chunks)
        if kept > tuning.chunks_kept:
            raise Violated(f"{kept} chunks are kept")

    def settled(self, worker: SimulatedWorker, member: Member) -> None:
        """After `settle`, the counters of every kind of member are exact."""
        model = self._world.models[member.id]
        if member.state is LOST:
            return  # its connection will be closed in this turn
        self._confirm(member, model)
        self._note_late(member, model)
        require(not model.doomed, f"settled, and {model.doomed} are not counted as lost")
        require(member.sent == model.sent, f"settled: {member.sent} sent, not {model.sent}")
        require(member.queued == model.queued, f"{member.queued} queued, {model.queued}")

    def flushed(self, worker: SimulatedWorker, flushed: int) -> None:
        """Everything below `flushed` was handed over."""
        for peer in worker.peers.values():
            queue = self._world.models[peer.id].queue
            if queue and queue[0] < flushed:
                raise Violated(f"{queue} is not flushed ({flushed})")

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
        model.change(since, worker.pump.front, prefixes, self._world.now)

    def closed(self, worker: SimulatedWorker, report: Closed) -> None:
        """The final figures of a connection, and why it was closed."""
        world = self._world
        worker.changes.pop(report.subscriber, None)
        model = world.models.pop(report.subscriber)
        model.scan(worker.pump.front, world.now)
        model.take(world.now)
        if model.doomed:
            model.lose_newest(len(model.doomed))
        got: tuple[int, ...] = (report.matched, report.sent, report.dropped, report.discarded)
        got += (report.matched_bytes, report.sent_bytes)
        got += (report.dropped_bytes, report.discarded_bytes)
        got += (report.conflated, report.conflated_bytes)
        got += (report.dropped_messages, report.dropped_age, report.dropped_log)
        got += (report.dropped_messages_bytes, report.dropped_age_bytes, report.dropped_log_bytes)
        want: tuple[int, ...] = (model.matched, model.sent, model.dropped, model.queued)
        want += (model.matched_bytes, model.counted_bytes()[0])
        want += (model.dropped_bytes, model.queued_bytes)
        want += (model.conflated, model.conflated_bytes)
        want += model.by_reason.drops
        require(got == want, f"closed ({report.reason}): {got}, not {want}")
        self.deliveries += report.sent
        worker.past.add(model, ended=True)
        world.forget(worker, report.subscriber, model)

    def said(self, report: Chose | Declined) -> None:
        """What a subscriber says of itself was reported."""
        model = self._world.models[report.subscriber]
        model.reports.hear(self._world.heard(report.subscriber))
        if isinstance(report, Chose):
            model.reports.chose(report.name, report.settings)
        else:
            model.reports.declined()

    def told(self, member: Member) -> None:
        """It is told from now on of what it said that it wants to be told of, if it is right."""
        model = self._world.models[member.id]
        model.reports.hear(self._world.heard(member.id))
        model.telling.heed(model.reports.said.level, bytes(model.partial) + member.control)

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
        """It says that its slots are exact, and that it is through with all below `head`.

        Those that were written in an earlier turn are exact as of then, which was after that.
        """
        world, pump, slot = self._world, worker.pump, worker.slot
        require(pump.front >= head, f"answered at {pump.front}, before {head}")
        self.answers += 1
        sums = worker.past.copy()
        for peer in worker.peers.values():
            model = world.models[peer.id]
            model.scan(pump.front, world.now)
            model.take(world.now)
            sums.add(model)
            at = peer.slot.read(peer.id)
            figures = (
                *(at.matched, at.sent, at.dropped, at.conflated),
                *(at.sent_bytes, at.matched_bytes, at.dropped_bytes, at.queued_bytes),
            )
            want = model.figures
            right = figures == want or worker.answer_is_cut
            require(right, f"slot of {peer.id}: {figures}, not {want}")
            require(at.counted >= head, f"slot of {peer.id}: of {at.counted}, before {head}")
            unstarted = model.unstarted[:1] or [pump.front]
            behind = at.sequence <= unstarted[0]
            require(behind, f"slot of {peer.id}: at {at.sequence}, but {unstarted} is not sent")
            oldest = model.queue[0] if model.queue else at.oldest
            require(at.oldest <= oldest, f"slot of {peer.id}: {at.oldest} is later than {oldest}")
        totals = Sums(
            *(slot.matched, slot.sent, slot.sent_bytes, slot.dropped, slot.discarded),
            *(slot.matched_bytes, slot.dropped_bytes, slot.discarded_bytes),
            *(slot.conflated, slot.conflated_bytes),
        )
        right = totals == sums or worker.answer_is_cut
        require(right, f"the totals are {totals}, not {sums}")

    def turn_ended(self, worker: SimulatedWorker, *, is_read: bool = True) -> None:
        """Between turns: what the slots say, and that no loss and no end is silent.

        Args:
            is_read: that turn has read, or no other one is asked for; else reports may have got
                out by its last words, and those they are about have their turn in the next one.
        """
        pump, slot = worker.pump, worker.slot
        self.held()
        for subscriber, sock in self._world.sockets.items():
            require(not sock.closed, f"subscriber {subscriber} was closed, and nobody was told")
        tail = slot.tail
        if pump.needs_log:
            require(tail <= pump.front, "the tail is behind the front")
        for peer in worker.peers.values():
            model = self._world.models[peer.id]
            model.reports.hear(self._world.heard(peer.id))
            is_waiting = worker.channel.pending > 0 or not is_read
            require(is_waiting or not peer.inbox.looked, "heard, and not taken")
            is_due = model.late is not None and model.late.is_due
            require(is_waiting or not is_due, "it is not sent what it has missed")
            model.reports.require_all()
            level = model.reports.said.level
            if model.telling.level != level:
                raise Violated(f"it wants to be told of {level}, and is not")
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
            for sequence in islice(model.queue, int(model.in_message), None):
                if tail > sequence:
                    raise Violated(f"message {sequence} is not protected by tail {tail}")
                break

    def isolated(self, worker: SimulatedWorker) -> None:
        """At rest: whoever has room has everything, whatever others do."""
        front, head = worker.pump.front, self._world.writer.head
        require(front == head, f"the front is {front}, not {head}: it waits for somebody")
        for peer in worker.peers.values():
            sock = self._world.sockets[peer.id]
            model, pump = self._world.models[peer.id], worker.pump
            if sock.full or sock.unheard or peer.member.state in (HELD, LOST):
                continue
            if not pump.waits(peer.member):
                queue, untold = model.queue, model.telling.untold
                if queue:
                    raise Violated(f"subscriber {peer.id} has room and was not sent {queue}")
                if untold:
                    raise Violated(f"subscriber {peer.id} has room, and was not told of {untold}")
            elif peer.member not in pump.rests and model.has_more:
                waited = self._world.now - model.progress_at
                require(waited <= PACED_NS, f"it has a rate, and was sent nothing for {waited} ns")
