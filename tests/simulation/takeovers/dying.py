"""The publisher's process dies: the coordinator, which is a thread of it, and who publishes.

It may do so before any store of either, between two actions of the coordinator, before what that
says to a worker has left it, and between two turns. What was stored by then is there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tests.simulation.takeovers.fate import (
    BETWEEN_TURNS,
    OF_PUBLISHER,
    PUBLISHER,
)

if TYPE_CHECKING:
    from collections import Counter
    from random import Random

POINTS_MAX = 300


class PublisherDied(BaseException):
    """Ends what the publisher's process does, wherever that is."""


class LastFate:
    """When it dies; never, if it is not sealed.

    Args:
        favourite: the name of the point at which it is to die.
        kills: counted by the name of the point.

    Attributes:
        is_over: whether it is dead.
    """

    def __init__(self, rng: Random, favourite: str, kills: Counter[str]) -> None:
        self.is_over = False
        self._rng = rng
        self._favourite = favourite
        self._kills = kills
        self._left = math.inf  # points that it passes still
        self._name = ""  # of those that count; empty = all

    def seal(self) -> None:
        """It is to die soon."""
        if self._rng.random() < 0.7:
            self._name = self._favourite
            self._left = self._rng.choice((1, 1, 2, 5))
        else:
            self._left = 1 + int(POINTS_MAX ** self._rng.random())

    def point(self, name: str) -> None:
        """It is about to do this.

        Raises:
            PublisherDied: it dies here, or is dead.
        """
        if self.is_over:
            raise PublisherDied
        if self._left == math.inf or (self._name and self._name != name):
            return
        self._left -= 1
        if self._left <= 0:
            self._die(name)
            raise PublisherDied

    def end(self) -> None:
        """It dies between two turns, if it has not died before."""
        if not self.is_over:
            self._die(BETWEEN_TURNS)

    def _die(self, name: str) -> None:
        self.is_over = True
        known = name if name in OF_PUBLISHER else "an action"
        self._kills[f"{PUBLISHER}: {known}"] += 1
