"""A clock for parts of turns that passes a little with each look at it."""

from __future__ import annotations

from fanout.workers.stream.turn_part import TurnPart


class Ticking:
    """Monotonic ns.

    Attributes:
        now: the time; each look moves it by `step`.
        signs: the times of the signs of life.
    """

    def __init__(self, step: int = 1) -> None:
        self.now = 0
        self.step = step
        self.signs: list[int] = []

    def look(self) -> int:
        self.now += self.step
        return self.now

    def part(self, looks: int) -> TurnPart:
        """A part that is over after so many looks, begun again by `begin()`."""
        return TurnPart(self.look, self.signs.append, looks * self.step)
