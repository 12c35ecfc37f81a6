"""The checkers: the invariants, held against the models after every step."""

from __future__ import annotations

from collections import deque
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING

from fanout.control.messages import Chose
from fanout.reasons import Reason
from fanout.shm.layout import MESSAGE_PART
from fanout.workers.stream.effects import Lost
from fanout.workers.stream.member import HELD, LOST
from fanout.workers.stream.values import Values
from tests.simulation.model import COUNTED_REASONS, LAG_LOG, NOT_BEHIND, Sums
from tests.simulation.peers import Kind
from tests.simulation.policies import NONE, STEP_NS, Behind, is_over
from tests.simulation.violated import Violated, require

if TYPE_CHECKING:
    from fanout.control.messages import Closed, Declined, Slow
    from fanout.workers.stream.effects import Effect
    from fanout.workers.stream.member import Member
    from tests.simulation.model import SubscriberModel
    from tests.simulation.workers import SimulatedWorker
    from tests.simulation.world import World

PACED_NS = 200_000_000  # by then one with a rate may be sent as much as it may be at once
TICKS_UNTIL_TRIED = 27  # one member is tried in each, at least; three for each there can be


LIMIT_OF = {
    "lag": ("bytes",),
    "lag_messages": ("messages",),
    "lag_age": ("age",),
    LAG_LOG: ("log_bytes", "log_messages"),
}
# Of a member; what else is looked at is in `_right`.
_COUNTED = attrgetter(
    *("sent", "sent_bytes", "spoken_bytes", "dropped", "dropped_bytes", "drops", "conflated"),
    *("conflated_bytes", "finishing", "blocked", "state"),
)


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
        self.finishes = 0
        self.conflated = 0
        self.replays = 0

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

    def _thinned(
        self, worker: SimulatedWorker, member: Member, model: SubscriberModel, first: int
    ) -> None:
        """What has newer messages on its topics behind it is not sent, if it is conflated."""
        count = member.conflated - model.conflated
        if count:
            require(model.rules.action == "conflate", f"conflated by {model.rules.action}")
            model.conflate(count, first, worker.pump.front)
            self.conflated += count

    def _must_be_thinned(self, front: int, model: SubscriberModel, waited: set[int]) -> None:
        """It may begin a pass without leaving anything out only if there is nothing."""
        begun = {one for one in waited.difference(model.unstarted) if one >= model.pass_until}
        if begun:
            queue = sorted(waited | set(model.queue))
            topics = [model.message(one).topic for one in queue if one >= model.pass_until]
            require(len(set(topics)) == len(topics), f"{queue} was sent, but has newer ones")
            model.pass_until = front

    def limits(
        self,
        worker: SimulatedWorker,
        now: int,
        cursors: dict[int, tuple[int, int]],
        effects: list[Effect],
        *,
        cut: bool,
    ) -> None:
        """After `enforce`: nobody is too far behind.

        Args:
            cursors: where the blocked ones stood before, as positions and messages.
            effects: what came of it. Who was parted before may have got another policy since.
            cut: it had no time for all of them.
        """
        pump, world = worker.pump, self._world
        for peer in worker.peers.values():
            member, model = peer.member, world.models[peer.id]
            is_right_there = not member.blocked or cut
            lag = NOT_BEHIND
            position, sequence = cursors.get(member.id, (member.position, member.sequence))
            if not is_right_there or member.dropped != model.dropped or member.slow != model.slow:
                lag = self._behind(model, pump.front, now, position, sequence)
            if self._has_jumped_back(worker, member, model):
                model.slow = member.slow  # by the one rules or the others
            if not cut:
                model.judge_again(now)
            if member.slow and not model.slow:
                is_late = is_over(lag, model.rules.soft)
                require(is_late or member.dropped > model.dropped, f"not slow: {lag}")
            model.slow = member.slow
            self._thinned(worker, member, model, 0)
            if member.older and isinstance(member.older[0][1], Values):
                log_bytes = world.history.start_of(pump.front) - position
                far = model.rules.kept.log_bytes, model.rules.kept.log_messages
                if log_bytes > far[0] or pump.front - sequence > far[1]:
                    model.forget_times()  # its pass was thinned once more: the log cannot keep it
                model.pass_until = member.older[0][0]
            self._dropped(worker, member, model, lag)
            if is_right_there:
                continue
            over = is_over(lag, model.rules.limits)
            parted = _is_parted(member, effects)
            require(not parted or model.rules.action == "disconnect", "parted by another policy")
            if parted and not over:
                raise Violated(f"parted, and only {lag} behind: {model.rules.policy}")
            if member.state is not LOST:
                self._within(worker, member, model)
        self.look(worker, "enforce")

    def _behind(
        self, model: SubscriberModel, front: int, now: int, position: int, sequence: int
    ) -> Behind:
        """How far behind one was whose cursor stood there, in all that has a limit."""
        before = model.behind(front, now)
        return Behind(
            bytes=before.bytes if model.kind is Kind.PLAIN else NONE - 1,
            messages=before.messages,
            age=before.age,
            log_bytes=self._world.history.start_of(front) - position,
            log_messages=front - sequence,
        )

    def gone_back(self, worker: SimulatedWorker, member: Member, first: int, until: int) -> None:
        """It is sent what it has missed, from one message up to another."""
        model, world = self._world.models[member.id], self._world
        late = model.late
        if member.state is LOST:
            if late is not None:
                late.is_due = False
            return
        model.go_back(first, until, worker.pump.front, world.now)
        replay = member.replay
        model.uncount(*((replay.counted, replay.stop) if replay is not None else (0, 0)))
        self.replays += 1
        self._note_late(member, model)

    def _note_late(self, member: Member, model: SubscriberModel) -> None:
        """How much of what it has missed counts, and whether it has come to where that ends."""
        late = model.late
        if late is None or not late.is_under_way:
            return
        replay = member.replay
        if replay is not None:
            model.count_late(replay.counted, replay.stop)
            return
        first, stop = late.uncounted
        model.count_late(max(first, stop), stop)
        model.end_late(self._world.now)

    def _has_jumped_back(
        self, worker: SimulatedWorker, member: Member, model: SubscriberModel
    ) -> bool:
        """After `enforce`: whether it has jumped to what it wants by itself, over what was left."""
        late = model.late
        if late is None or not late.is_under_way or member.replay is not None:
            return False
        first, stop = late.uncounted
        model.count_late(max(first, stop), stop)
        gone = [one for one in model.unstarted if one < late.past.until]
        model.drop([LAG_LOG] * len(gone), worker.pump.front, self._world.now, of_log=True)
        self.drops += len(gone)
        model.end_late(self._world.now)
        return True

    def _reasons(self, member: Member, model: SubscriberModel, lag: Behind) -> list[str]:
        """Why it has lost its oldest messages, of each: what the log cannot keep is gone first.

        Args:
            lag: how far behind it was.
        """
        reasons = []
        for reason in sorted(LIMIT_OF, key=[LAG_LOG].count, reverse=True):
            count = dropped_by(member, reason) - model.dropped_by[reason]
            if not count:
                continue
            over = any(
                getattr(lag, one) > getattr(model.rules.limits, one) for one in LIMIT_OF[reason]
            )
            require(over, f"{count} dropped because of {reason}, but {lag}")
            reasons += [reason] * count
        return reasons

    def _dropped(
        self, worker: SimulatedWorker, member: Member, model: SubscriberModel, lag: Behind
    ) -> None:
        """After `enforce`: what it has lost, by that or by the look before."""
        lost = member.dropped - model.dropped
        if not lost:
            self._note_finishing(worker, member, model)
            return
        newest = min(lost, len(model.doomed or ()))
        if newest:
            model.lose_newest(newest)
        if lost > newest:
            action = model.rules.action
            require(
                action.startswith("drop") or action == "conflate",
                f"messages were dropped by {action}",
            )
            now, front = self._world.now, worker.pump.front
            reasons = self._reasons(member, model, lag)
            require(len(reasons) == lost - newest, f"{reasons} are not {lost - newest} losses")
            jumped = [one for one in reasons if action != "drop_newest" or one == LAG_LOG]
            if jumped:
                model.drop(jumped, front, now, of_log=action != "drop_oldest")
            self._note_finishing(worker, member, model)
            model.lose_what_does_not_fit(len(reasons) - len(jumped))
        self.drops += lost
        require(member.slow, "a loss that nobody is told of")
        self._note_finishing(worker, member, model)

    def _note_finishing(
        self, worker: SimulatedWorker, member: Member, model: SubscriberModel
    ) -> None:
        finishing = member.finishing
        if finishing is None:
            return
        # It may have jumped over what it was to finish, and then be too far behind once more.
        if model.doomed is None or (not model.doomed and finishing.label != model.doomed_by):
            require(model.rules.action == "drop_newest", "it finishes by another policy")
            lag = model.behind(worker.pump.front, self._world.now)
            if model.kind is not Kind.PLAIN:
                lag = lag._replace(bytes=model.rules.limits.bytes + 1)
            require(is_over(lag, model.rules.limits), f"it finishes, and is only {lag} behind")
            model.doomed_by = finishing.label
            limit = [getattr(lag, one) for one in LIMIT_OF[model.doomed_by]]
            most = [getattr(model.rules.limits, one) for one in LIMIT_OF[model.doomed_by]]
            require(limit > most, f"it finishes because of {model.doomed_by}, but {lag}")
            model.doomed = deque()
            self.finishes += 1
            if not member.dropped - model.dropped:
                model.lose_what_does_not_fit(0)

    def _within(self, worker: SimulatedWorker, member: Member, model: SubscriberModel) -> None:
        """After `enforce`: it is not further behind than it may be."""
        world, front = self._world, worker.pump.front
        limits, unstarted = model.rules.limits, model.unstarted
        if not unstarted:
            return
        lag = model.behind(front, world.now)
        own = lag._replace(age=model.known_age(unstarted[0], world.now) - STEP_NS)
        if model.kind is not Kind.PLAIN or (own.bytes > limits.bytes and _hangs_on(model, limits)):
            own = own._replace(bytes=0)
        if model.rules.action == "conflate" and not model.superseded(0):
            own = own._replace(bytes=0, messages=0, age=0)  # it is as thin as it can be
        elif model.rules.action == "conflate":
            most = limits.messages + max(1, limits.messages // 16)
            require(own.messages <= most, f"{own.messages} wait, and some have newer ones")
            own = own._replace(bytes=0, messages=0, age=0)
        if model.doomed is not None:
            own = own._replace(bytes=0, messages=0, age=0)
        age = limits.age + limits.age // 16 if limits.age != NONE else NONE
        require(
            not is_over(own, limits._replace(age=age)),
            f"{own} behind after enforce(): {model.rules.policy}",
        )
        soft = model.rules.soft
        is_slow = is_over(own._replace(age=0), soft)
        require(member.slow or not is_slow, f"{own} behind, and not called slow")

    def given_up(self, worker: SimulatedWorker, member: Member, reason: Reason) -> None:
        """It is to be evicted for its silence: it was silent, while somebody looked, and is."""
        world, model = self._world, self._world.models[member.id]
        sock, options = world.sockets[member.id], world.options
        silent = _seen(worker.stops, _silent_since(model), world.now)
        if reason is Reason.SEND_TIMEOUT:
            require(silent >= options.send_timeout * 1e9, f"given up after {silent} ns")
            lag = model.behind(worker.pump.front, world.now)._replace(
                log_bytes=world.history.start_of(worker.pump.front) - member.position,
                log_messages=worker.pump.front - member.sequence,
            )
            if model.kind is not Kind.PLAIN:
                lag = lag._replace(bytes=model.rules.far.bytes + 1)
            require(is_over(lag, model.rules.far), f"given up, and only {lag} behind")
        else:
            require(reason is Reason.STALL_TIMEOUT, f"given up because {reason.text}")
            require(silent >= options.stall_timeout * 1e9, f"given up after {silent} ns")
        require(sock.queued >= sock.capacity, "given up although its socket has room")
        self.evictions += 1

    def ticked(self, worker: SimulatedWorker, front: int) -> None:
        """After a tick, begun at this front: nobody is left who was silent for too long before.

        Before: when the last three looks at all of them began. Two are tries, the third is the end.
        """
        world, looks = self._world, worker.looks.begun[-3:]
        silent_ns = round(world.options.send_timeout * 1e9)
        stalled_ns = round(world.options.stall_timeout * 1e9)
        for peer in worker.peers.values():
            member, model = peer.member, world.models[peer.id]
            pump = worker.pump
            has_room = member in pump.runnable or pump.waits(member)
            self._tried(worker, member, model, has_room=has_room)
            if not member.blocked or has_room or member.state in (HELD, LOST) or len(looks) < 3:
                model.in_the_way_at = None
                continue
            silent = _seen(worker.stops, _silent_since(model), looks[0])
            require(silent < stalled_ns, f"took nothing for {silent} ns, not evicted")
            lag = Behind(0, 0, 0, 0, 0)
            if silent >= silent_ns:
                lag = model.behind(front, world.now)._replace(bytes=0, age=0)
            if model.doomed is not None:
                lag = lag._replace(messages=0)
            if not is_over(lag, model.rules.far):
                model.in_the_way_at = None
                continue
            if model.in_the_way_at is None:
                model.in_the_way_at = world.now
            waited = _seen(worker.stops, model.in_the_way_at, looks[0])
            require(waited <= silent_ns // 4, f"silent and in the way for {waited} ns")

    def _tried(
        self, worker: SimulatedWorker, member: Member, model: SubscriberModel, *, has_room: bool
    ) -> None:
        """After a tick: an event that got lost has cost a quarter of `send_timeout`, and no more.

        And some ticks, since in each there may be time for one member only.
        """
        world = self._world
        unheard = world.sockets[member.id].unheard and not has_room
        if not unheard or not member.blocked or member.state in (HELD, LOST):
            model.unheard_at = None
            return
        if model.unheard_at is None or model.unheard_at < model.progress_at:
            model.unheard_at = world.now  # it was tried, and has room once more
        if len(worker.ticks) >= TICKS_UNTIL_TRIED:
            tried_by = worker.ticks[-TICKS_UNTIL_TRIED]
            waited = _seen(worker.stops, model.unheard_at, tried_by)
            quarter = round(min(world.options.send_timeout, world.options.stall_timeout) * 1e9) // 4
            require(waited <= quarter, f"had room for {waited} ns, and nobody has tried")

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
        want += model.drops
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
        """It says that its slots are exact, and that it is through with all below `head`."""
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
            require(figures == want, f"slot of {peer.id}: {figures}, not {want}")
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
        require(totals == sums, f"the totals are {totals}, not {sums}")

    def turn_ended(self, worker: SimulatedWorker, *, is_read: bool = True) -> None:
        """Between turns: what the slots say, and that no loss and no end is silent.

        Args:
            is_read: that turn has read, or no other one is asked for; else reports may have got
                out by its last words, and those they are about have their turn in the next one.
        """
        pump, slot = worker.pump, worker.slot
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

    def _note_blocked(self, member: Member, model: SubscriberModel) -> None:
        if not member.blocked:
            model.blocked_at = model.behind_since = None
            return
        model.behind_since = model.behind_since or self._world.now
        if model.blocked_at is None:
            model.blocked_at = self._world.now

    def _right(self, member: Member, model: SubscriberModel, call: str) -> int:
        """What it has and what it has counted is right; returns the bytes that have matched.

        Most calls are about somebody else: where nothing has changed that is looked at here since
        it was found right, it is.
        """
        if call != "enforce":
            model.slow = member.slow
        cohort = member.cohort
        lags = cohort is not None and cohort.everything
        if member.older and not lags:
            lags = any(one is not None and one.everything for _, one in member.older)
        at = (
            *(model.version, lags, model.rules.policy.max_rate and self._world.now),
            *(member.matched, member.matched_bytes, *_COUNTED(member)),
            *(len(member.spill), len(member.control), len(member.older)),
        )
        before, matched_bytes = model.checked
        if at != before:
            matched_bytes = self._conserved(member, model, call, lags=lags)
            self._bounded(member)
            model.checked = at, matched_bytes
        return matched_bytes

    def _conserved(self, member: Member, model: SubscriberModel, call: str, *, lags: bool) -> int:
        """All that matched is where the model has it; returns how many bytes that are.

        Args:
            lags: its messages sent are counted later, since it takes all, or has.
        """
        who = f"{call}: subscriber {member.id}"
        if model.doomed is not None and member.finishing is None:
            require(not model.doomed, f"{who}: {model.doomed} are not counted as lost")
            done = not model.unstarted or call == "set_policy"
            require(done, f"{who}: it has not got {model.queue}, and goes on with the present")
            model.doomed = None
        model.require_its_rate(self._world.now)
        if not lags:
            require(member.sent == model.sent, f"{who}: {member.sent} sent, not {model.sent}")
            queued = model.queued + len(model.doomed or ())
            require(member.queued == queued, f"{who}: {member.queued} queued, not {queued}")
        messages, others = model.counted_bytes()
        queued_bytes = model.queued_bytes
        matched_bytes = messages + queued_bytes + model.dropped_bytes + model.conflated_bytes
        same = (
            (member.matched, model.matched, "matched"),
            (member.dropped, model.dropped, "dropped"),
            (member.drops, model.drops, "dropped by reason"),
            (member.conflated, model.conflated, "conflated"),
            (member.conflated_bytes, model.conflated_bytes, "bytes conflated"),
            (member.dropped_bytes, model.dropped_bytes, "bytes dropped"),
            (member.sent_bytes, messages, "bytes sent"),
            (member.spoken_bytes, others, "bytes spoken"),
            (member.matched_bytes, matched_bytes, "bytes matched"),
            (member.queued_bytes, queued_bytes, "bytes queued"),
        )
        for got, want, what in same:
            if got != want:
                raise Violated(f"{who}: {got} {what}, not {want}")
        return matched_bytes

    def _confirm(self, member: Member, model: SubscriberModel) -> None:
        """What has come while it finishes may be counted as lost at any time."""
        lost = member.dropped - model.dropped
        if lost and model.doomed is not None:
            model.lose_newest(lost)
            self.drops += lost

    def _bounded(self, member: Member) -> None:
        largest = self._world.options.log_bytes // MESSAGE_PART
        require(len(member.spill) <= largest, f"{len(member.spill)} bytes in the spill")
        require(
            len(member.control) <= self._world.tuning.control_bytes_max, "too many control bytes"
        )
        require(
            len(member.older) <= self._world.tuning.older_max + 2 or member.state is LOST,
            f"{len(member.older)} older segments",
        )
        if not member.blocked:
            require(not member.spill and not member.control, "a ready member with a spill")


def dropped_by(member: Member, reason: str) -> int:
    """Messages that the system has counted as lost because of this."""
    place = COUNTED_REASONS.index(reason)
    return member.drops[place - 1] if place else member.dropped - sum(member.drops[:3])


def _is_parted(member: Member, effects: list[Effect]) -> bool:
    """Whether it was parted for being too slow."""
    return any(
        isinstance(effect, Lost) and effect.member is member and effect.reason is Reason.TOO_SLOW
        for effect in effects
    )


def _hangs_on(model: SubscriberModel, limits: Behind) -> bool:
    """Whether it is over its limit because of a message that it has begun to get."""
    wires = [len(model.message(sequence).wire) for sequence in model.unstarted]
    return model.in_message and sum(wires) <= limits.bytes // 16


def _silent_since(model: SubscriberModel) -> int:
    return max(model.blocked_at or 0, model.progress_at)


def _seen(stops: list[tuple[int, int]], since: int, now: int) -> int:
    """Of the time between, how much a worker was there to see.

    Of a stop, more than a second between two ticks, a tenth of a second counts.
    """
    seen = now - since
    for before, after in reversed(stops):
        if after <= since:
            break
        seen -= max(after - max(before, since) - 100_000_000, 0)
    return seen
