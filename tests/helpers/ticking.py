"""A clock for budgets that passes a little with each look at it."""

from __future__ import annotations

from fanout.workers.stream.budget import Budget


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

    def budget(self, looks: int) -> Budget:
        """A budget that is over after so many looks, begun again by `begin()`."""
        return Budget(self.look, self.signs.append, looks * self.step)
