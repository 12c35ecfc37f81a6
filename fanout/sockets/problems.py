"""What goes wrong where no call could say so: a bounded channel of it. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PROBLEMS_MAX = 256  # that wait for somebody who looks; more are counted


class ProblemKind(Enum):
    """What kind of thing it is."""

    FAILED = "failed"
    """An attempt to connect has failed; there will be another."""

    LOST = "lost"
    """A connection has ended; one that was made by `connect()` is made again."""

    REFUSED = "refused"
    """A peer was not let in: a wrong socket type, an identity that is taken, or one too many."""

    UNDELIVERED = "undelivered"
    """A message was dropped: who it was for is gone, or never was there."""

    MALFORMED = "malformed"
    """What came is no request, or no reply, and was dropped."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that went wrong."""

    kind: ProblemKind

    peer: str
    """Who: an endpoint, an address, or an identity."""

    text: str
    """For people."""


class Problems:
    """Put to by any thread, taken from by any.

    Attributes:
        lost: how many were not kept, because too many waited.
        last: the newest of all, taken or not.
        tell: called with each, if somebody wants that.
    """

    def __init__(self) -> None:
        self.lost = 0
        self.last: Problem | None = None
        self.tell: Callable[[Problem], None] | None = None
        self._waiting: deque[Problem] = deque()

    def put(self, kind: ProblemKind, peer: str, text: str) -> None:
        """Keep one, or count it."""
        self.last = problem = Problem(kind, peer, text)
        if len(self._waiting) >= PROBLEMS_MAX:
            self.lost += 1
        else:
            self._waiting.append(problem)
        if self.tell is not None:
            self.tell(problem)

    def take(self) -> list[Problem]:
        """Those that wait, the oldest first."""
        taken: list[Problem] = []
        try:
            while True:
                taken.append(self._waiting.popleft())
        except IndexError:
            return taken
        except BaseException:  # an interrupt: nobody will see them
            self._waiting.extendleft(reversed(taken))
            raise
