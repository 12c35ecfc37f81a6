"""When a worker dies: before any of its stores and system calls, or right after one.

Each of these is a *kill point*, which has a name. What a process has stored before it dies is
there, and nothing of what it would have stored after that.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import Counter
    from random import Random

_STORES = (
    *("S_VERSION", "a checkpoint", "a checkpoint, half of it", "S_BANK", "input acted upon"),
    *("a bank", "a bank, half of it", "S_ID", "an area", "an area, half of it"),
    *("W_TAIL", "W_RESUME", "W_FLUSHED", "W_SLEEPING", "W_WANTED_SEEN", "figures"),
)
UNIX_STORES = ("W_SENDING", "S_HANDED", "S_TAKEN", "S_TAKING")  # of who is connected by a path
_CALLS = (
    *(
        "send",
        "sent",
        "peek",
        "peek, done",
        "take",
        "take, done",
        "report",
        "report, done",
        "hear",
        "prepare",
    ),
    *("set an option", "watch", "ask", "shut down", "close"),
)
_TAKING_OVER = (
    *("prepare", "ask", "S_VERSION", "W_TAIL", "W_FLUSHED", "W_RESUME", "watch", "figures"),
    *("a bank", "a bank, half of it", "S_BANK", "close"),
    *("a checkpoint", "a checkpoint, half of it", "S_HANDED", "S_TAKEN"),
)
_GIVING_UP = (
    *("a bank", "a bank, half of it", "S_BANK", "S_VERSION", "a checkpoint", "watch", "close"),
    *("figures", "ask", "report", "report, done"),
)
# Workers die while the coordinator is between two of its stores.
OTHER_WORDS = "other words"
OF_COORDINATOR = ("H_HOLD", "H_HOLDS", "W_TAIL", "W_RESUME", OTHER_WORDS)
BESIDE = "beside the coordinator"
TAKING_OVER, GIVING_UP = "taking over", "giving up"
BETWEEN_TURNS = "between turns"
NAMED = (
    *(*_STORES, *UNIX_STORES, *_CALLS),
    *(f"{TAKING_OVER}: {name}" for name in _TAKING_OVER),
    *(f"{GIVING_UP}: {name}" for name in _GIVING_UP),
)
# So seldom passed that they have seeds of their own, see `RARE_FROM`.
RARE = (
    *("W_RESUMING", f"{TAKING_OVER}: S_TAKING", f"{TAKING_OVER}: set an option"),
    *(f"{TAKING_OVER}: an area", f"{TAKING_OVER}: an area, half of it"),
    *(f"{GIVING_UP}: an area", f"{GIVING_UP}: an area, half of it"),
    *(f"{GIVING_UP}: a checkpoint, half of it", f"{GIVING_UP}: W_RESUME"),
)
# These have seeds in which nobody dies anywhere else, see `DEVOTED_FROM`.
SOUGHT = (
    *RARE,
    *(f"{GIVING_UP}: report", f"{GIVING_UP}: report, done", f"{GIVING_UP}: figures"),
    f"{TAKING_OVER}: close",
)
# The publisher's process dies: both who publishes and the coordinator; see `dying.py`.
PUBLISHER = "the publisher"
OF_PUBLISHER = (
    *("the flag, or HEAD", "bytes of a message", "where it ends", "its topic"),
    *("H_HOLD", "H_HOLDS", "W_TAIL", "W_RESUME", OTHER_WORDS, "an action", "an order"),
    BETWEEN_TURNS,
)
CANCELLED = "a task that waits, which is cancelled"
# These have seeds of their own, see `ORPHANED_FROM`.
LAST = (CANCELLED, *(f"{PUBLISHER}: {name}" for name in OF_PUBLISHER))
# Each must be met by the seeds that are run always.
KILL_POINTS = (
    *(*NAMED, *RARE, *LAST, BETWEEN_TURNS),
    *(f"{BESIDE}: {name}" for name in OF_COORDINATOR),
)
NAMED_PART = 0.7  # of kills: at a point of a given name; else after some number of points
POINTS_MAX = 400


class Killed(BaseException):
    """Ends what a process does, wherever that is; whatever handles it has no effect any more."""


class Fate:
    """Of one process.

    Its mutable state: whether it lives, and when it is to die.

    Args:
        favourite: the name of a point at which it is to die more often than at others.
        kills: counted by the name of the point; of all processes.
        is_devoted: whether it is to die at no others.

    Attributes:
        context: what the process is about, for the names of its points.
    """

    def __init__(
        self, rng: Random, favourite: str, kills: Counter[str], *, is_devoted: bool = False
    ) -> None:
        self.is_alive = True
        self._is_devoted = is_devoted
        self.context = ""
        self._rng = rng
        self._favourite = favourite
        self._kills = kills
        self._left = math.inf  # points that it passes still
        self._name = ""  # of the points that count; empty = all

    def seal(self) -> str:
        """It is to die soon: at points of the name that is returned; empty = at any."""
        if self._is_devoted:
            self._name, self._left = self._favourite, 1
        elif self._rng.random() < NAMED_PART:
            is_favourite = self._rng.random() < 0.5
            self._name = self._favourite if is_favourite else self._rng.choice(NAMED)
            self._left = 1 if self._rng.random() < 0.7 else self._rng.randint(2, 6)
        else:
            self._name = ""
            self._left = 1 + int(POINTS_MAX ** self._rng.random())
        return self._name

    def spare(self) -> None:
        """It is to live."""
        self._left = math.inf

    def point(self, name: str) -> None:
        """The process is about to do this, or has done it.

        Raises:
            Killed: it dies here, or is dead.
        """
        if not self.is_alive:
            raise Killed
        if self._left == math.inf:
            return
        if self.context:
            name = f"{self.context}: {name}"
        if self._name and self._name != name:
            return
        self._left -= 1
        if self._left <= 0:
            self._kills[name] += 1
            self.is_alive = False
            raise Killed

    def end(self) -> None:
        """It dies between two of its turns."""
        if self.is_alive:
            self._kills[BETWEEN_TURNS] += 1
            self.is_alive = False
