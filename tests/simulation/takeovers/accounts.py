"""In the end: what was counted is what there was, and all know what holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.shm.subscriber_slot import SubscriberSlot
from fanout.workers.policy.choice import policy_of
from tests.simulation.takeovers.chances import LOG_BYTES
from tests.simulation.takeovers.published import TOPICS
from tests.simulation.violated import require

if TYPE_CHECKING:
    from fanout.coordinator.roster import Accepted
    from fanout.workers.policy.base import Policy
    from tests.simulation.takeovers.society import Society


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
    want = policy_of(chosen.now, LOG_BYTES, world.entries)
    peer = world.coordinator.processes[connection.worker].worker.desk.peers[number]
    got = peer.member.policy
    same = _fields_of(got) == _fields_of(want)
    require(same, f"{number} is served by {_fields_of(got)}, not {_fields_of(want)}")
    known = state.choices.policy_of(number)
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
    same = policy.limits, policy.soft, policy.patience, policy.max_rate
    return type(policy).__name__, *same, policy.conflates, policy.min_interval_ns
