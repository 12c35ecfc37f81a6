"""What `serve` says, one line each: rates between two readings of the figures. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.cli.units import plural, short_count, short_size
from fanout.events import Event, EventKind, is_restart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.statistics import PublisherStatistics, SubscriberStatistics, Undelivered

BAD_INPUT_LINES_MAX = 10
"""Lines about bad input between two status lines: enough to see what is wrong, and no flood."""

EVENT_LINES_MAX = 20
"""Lines about subscribers and workers between two status lines."""

UNDELIVERED_LINES_MAX = 10
"""Subscribers that are named at the end; the others are summed up."""

TOLD_EVENTS = frozenset(
    {
        EventKind.SUBSCRIBER_SLOW,
        EventKind.SUBSCRIBER_STALLED,
        EventKind.SUBSCRIBER_RECOVERED,  # of one of these two
        EventKind.SUBSCRIBER_THROTTLED,
        EventKind.SUBSCRIBER_EVICTED,
        EventKind.PRODUCER_EVICTED,
        EventKind.ASKER_EVICTED,
        EventKind.HANDSHAKE_FAILED,
        EventKind.CONNECTION_REFUSED,
        EventKind.SUBSCRIPTION_REFUSED,
        EventKind.ACCEPT_PAUSED,
        EventKind.ACCEPT_QUEUE_FULL,
        EventKind.TAKEOVER_PAUSED,
        EventKind.CHANNEL_FULL,
        EventKind.CLOCK_SET,
        EventKind.MACHINE_SLEPT,
        EventKind.STOOD_STILL,
        EventKind.WORKER_LOST,
        EventKind.WORKER_GIVEN_UP,
        EventKind.EVENTS_LOST,
        EventKind.ENDPOINT_OPEN,
    }
)
"""Events worth a line. Subscribers that come and go are in the counters."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything a status line is made of, read at `now` (monotonic seconds)."""

    now: float
    statistics: PublisherStatistics
    subscribers: tuple[SubscriberStatistics, ...]
    bad_input: int


def status_line(before: Figures, after: Figures) -> str:
    """Returns one line: rates since `before`, then how things stand at `after`."""
    elapsed = max(after.now - before.now, 1e-9)
    old, new = before.statistics, after.statistics
    published = (new.published - old.published) / elapsed
    published_bytes = (new.published_bytes - old.published_bytes) / elapsed
    sent = (new.sent - old.sent) / elapsed
    slowest = max(after.subscribers, key=lambda one: one.lag_bytes, default=None)
    parts = [
        f"published {short_count(published)}/s {short_size(published_bytes)}/s",
        f"delivered {short_count(sent)}/s",
        f"subscribers {new.subscribers}",
        f"lag {short_size(slowest.lag_bytes if slowest else 0)}",
    ]
    if new.dropped:
        parts.append(f"dropped {new.dropped:,}")
    if new.discarded:
        parts.append(f"discarded {new.discarded:,}")
    if new.evicted:
        parts.append(f"evicted {new.evicted:,}")
    if after.bad_input:
        parts.append(f"bad input {after.bad_input:,}")
    if slowest is not None and slowest.lag_bytes:
        parts.append(f"slowest {slowest.peer}")  # last: a narrow terminal cuts it off
    return " | ".join(parts)


def summary_line(last: Figures, elapsed_s: float, unit: str) -> str:
    """Returns the line that ends a run."""
    statistics = last.statistics
    published = plural(statistics.published, "message")
    lost = f", discarded {statistics.discarded:,}" if statistics.discarded else ""
    lost += f", evicted {statistics.evicted:,}" if statistics.evicted else ""
    bad = f", {plural(last.bad_input, f'bad input {unit}')}" if last.bad_input else ""
    return (
        f"published {published} ({short_size(statistics.published_bytes)}) in {elapsed_s:.1f} s, "
        f"delivered {statistics.sent:,}, dropped {statistics.dropped:,}{lost}{bad}"
    )


def undelivered_lines(undelivered: Sequence[Undelivered]) -> list[str]:
    """Returns who did not get everything, the worst first, at most `UNDELIVERED_LINES_MAX` + 1."""
    worst = sorted(undelivered, key=lambda one: (-one.messages, -one.kernel_bytes))
    lines = [
        f"not delivered to {one.peer}: {plural(one.messages, 'message')} queued, "
        f"{short_size(one.kernel_bytes)} unacknowledged"
        for one in worst[:UNDELIVERED_LINES_MAX]
    ]
    others = worst[UNDELIVERED_LINES_MAX:]
    if others:
        messages = sum(one.messages for one in others)
        lines.append(
            f"not delivered to {plural(len(others), 'further subscriber')}: "
            f"{plural(messages, 'message')}"
        )
    return lines


def event_line(event: Event) -> str | None:
    """Returns a line about an event, None for one that is not worth a line."""
    if event.kind not in TOLD_EVENTS and not is_restart(event):
        return None
    parts = [event.kind.value.replace("_", " ")]
    if event.peer is not None:
        parts.append(event.peer)
    elif event.worker is not None:
        parts.append(str(event.worker))
    line = " ".join(parts)
    if event.dropped:
        line += f", {plural(event.dropped, 'message')} dropped so far"
    if event.discarded:
        line += f", {plural(event.discarded, 'message')} discarded"
    if event.count != 1:
        line += f" (and {event.count - 1:,} more like it)"
    return f"{line}: {event.reason}" if event.reason else line


class LineBudget:
    """Lets a number of lines through until it is refilled, and counts the others."""

    def __init__(self, lines_max: int) -> None:
        self._lines_max = lines_max
        self._left = lines_max
        self._withheld = 0

    def take(self) -> bool:
        """Returns True if one more line may be printed."""
        if self._left:
            self._left -= 1
            return True
        self._withheld += 1
        return False

    def refill(self) -> int:
        """Starts anew; returns how many lines were withheld."""
        withheld = self._withheld
        self._left = self._lines_max
        self._withheld = 0
        return withheld
