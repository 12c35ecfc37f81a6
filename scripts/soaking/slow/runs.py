"""The runs without a hole that a subscriber has received, and what they are of. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from soaking.slow.people import Person


class Run(NamedTuple):
    """All that it wants of these numbers has come: from `first` up to, not including, `stop`."""

    first: int
    stop: int


class Runs:
    """What came, by number: what is between the holes.

    Args:
        heard: the figures of a `Heard`.
    """

    def __init__(self, person: Person, heard: Mapping[str, Any]) -> None:
        self._person = person
        holes = [(first, last) for first, last, _ in heard["holes"]]
        firsts = [0, *(last + 1 for _, last in holes)]
        stops = [*(first for first, _ in holes), heard["last"] + 1]
        self.all = [Run(first, stop) for first, stop in zip(firsts, stops, strict=True)]
        self.holes = holes
        self.hole_times: list[float] = heard["hole_times"]

    def below(self, number: int) -> int:
        """How many messages have come that are older than this one."""
        between = self._person.wanted_between
        return sum(between(first, min(stop, number)) for first, stop in self.all)

    def at(self, place: int) -> int:
        """The number of the message that has come so many after the first; -1 = none has."""
        for first, stop in self.all:
            count = self._person.wanted_between(first, stop)
            if place < count:
                return self._person.wanted_after(first, place)
            place -= count
        return -1
