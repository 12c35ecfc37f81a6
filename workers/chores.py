"""Chores: what each tick does, one of them in a turn while messages wait for theirs. Pure.

Each has some milliseconds. All of them in one go were as long as a turn, and new messages waited
for both.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.workers.stream.turn_part import TurnPart
    from fanout.workers.tuning import Tuning


class Chores:
    """Does some things in order, each once for each tick.

    Its mutable state: which are left. What is left of the last tick when the next one begins is
    done once, not twice.

    Args:
        part: bounds each of them.
        chores: are told monotonic ns.
    """

    def __init__(self, part: TurnPart, tuning: Tuning, *chores: Callable[[int], None]) -> None:
        self._part = part
        self._each_ns = tuning.tick_ns
        self._chores = chores
        self._left: deque[Callable[[int], None]] = deque()

    @property
    def are_left(self) -> bool:
        """Whether some of them are still to be done for this tick."""
        return bool(self._left)

    def begin(self) -> None:
        """A tick: each is to be done."""
        self._left.extend(one for one in self._chores if one not in self._left)

    def do(self, now: int, *, one: bool) -> None:
        """Do what is left, or the first of that.

        Args:
            now: monotonic ns.
            one: somebody waits for new messages.
        """
        while self._left:
            self._part.begin(self._each_ns)
            self._left.popleft()(now)
            if one:
                return
