"""What is published and who wants it: pure data, computed the same way in every process."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PROBE_TOPIC = b"~probe~~"  # as long as every other topic, so that all messages are of one size
PROBE_MARK = b"<are-you-there?>"  # in no other payload: who has seen it is subscribed
LAST_MARK = b"<no-more-of-it!>"  # the same for the last of all probes, which everybody waits for
FILLER = b"x"


@dataclass(frozen=True)
class Traffic:
    """One load: messages of one size, round robin over the topics in a shuffled order."""

    subscribers: int
    payload_bytes: int
    topics: int = 1
    watched: int = 0  # topics that each subscriber wants; 0 = everything
    watchlists: int = 0  # distinct watchlists, dealt out in turn; 0 = every subscriber its own
    stalled: int = 0  # further subscribers, which want everything and never read
    seed: int = 1

    @cached_property
    def payload(self) -> bytes:
        """The payload of every message."""
        return FILLER * self.payload_bytes

    @cached_property
    def probe_payload(self) -> bytes:
        """A payload that no message has."""
        return PROBE_MARK.ljust(self.payload_bytes, FILLER)

    @cached_property
    def schedule(self) -> tuple[bytes, ...]:
        """The topics in the order in which they are published, again and again."""
        order = list(range(self.topics))
        random.Random(self.seed).shuffle(order)
        return tuple(topic_name(index) for index in order)

    def topics_of(self, count: int) -> Iterator[bytes]:
        """The topics of the first `count` messages."""
        return islice(cycle(self.schedule), count)

    @cached_property
    def subscriptions(self) -> tuple[tuple[bytes, ...], ...]:
        """The topics that each subscriber wants; an empty tuple means everything."""
        if not self.watched:
            return ((),) * self.subscribers
        lists = self.watchlists or self.subscribers
        rng = random.Random(self.seed + 1)
        drawn = [
            tuple(map(topic_name, sorted(rng.sample(range(self.topics), self.watched))))
            for _ in range(lists)
        ]
        return tuple(drawn[index % lists] for index in range(self.subscribers))

    @property
    def bytes_per_message(self) -> float:
        """Payload that one message brings to all who want it together, on average."""
        wanted = self.watched / self.topics if self.watched else 1.0
        return self.subscribers * self.payload_bytes * wanted

    def matches(self, count: int) -> list[int]:
        """How many of the first `count` messages each subscriber gets."""
        if not self.watched:
            return [count] * self.subscribers
        laps, rest = divmod(count, self.topics)
        times = Counter(dict.fromkeys(self.schedule, laps))
        times.update(self.schedule[:rest])
        return [sum(times[topic] for topic in topics) for topics in self.subscriptions]


def topic_name(index: int) -> bytes:
    """The name of a topic, eight bytes."""
    return b"t%07d" % index
