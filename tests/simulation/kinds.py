"""Which seeds are run if nobody says which: some of each kind, so that all that may happen does.

What a seed is about follows from the range that it is in. A run of consecutive seeds would be of
one kind, and never come to what the others are there for.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from tests.simulation.chances import HELD_FROM as WAITS_FROM
from tests.simulation.chances import LATE_FROM as MISSED_FROM
from tests.simulation.shown.publishing import DEATHS_FROM
from tests.simulation.takeovers.chances import (
    BACK_FROM,
    DEVOTED_FROM,
    HALF_FROM,
    HELD_FROM,
    LATE_FROM,
    MIXED_FROM,
    ORPHANED_FROM,
    RARE_FROM,
    SEALED_FROM,
    SHOWN_FROM,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


class Kind(NamedTuple):
    """Seeds of one kind: how many of `parts` are of it."""

    world: str
    first: int
    parts: int


# Most are of takeovers, where most can go wrong; of these half are of no special kind.
TAKEOVERS = (
    Kind("takeovers", 0, 6),
    Kind("takeovers", LATE_FROM, 1),
    Kind("takeovers", BACK_FROM, 1),
    Kind("takeovers", SHOWN_FROM, 1),
    Kind("takeovers", RARE_FROM, 2),
    Kind("takeovers", SEALED_FROM, 1),
    Kind("takeovers", ORPHANED_FROM, 3),
    Kind("takeovers", HALF_FROM, 1),
    Kind("takeovers", DEVOTED_FROM, 13),  # as many as there are points that are seldom passed
    Kind("takeovers", MIXED_FROM, 3),  # as many as there are mixtures
    Kind("takeovers", HELD_FROM, 1),
)
ALL = (
    *TAKEOVERS,
    Kind("workers", 0, 3),
    Kind("workers", MISSED_FROM, 2),
    Kind("workers", WAITS_FROM, 1),
    Kind("coordinator", 0, 2),
    Kind("shown", 0, 1),
    Kind("shown", DEATHS_FROM, 1),
)


def spread(kinds: Sequence[Kind], runs: int) -> list[tuple[str, int]]:
    """So many seeds, with their worlds: of each kind by its parts, in turns, from its first on."""
    taken = dict.fromkeys(kinds, 0)
    room = {kind: _end(kind) - kind.first for kind in kinds}
    seeds = []
    for _ in range(runs):
        # Whose share is least for its parts is next; of those the first.
        left = [one for one in kinds if taken[one] < room[one]]
        kind = min(left, key=lambda one: (taken[one] + 1) / one.parts)
        seeds.append((kind.world, kind.first + taken[kind]))
        taken[kind] += 1
    return seeds


def _end(kind: Kind) -> float:
    """The first seed that is of another kind."""
    others = [one.first for one in ALL if one.world == kind.world and one.first > kind.first]
    return min(others, default=math.inf)
