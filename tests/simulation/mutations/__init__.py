"""Ways to break the system on purpose, one for each way in which an invariant can be lost.

Each is a small, plausible mistake. `MUTATIONS` maps its name to what replaces what.
"""

from tests.simulation.mutations import (
    counting,
    holding,
    limits,
    numbering,
    past,
    saying,
    silence,
    streams,
    telling,
    totals,
    waiting,
    writing,
)
from tests.simulation.mutations.known import MUTATIONS

__all__ = [
    "MUTATIONS",
    "counting",
    "holding",
    "limits",
    "numbering",
    "past",
    "saying",
    "silence",
    "streams",
    "telling",
    "totals",
    "waiting",
    "writing",
]
