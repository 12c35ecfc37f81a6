"""Ways to break takeovers on purpose, one for each way in which a stream can be lost.

Each is a small, plausible mistake. `MISTAKES` maps its name to what replaces what.
"""

from tests.simulation.takeovers.mistakes import (
    ages,
    boxes,
    counting,
    going_on,
    half_closed,
    knowing,
    last_values,
    missing,
    orphaned,
    recording,
)
from tests.simulation.takeovers.mistakes.known import MISTAKES

__all__ = [
    "MISTAKES",
    "ages",
    "boxes",
    "counting",
    "going_on",
    "half_closed",
    "knowing",
    "last_values",
    "missing",
    "orphaned",
    "recording",
]
