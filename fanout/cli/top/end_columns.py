"""The columns of the table of those who have ended: it is in the order of their ends. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.cli.top.columns import NOTHING, policy_cell
from fanout.cli.units import printable, short_count, short_size, short_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.statistics import ClosedSubscriber


@dataclass(frozen=True, slots=True)
class EndColumn:
    """One column.

    Attributes:
        show: its cell, printable; the time now, in s since 1970, is given beside.
        is_text: it stands on the left.
        width_max: cells that it takes at most; None = as many as it needs.
    """

    name: str
    title: str
    show: Callable[[ClosedSubscriber, float], str]
    is_text: bool = False
    width_max: int | None = None


END_COLUMNS = (
    EndColumn("ended", "Ago", lambda it, now: short_time(now - it.ended)),
    EndColumn("id", "Id", lambda it, _now: str(it.id), is_text=True),
    EndColumn(
        "name",
        "Name",
        lambda it, _now: printable(it.name) or NOTHING,
        is_text=True,
        width_max=24,
    ),
    EndColumn(
        "user",
        "User",
        lambda it, _now: printable(it.user) or NOTHING,
        is_text=True,
        width_max=24,
    ),
    EndColumn("peer", "Address", lambda it, _now: printable(it.peer), is_text=True, width_max=32),
    EndColumn("worker", "Worker", lambda it, _now: str(it.worker), is_text=True),
    EndColumn("reason", "Why", lambda it, _now: printable(it.reason), is_text=True, width_max=48),
    EndColumn("connected", "Stayed", lambda it, _now: short_time(it.connected_s)),
    EndColumn("sent", "Sent", lambda it, _now: short_count(it.sent)),
    EndColumn("lost", "Lost", lambda it, _now: short_count(it.dropped)),
    EndColumn("conflated", "Conflated", lambda it, _now: short_count(it.conflated)),
    EndColumn("discarded", "Discarded", lambda it, _now: short_count(it.discarded)),
    EndColumn("kernel_bytes", "Kernel", lambda it, _now: short_size(it.kernel_bytes)),
    EndColumn(
        "policy",
        "Policy",
        lambda it, _now: policy_cell(it.policy),
        is_text=True,
        width_max=32,
    ),
)

# Which of them a narrow window goes without, the first ones first.
END_DROPPED_FIRST = (
    *("worker", "kernel_bytes", "policy", "conflated", "name", "user", "connected"),
    *("sent", "discarded", "lost"),
)
