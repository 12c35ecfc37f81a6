"""Who is too far behind loses what its policy says, and no more; and nobody is left so."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from fanout.reasons import Reason
from fanout.workers.stream.effects import Lost
from fanout.workers.stream.member import BLOCKED, LOST
from fanout.workers.stream.values import Values
from tests.simulation.counting_checker import CountingChecker
from tests.simulation.peers import Kind
from tests.simulation.policies import NONE, STEP_NS, Behind, is_over
from tests.simulation.publishing import HELD_CALL
from tests.simulation.violated import Violated, require
from tests.simulation.waiting import COUNTED_REASONS, LAG_LOG, NOT_BEHIND

if TYPE_CHECKING:
    from fanout.workers.stream.effects import Effect
    from fanout.workers.stream.member import Member
    from tests.simulation.model import SubscriberModel
    from tests.simulation.workers import SimulatedWorker

LIMIT_OF = {
    "lag": ("bytes",),
    "lag_messages": ("messages",),
    "lag_age": ("age",),
    LAG_LOG: ("log_bytes", "log_messages"),
}


class LimitsChecker(CountingChecker):
    """What `enforce` does to members, and what is sent of the past."""

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

    def held(self) -> None:
        """Where all have one limit all the time, nobody has more waiting, but for one call."""
        world = self._world
        if not world.is_strict:
            return
        limit = world.options.policy.limit_messages
        members = [peer.member for worker in world.workers for peer in worker.peers.values()]
        for one in members:
            if one.blocked and one.state is not LOST:
                waits = world.models[one.id].all_waiting(world.writer.head)
                require(waits < limit + HELD_CALL, f"{waits} wait for {one.id}, of {limit}")

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
            count = dropped_by(member, reason) - model.by_reason.messages[reason]
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
            newest = len(reasons) - len(jumped)
            if newest or model.doomed is not None:  # else it may not be known yet what fits
                model.lose_what_does_not_fit(newest)
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

    def served(self, member: Member) -> None:
        """It was served: it loses what comes only while something waits for it."""
        if member.finishing is None or member.state is not BLOCKED or member.control:
            return
        queue = self._world.models[member.id].queue
        require(bool(queue), f"subscriber {member.id} has everything, and loses what comes")

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
