"""What members have and have counted, held against the models: the base of all checkers."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from fanout.shm.layout import MESSAGE_PART
from fanout.workers.stream.member import LOST
from tests.simulation.violated import Violated, require

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member
    from tests.simulation.model import SubscriberModel
    from tests.simulation.world import World

# Of a member; what else is looked at is in `_right`.
_COUNTED = attrgetter(
    *("sent", "sent_bytes", "spoken_bytes", "dropped", "dropped_bytes", "drops", "conflated"),
    *("conflated_bytes", "finishing", "blocked", "state"),
)


class CountingChecker:
    """Conservation, and what is bounded of a member; with what all checkers count."""

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
            (member.drops, model.by_reason.drops, "dropped by reason"),
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
