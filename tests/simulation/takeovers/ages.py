"""How old what waits for a subscriber is, whichever workers have served it since it came."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from fanout.workers.policy.ages import STEP_NS
from tests.simulation.takeovers.chances import MILLISECOND
from tests.simulation.violated import require

if TYPE_CHECKING:
    from fanout.workers.stream.pump import Pump
    from tests.simulation.takeovers.society import Society

NO_LIMIT = 1 << 63
NOTED_NS = 100 * MILLISECOND  # after which the coordinator notes anew how long the log is


def require_ages(pump: Pump, world: Society) -> None:
    """A worker knows how old the next message of each is whose limits have an age.

    It takes none for older than it is. And none for younger than it was for the coordinator, which
    had looked, a while after it was published, at how long the log is; but for less than STEP_NS:
    a worker that makes two notes within that time keeps the later one.
    """
    publisher, now = world.publisher, world.now
    for member in pump.blocked:
        sequence = member.sequence
        if member.policy.soft.age_ns == NO_LIMIT or sequence >= min(pump.front, publisher.head):
            continue
        age, time = pump.ages.age_of(sequence, now), publisher.times[sequence]
        require(age <= now - time, f"{sequence} is {now - time} ns old, and is said to be {age}")
        looks = world.looked[bisect_left(world.looked, (time + NOTED_NS, 0)) :]
        seen = next((at for at, head in looks if head > sequence), now)
        require(age > now - seen - STEP_NS, f"{sequence} was there {now - seen} ns ago, not {age}")
