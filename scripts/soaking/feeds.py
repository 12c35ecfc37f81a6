"""What is published during a soak, and when: pure data.

Each message ends in a stamp: which feed, which number in it, and when `publish()` was called.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

HEALTHY_TOPIC = b"healthy"
STAMP = struct.Struct("<IQQ")
NANO = 1_000_000_000


@dataclass(frozen=True)
class Feed:
    """Messages at a fixed rate.

    `topic` may have a number in it (%d), that of the message modulo `topics`. With `one_frame` the
    topic is the beginning of the only frame, so that the publisher cannot know it as a topic.
    """

    per_second: float
    topic: str
    topics: int = 1
    payload_bytes: int = 100
    one_frame: bool = False

    def frames(self, feed: int, number: int, time_ns: int) -> tuple[bytes, ...]:
        """The frames of one message; `payload_bytes` long, less than a stamp is a stamp."""
        topic = self.topic.encode()
        if b"%d" in topic:
            topic = topic % (number % self.topics)
        stamp = STAMP.pack(feed, number, time_ns)
        head = len(topic) if self.one_frame else 0
        padding = bytes(max(0, self.payload_bytes - head - len(stamp)))
        if self.one_frame:
            return (topic + padding + stamp,)
        return (topic, padding + stamp)


def read_stamp(frame: bytes) -> tuple[int, int, int]:
    """Feed, number and time of a message, from its last frame."""
    feed, number, time_ns = STAMP.unpack(frame[-STAMP.size :])
    return feed, number, time_ns


HEALTHY = Feed(500, HEALTHY_TOPIC.decode())


class Schedule:
    """How many messages of a feed are due; one that cannot be kept is not made up for later."""

    CATCH_UP_S = 0.25  # of delay are made up for: a stall must not end in a burst of seconds

    def __init__(self, per_second: float, now: float) -> None:
        self._interval = 1 / per_second
        self._next = now

    def due(self, now: float) -> int:
        """Messages to publish now; they count as published."""
        self._next = max(self._next, now - self.CATCH_UP_S)
        count = max(0, int((now - self._next) / self._interval) + 1) if now >= self._next else 0
        self._next += count * self._interval
        return count
