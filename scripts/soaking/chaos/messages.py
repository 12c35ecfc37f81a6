"""What is published, and who wants what of it. Pure.

Message k is made from k alone, so that each subscriber can tell what it must get without having
seen the publisher. Its filling is cut out of random bytes at a place of its own: a byte of another
message in its place, as what is in the log where it was overwritten, does not fit.
"""

from __future__ import annotations

import random
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

TOPICS = [b"T%02d" % number for number in range(50)]
LAP = 1_000  # messages after which topics come in the same order again
NUMBER_BYTES = 8
SHORTEST, LONGEST = 16, 60_000  # bytes of a payload
HEAD_BYTES = 2 + len(TOPICS[0]) + 2  # before the number of a short message: two short frames
LONG_HEAD_BYTES = HEAD_BYTES + 7
WIRES_KEPT = 4_096

_random = random.Random(20_261_126)
_FILLING = _random.randbytes(1 << 20)
_STRIDE = 7_919  # bytes between the fillings of neighbours: a prime, so that all places come
_SPAN = len(_FILLING) - LONGEST
_SCHEDULE = [_random.choice(TOPICS) for _ in range(LAP)]
# One in seven is of some kilobytes, one in a hundred of up to 60,000 bytes.
_RANGES = [(SHORTEST, 300)] * 84 + [(300, 4_000)] * 15 + [(4_000, LONGEST)]
_SIZES = [_random.randint(*_random.choice(_RANGES)) for _ in range(997)]
_SIZES[:2] = SHORTEST, LONGEST


def topic_of(number: int) -> bytes:
    """The topic of a message."""
    return _SCHEDULE[number % LAP]


def payload_of(number: int) -> bytes:
    """Its payload: its number, and a filling of its own."""
    begin = number * _STRIDE % _SPAN
    size = _SIZES[number % len(_SIZES)] - NUMBER_BYTES
    return number.to_bytes(NUMBER_BYTES, "big") + _FILLING[begin : begin + size]


@lru_cache(WIRES_KEPT)
def wire_of(number: int) -> bytes:
    """The message as it is on the wire, in ZMTP 3."""
    topic, payload = topic_of(number), payload_of(number)
    head = bytes((1, len(topic))) + topic
    if len(payload) > 255:
        return head + b"\2" + len(payload).to_bytes(8, "big") + payload
    return head + bytes((0, len(payload))) + payload


class Wants:
    """Which messages match some prefixes."""

    def __init__(self, prefixes: Iterable[bytes]) -> None:
        known = tuple(prefixes)
        self._matches = [topic.startswith(known) for topic in _SCHEDULE]
        self._before = [0, *accumulate(self._matches)]
        self.share = self._before[LAP] / LAP
        # From each place in a lap so many messages to the next that is wanted.
        self._steps = [0] * LAP
        if self.share:
            ahead = self._matches.index(True)
            for place in reversed(range(LAP)):
                ahead += 1
                self._steps[place] = ahead
                if self._matches[place]:
                    ahead = 0

    def has(self, number: int) -> bool:
        """Whether it is wanted."""
        return self._matches[number % LAP]

    def after(self, number: int) -> int:
        """The next one that is wanted, after this; -1 = there is none, ever."""
        return number + self._steps[number % LAP] if self.share else -1

    def between(self, first: int, stop: int) -> int:
        """How many of those from `first` to below `stop` are wanted."""
        return max(0, self._below(stop) - self._below(first)) if stop > first else 0

    def _below(self, stop: int) -> int:
        laps, rest = divmod(stop, LAP)
        return laps * self._before[LAP] + self._before[rest]

    def last_of_topics(self, published: int) -> dict[bytes, int]:
        """The newest message of each topic that is wanted, of so many that were published."""
        newest: dict[bytes, int] = {}
        for number in range(max(0, published - LAP), published):
            if self.has(number):
                newest[topic_of(number)] = number
        return newest
