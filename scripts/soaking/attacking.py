"""The process of the strangers."""

from __future__ import annotations

import json
import select
import time
from typing import TYPE_CHECKING

from benchmarks.children import require_descriptors, run_child
from soaking.crowds import CROWDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.channel import Channel
    from soaking.crowds import Crowd

TURN_S = 0.02
ARRIVAL_S = 20.0  # who has not come by then is kept out, and goes on trying


def main(channel: Channel, arguments: Sequence[str]) -> None:
    """Lets a crowd arrive, says so, and goes on until the harness closes the channel."""
    settings = json.loads(arguments[0])
    require_descriptors(settings["count"])
    crowd = CROWDS[settings["crowd"]](settings["host"], settings["port"], settings["count"])
    try:
        seconds = _arrive(crowd)
        channel.send(seconds=seconds, **_counts(crowd))
        while True:
            crowd.turn(TURN_S)
            if select.select([channel], [], [], 0)[0]:
                channel.receive()
                channel.send(**_counts(crowd))
    finally:
        crowd.close()


def _arrive(crowd: Crowd) -> float:
    began = time.monotonic()
    while not crowd.has_arrived and time.monotonic() - began < ARRIVAL_S:
        crowd.turn(TURN_S)
    return time.monotonic() - began


def _counts(crowd: Crowd) -> dict[str, int]:
    return {
        "present": len(crowd.members),
        "connected": crowd.connected,
        "closed": crowd.closed,
    }


if __name__ == "__main__":
    run_child(main)
