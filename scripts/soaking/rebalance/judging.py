"""Whether the loads of workers have become equal in time, and whether all is still then. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

WINDOW_S = 5.0  # over which a load is measured
MOST = 0.2  # of the greatest load, that the least may differ from it


@dataclass
class Found:
    """What a run has shown; times are seconds since the first message.

    Attributes:
        looks: when the processor time of all workers was read, and those times, in seconds.
        moves: when somebody was moved.
        within: by then the loads are to be equal, and remain so.
        placed: heavy ones of each worker in the end.
        published: messages.
        wrong: what else was not as it must be.
    """

    within: float
    looks: list[tuple[float, list[float]]] = field(default_factory=list)
    moves: list[float] = field(default_factory=list)
    placed: list[int] = field(default_factory=list)
    published: int = 0
    wrong: list[str] = field(default_factory=list)

    def loads(self, since: float, until: float) -> list[float]:
        """Of each worker in that time, in cores; empty = that was not looked at."""
        inside = [look for look in self.looks if since <= look[0] <= until]
        if len(inside) < 2:
            return []
        (began, first), (ended, last) = inside[0], inside[-1]
        return [(b - a) / (ended - began) for a, b in zip(first, last, strict=True)]

    @property
    def first_difference(self) -> float:
        """Before the first move."""
        return difference(self.loads(0.0, min(self.moves, default=WINDOW_S)))

    @property
    def later_difference(self) -> float:
        """In the first window after the time by which the loads are to be equal."""
        return difference(self.loads(self.within, self.within + WINDOW_S))

    @property
    def late_moves(self) -> list[float]:
        """After that window."""
        return [at for at in self.moves if at > self.within + WINDOW_S]

    def complaints(self) -> list[str]:
        """What is not as it must be; empty = all is well."""
        found = list(self.wrong)
        if not self.moves:
            found.append("nobody was moved")
        if not self.later_difference < MOST:
            text = f"after {self.within:g} s the loads differ by {self.later_difference:.0%}"
            found.append(f"{text}: {self.loads(self.within, self.within + WINDOW_S)}")
        if self.late_moves:
            found.append(f"it is not still: somebody is moved after {self.late_moves} s")
        return found


def difference(loads: list[float]) -> float:
    """As a part of the greatest; 1 = that is not known."""
    if not loads or not max(loads):
        return 1.0
    return (max(loads) - min(loads)) / max(loads)
