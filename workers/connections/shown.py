"""Shown: what subscribers are sent of what was published before they came is set up here. Shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.connections.keyframe_requests import KeyframeRequests
from fanout.workers.stream.chaining import Chaining
from fanout.workers.stream.showing import Showing

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.shm.kept_values import KeptValues
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.pump import Pump
    from fanout.workers.surroundings import Surroundings


def show_values(
    values: KeptValues, around: Surroundings, pump: Pump, hold: Callable[[Member, int], int]
) -> None:
    """Have members sent last values, and keyframes with what came since.

    Args:
        hold: has the log kept for a member from before a message on; returns from where on.
    """
    tuning = pump.tuning.show
    showing = Showing(values, pump.backlog, pump.totals, tuning)
    want = KeyframeRequests(around.channel, around.now).ask
    showing.chaining = Chaining(values, showing.names, pump, hold, want, tuning)
    pump.backlog.show = showing.step
