"""What a subscriber tells of its connections, and counts. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class ReceiverEventKind(Enum):
    """What kind of thing has happened."""

    CONNECTED = "connected"
    """The handshake with a publisher is done, and the subscriptions are on their way."""

    FAILED = "failed"
    """An attempt to connect has failed; there will be another."""

    REFUSED = "refused"
    """The publisher has another mechanism or key than was said, or denies this subscriber; there
    will be another attempt, but first somebody has to change something, here or there."""

    LOST = "lost"
    """A connection has ended; there will be another."""

    UNNUMBERED = "unnumbered"
    """A publisher of fanout's sends no sequence numbers; told once."""

    TOO_LARGE = "too large"
    """A publisher sends a message above `max_message_bytes`: it is passed over, and told as a gap;
    told once for each connection."""

    QUEUE_FULL = "queue full"
    """The program takes messages more slowly than they come; told again when it has caught up."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class ReceiverEvent:
    """Something that happened to a subscriber."""

    kind: ReceiverEventKind

    endpoint: str
    """Of which connection; "" if it is about all."""

    text: str
    """For people."""

    def __str__(self) -> str:
        return f"{self.endpoint or 'subscriber'}: {self.text}"


@dataclass(frozen=True, slots=True)
class ReceiverStatistics:
    """Counters of a subscriber, since it was made."""

    received: int
    """Messages put into the queue."""

    received_bytes: int
    """Bytes from publishers, everything that came."""

    queued: int
    """Messages that wait for the program now."""

    queued_bytes: int
    """What these count for, against `queue_bytes`."""

    missing: int
    """Messages that are missing for certain, not counting those of `dropped` and `conflated`."""

    unknown_gaps: int
    """Gaps of which nobody knows how many messages are missing in them."""

    dropped: int
    """Messages that were lost here, because the queue was full."""

    conflated: int
    """Messages that newer ones took the place of: here, because the queue was full, or at the
    publisher, by its policy for this subscriber."""

    doubles: int
    """Messages that had come before, and were not given to the program again."""

    unwanted: int
    """Messages that came after their subscription was cancelled, and were not given to it."""

    connections: int
    """How often a handshake was completed."""

    connected: int
    """How many connections are up now."""

    too_large: int
    """Messages that were passed over since they are above `max_message_bytes`; they are in
    `missing`, too. Of several connections each counts its own."""
