"""What one subscriber has heard: which numbers are missing, and what it was told of them. Pure."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import msgpack

from soaking.slow.people import MESSAGE_BYTES, NUMBER_BYTES, TOPICS, frames_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from soaking.slow.people import Person

GAP = b"\0fanout.gap"
TOPIC, PAYLOAD = frames_of(0)
FILLING = PAYLOAD[NUMBER_BYTES:]
# What is before the number of a message on the wire, by its topic: two short frames of ZMTP.
HEADS = [
    bytes((1, len(TOPIC))) + frames_of(number)[0] + bytes((0, len(PAYLOAD)))
    for number in range(TOPICS)
]
WIRE = struct.Struct(f">{len(HEADS[0])}sQ{len(FILLING)}s")
assert WIRE.size == MESSAGE_BYTES


class Heard:
    """Takes the messages of one subscriber.

    Attributes:
        holes: first and last of the numbers that are missing between two others, and how many of
            them it wanted.
        markers: the same, as it was told.
        whole_since: nothing is missing from this number on.
    """

    def __init__(self, person: Person) -> None:
        self.person = person
        self.received = 0
        self.disorder = 0
        self.last = -1
        self.expected = person.next_after(-1)
        self.closed = False
        self.holes: list[tuple[int, int, int]] = []
        self.markers: list[tuple[int, int, int]] = []
        self.whole_since = 0

    def add(self, frames: Sequence[bytes]) -> None:
        """One message."""
        if frames[0] == GAP:
            gap = msgpack.unpackb(frames[1])
            self.markers.append((gap["first"], gap["last"], gap["count"]))
            return
        number = int.from_bytes(frames[-1][:NUMBER_BYTES], "big")
        self.received += 1
        if number <= self.last or not self.person.wants(number):
            self.disorder += 1
            return
        expected = self.expected
        if number != expected:
            last = number - 1
            while not self.person.wants(last):
                last -= 1
            count = self.person.wanted_between(expected, number)
            self.holes.append((expected, last, count))
            self.whole_since = number
        self.last = number
        self.expected = self.person.next_after(number)

    def add_wire(self, data: memoryview) -> int:
        """Messages as they are on the wire, for as long as each is the next that it wants.

        Returns:
            Bytes that these are; what comes then is something else, or not whole.
        """
        next_after = self.person.next_after
        count, expected = 0, self.expected
        whole = len(data) - len(data) % MESSAGE_BYTES
        for head, number, filling in WIRE.iter_unpack(data[:whole]):
            if number != expected or head != HEADS[number % TOPICS] or filling != FILLING:
                break
            count += 1
            self.last = number
            expected = next_after(number)
        self.expected = expected
        self.received += count
        return count * MESSAGE_BYTES

    def figures(self) -> dict[str, Any]:
        """All of it, for the process that judges."""
        return {
            "received": self.received,
            "disorder": self.disorder,
            "last": self.last,
            "closed": self.closed,
            "holes": self.holes,
            "markers": self.markers,
            "whole_since": self.whole_since,
        }
