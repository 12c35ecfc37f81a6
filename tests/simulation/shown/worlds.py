"""Which world is that of a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.shown.deaths import DyingWorld
from tests.simulation.shown.limited import LimitedWorld
from tests.simulation.shown.publishing import (
    DEATHS_FROM,
    LIMITED_FROM,
    LIMITED_TWINS_FROM,
    READS_FROM,
    RESTARTS_FROM,
    TWINS_FROM,
)
from tests.simulation.shown.reading import ReadingWorld
from tests.simulation.shown.restarting import RestartingWorld
from tests.simulation.shown.twins import TwinWorld
from tests.simulation.shown.world import ShownWorld

if TYPE_CHECKING:
    from collections.abc import Callable


def world_of(seed: int) -> ShownWorld:
    """The world of a seed."""
    kinds: tuple[tuple[int, Callable[[int], ShownWorld]], ...] = (
        (LIMITED_TWINS_FROM, TwinWorld),
        (LIMITED_FROM, LimitedWorld),
        (TWINS_FROM, TwinWorld),
        (RESTARTS_FROM, RestartingWorld),
        (READS_FROM, ReadingWorld),
        (DEATHS_FROM, DyingWorld),
        (0, ShownWorld),
    )
    return next(kind(seed) for first, kind in kinds if seed >= first)
