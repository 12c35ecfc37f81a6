"""When to PING a subscriber, and when its silence means that it is gone. Pure.

All intervals are the same for all subscribers, so a dict in the order of the next PING is sorted,
and a look at it costs what is due, not what there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

GRACE_NS = 1_000_000_000  # of reading after a time without, until silence counts again

K = TypeVar("K")


class Schedule(Generic[K]):
    """Keys that come due one constant delay after they were put in.

    Args:
        delay_ns: from `put()` to due; 0 = nothing ever is.
    """

    def __init__(self, delay_ns: int) -> None:
        self._delay_ns = delay_ns
        self._since: dict[K, int] = {}

    def __len__(self) -> int:
        return len(self._since)

    def __contains__(self, key: K) -> bool:
        return key in self._since

    def put(self, key: K, now: int) -> None:
        """Due at `now` plus the delay; a key that is waiting starts again."""
        if self._delay_ns:
            self._since.pop(key, None)
            self._since[key] = now

    def drop(self, key: K) -> None:
        """Never due; it may be unknown."""
        self._since.pop(key, None)

    def due(self, now: int) -> Iterator[K]:
        """Take out the keys that are due, the longest waiting first."""
        while self._since:
            key, since = next(iter(self._since.items()))
            if now - since < self._delay_ns:
                return
            del self._since[key]
            yield key


class Attention:
    """Whether anybody listens, so that the silence of a peer means anything. Times are ns.

    While the coordinator does not read reports, or the whole process is stopped, what peers say
    waits unread. So silence counts only while there is reading, and some time of it after a gap.
    """

    def __init__(self) -> None:
        self._listened = 0
        self._since = 0

    def look(self, now: int, listening: bool) -> bool:
        """Whether silence counts at `now`; called each tick."""
        if listening:
            if now - self._listened > GRACE_NS:
                self._since = now
            self._listened = now
        return listening and now - self._since >= GRACE_NS


def is_silent(now: int, asked: int, last_received: int, timeout_ns: int) -> bool:
    """Whether a peer has left a PING without any answer for too long.

    Args:
        asked: when it was sent the first PING that it has not answered.
    """
    return last_received < asked < now - timeout_ns
