"""The real pump of a worker, which lets the checkers look after every call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.workers.stream.member import HELD, LOST
from fanout.workers.stream.pump import Pump
from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from fanout.reasons import Reason
    from fanout.workers.policy.base import Policy
    from fanout.workers.stream.cohort import Cohort
    from fanout.workers.stream.member import Member
    from tests.simulation.workers import SimulatedWorker


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
        self._worker.check_served(member)

    def serve_abreast(self, members: Sequence[Member], start: int, stop: int, now: int) -> None:
        super().serve_abreast(members, start, stop, now)
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

    def set_policy(self, member: Member, policy: Policy, now: int) -> int:
        cost = super().set_policy(member, policy, now)
        self._worker.world.model_obeys(member.id, is_over=member.state is LOST)
        self._worker.check("set_policy")
        return cost

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
