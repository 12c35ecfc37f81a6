"""In the end: what was counted is what there was, and all know what holds."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING, Any

from fanout.shm.subscriber_slot import SubscriberSlot
from tests.simulation.takeovers.chances import LOG_BYTES
from tests.simulation.takeovers.published import TOPICS
from tests.simulation.violated import require

if TYPE_CHECKING:
    from fanout.coordinator.roster import Accepted
    from fanout.terms.slow_policy import SlowPolicy
    from fanout.workers.policy.base import Policy
    from tests.simulation.takeovers.society import Society

NONE = 1 << 63  # no limit


def require_accounts(world: Society) -> None:
    """All of that.

    Raises:
        Violated: something is not so.
    """
    _require_counters(world)
    _require_interest(world)
    _require_no_leaks(world)


def _require_counters(world: Society) -> None:
    """What was counted is what there was."""
    head = world.publisher.head
    for connection in world.coordinator.state.roster.connections.values():
        one = world.subscribers[connection.subscriber]
        world.deliveries += one.got
        one.end(head)
        slot = SubscriberSlot(world.segment, connection.slot)
        require(not slot.is_torn, f"{one.number}: its checkpoint is half-written for ever")
        last = slot.read(connection.subscriber)
        wanted = len(one.wanted_between(0, head)) + one.from_snapshot
        is_exact = one.chosen.is_exact and one.catching_up is None
        if not is_exact:
            least, most = wanted - one.missing.less, wanted + one.missing.holding.more
            near = least <= last.matched <= most
            require(near, f"{one.number}: {last.matched} matched, of {least} to {most}")
            wanted = last.matched
        got = last.matched, last.sent, last.dropped + last.conflated, last.stream_bytes
        want = wanted, one.got, wanted - one.got, one.stream_bytes
        require(got == want, f"{one.number}: counted {got}, and it were {want}")
        require(not last.conflated or "conflate" in one.chosen.actions, "it is conflated")
        one.missing.require_accounts(last.dropped, last.conflated)
        _require_choice(world, connection)


def _require_choice(world: Society, connection: Accepted) -> None:
    """It has the policy and the name that were chosen for it, whoever serves it."""
    number, state = connection.subscriber, world.coordinator.state
    chosen = world.subscribers[number].chosen
    want = _promised(chosen.now, world.entries)
    peer = world.coordinator.processes[connection.worker].worker.desk.peers[number]
    got = peer.member.policy
    require(_fields_of(got) == want, f"{number} is served by {_fields_of(got)}, not {want}")
    known = state.choices.choice_of(number).policy
    require(known == chosen.now, f"{number} has {known}, not {chosen.now}")


def _require_interest(world: Society) -> None:
    """The publisher rings for those who have somebody that wants it."""
    state = world.coordinator.state
    for topic in TOPICS:
        served = {
            connection.worker
            for connection in state.roster.connections.values()
            if world.subscribers[connection.subscriber].wants_now(topic)
        }
        rung = set(state.interest.workers_for(topic))
        require(rung == served, f"{rung} are rung for {topic!r}, and {served} have who wants it")


def _require_no_leaks(world: Society) -> None:
    live = len(world.subscribers)
    require(len(world.machine.open) == 2 * live, f"{len(world.machine.open)} are open of {live}")


def _fields_of(policy: Policy) -> tuple[Any, ...]:
    limits = tuple(map(astuple, (policy.limits, policy.soft, policy.patience)))
    more = policy.max_rate, policy.conflates, policy.min_interval_ns
    return type(policy).__name__.lower(), *limits, *more


def _promised(policy: SlowPolicy, entries: int) -> tuple[Any, ...]:
    """The fields of a policy that does what users have described so.

    Written down once more from what is documented: nobody is more than half of the log behind, who
    is blocked may be warned of all of it, and holds the publisher up at its limits, not beyond;
    patience ends at 7/8 of the limits, or half of the log.
    """
    named = policy.action.replace("_", "")
    own = (
        policy.limit_bytes or NONE,
        policy.limit_messages or NONE,
        int(policy.limit_age * 1_000_000_000) or NONE,
    )
    if policy.action == "block":
        soft = _part((*own, LOG_BYTES, entries), policy.soft)
        patience = _part((NONE, NONE, NONE, LOG_BYTES, entries), 1 / 2)
        below = [one if one == NONE else one - 1 for one in own[:2]]
        return named, (*below, own[2], NONE, NONE), soft, patience, policy.max_rate, False, 0
    limits = full = (*own, LOG_BYTES // 2, entries // 2)
    interval = conflates = 0
    if policy.action == "conflate":
        interval = int(policy.min_interval * 1_000_000_000)
        conflates = own == (NONE, NONE, NONE) or interval > 0
        if conflates:
            limits = (NONE, NONE, NONE, *full[3:])
    soft, patience = _part(full, policy.soft), _part(full, 7 / 8)
    return named, limits, soft, patience, policy.max_rate, conflates, interval


def _part(limits: tuple[int, ...], share: float) -> tuple[int, ...]:
    return tuple(value if value == NONE else int(value * share) for value in limits)
