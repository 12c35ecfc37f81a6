"""Ways to be wrong about how old something is that another worker had before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.shm.clock import Clock
from fanout.workers.policy.ages import Ages
from tests.simulation.takeovers.mistakes.known import replaces

if TYPE_CHECKING:
    from collections.abc import Sequence


@replaces(Ages, "_look_back")
def let_it_be_young_again(_original: Any, _self: Ages, _sequence: int) -> None:
    """It is as old as what this worker has noted itself."""


@replaces(Clock, "earlier")
def believe_the_note_before(
    original: Any, self: Clock, sequence: int, time: int
) -> Sequence[tuple[int, int]]:
    found: Sequence[tuple[int, int]] = original(self, sequence - 1, time)
    return [(head + 1, noted) for head, noted in found]
