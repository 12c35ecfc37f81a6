"""Publishing until there is no room any more, which no clock alone can tell.

A call that waits in vain says little on a busy machine: the worker may have had no turn meanwhile.
So each time it is asked for its figures, for which it must have one; when it has handed nothing to
the kernel between two such waits, all is full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout import Again

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout import Publisher, SubscriberStatistics

# For so long a message waits for room: the kernel fills what is left of a window after 0.2 s, and
# again after 0.4, so that the second wait without any progress is the end of that.
ROOM_S = 0.5

Progress = tuple[tuple[int, int], ...]


def progress_of(figures: tuple[SubscriberStatistics, ...]) -> Progress:
    """How far the subscribers have come, by these figures."""
    return tuple((one.sent_bytes, one.lag_bytes) for one in figures)


def fill(publisher: Publisher, publish: Callable[[int], object]) -> int:
    """Publish until there is no room; returns how many messages were taken.

    Args:
        publish: publishes the message of this number, and waits `ROOM_S` for room.
    """
    count = 0
    before: Progress | None = None
    while True:
        try:
            publish(count)
            count += 1
        except Again:
            now = progress_of(publisher.subscribers())
            if now == before:
                return count
            before = now
