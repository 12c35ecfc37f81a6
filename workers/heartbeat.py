"""When to PING a subscriber, and when its silence means that it is gone. Pure.

All intervals are the same for all subscribers, so a dict in the order of the next PING is sorted,
and a look at it costs what is due, not what there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def is_silent(now: int, last_received: int, answers_pings: bool, timeout_ns: int) -> bool:
    """Whether a peer that used to answer PINGs has been silent for too long.

    One that never answered is not judged: libzmq before 4.2 ignores PINGs (zmtp.md, 2.2).
    """
    return answers_pings and now - last_received > timeout_ns
