"""What one subscriber has heard: which numbers are missing, and what it was told of them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgpack

from soaking.slow.people import NUMBER_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from soaking.slow.people import Person

GAP = b"\0fanout.gap"


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
        expected = self.person.next_after(self.last)
        if number != expected:
            last = number - 1
            while not self.person.wants(last):
                last -= 1
            count = self.person.wanted_between(expected, number)
            self.holes.append((expected, last, count))
            self.whole_since = number
        self.last = number

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
