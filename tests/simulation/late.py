"""One who has missed something, on the data path: what it is sent of that, and by which rules.

What it wants of the past counts as matched when the system comes to it, as the documentation says.
So where that is, is asked of the system, and how many these are, is found here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.catching_up import CatchingUp, Log, random_since
from tests.simulation.policies import LateRules
from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from fanout.shm.header import Header
    from tests.simulation.policies import Rules
    from tests.simulation.published import History, Published


class Kept:
    """What was published, and what of that is not overwritten."""

    def __init__(self, history: History, header: Header) -> None:
        self._history = history
        self._header = header

    @property
    def messages(self) -> Sequence[Published]:
        return self._history.messages

    @property
    def floor(self) -> int:
        return self._header.floor

    def start_of(self, sequence: int) -> int:
        return self._history.start_of(sequence)


class Late:
    """Of one subscriber that subscribes once, to one prefix, and asks for what it has missed.

    Attributes:
        past: what it has missed, and is to be told of.
        own: the rules that hold for it once it has come to where it has subscribed.
        is_due: it was told that it gets that, and it does not yet.
        is_under_way: it does.
        is_unjudged: that is over, and its own rules were not looked at yet.
        uncounted: of the messages from one up to, not including, another what it wants does not
            count as matched yet.
    """

    def __init__(self, past: CatchingUp, log: Log, own: Rules) -> None:
        self.past = past
        self.own = own
        self.is_due = self.is_under_way = self.is_unjudged = False
        self.uncounted = (0, 0)
        self._log = log

    @classmethod
    def by_chance(
        cls, rng: Random, kept: Kept, log: Log, epoch: int, prefix: bytes, own: Rules
    ) -> Late:
        """One who comes now."""
        since = random_since(rng, len(kept.messages), epoch)
        return cls(CatchingUp(kept, log, since, prefix, epoch), log, own)

    @property
    def rules(self) -> Rules:
        """Those that hold for it meanwhile."""
        return LateRules(self.own, self._log.bytes, self._log.entries)

    def report(self, until: int) -> None:
        """It is said that it wants by itself what comes from this message on."""
        self.past.promise()
        self.past.begin(until)
        self.is_due = True

    def begin(self, first: int, until: int, front: int) -> list[int]:
        """It is sent what it has missed, from one message up to another; returns which.

        Args:
            front: where its worker is.
        """
        past = self.past
        require(self.is_due, "it is sent what it has not asked for, or once more")
        require(until == past.until, f"it is sent what came before {until}, not {past.until}")
        if first > past.first and past.is_let_go(first - 1, front):
            past.let_go(first)
        wanted, want = self._wanted(first, until), self._wanted(past.first, until)
        require(wanted == want, f"it is sent {wanted} of what it has missed, not {want}")
        self.is_due, self.is_under_way = False, True
        return wanted

    def _wanted(self, first: int, until: int) -> list[int]:
        past = self.past
        return [one for one in range(first, until) if past.wants(one)]

    def count(self, counted: int, stop: int) -> int:
        """What it wants below `counted` counts, and from `stop` on; returns how many more."""
        first, before = self.uncounted
        is_right = first <= counted and stop <= before
        require(is_right, f"{counted} to {stop} do not count any more, and did: {self.uncounted}")
        self.uncounted = counted, stop
        return len(self._wanted(first, before)) - len(self._wanted(counted, stop))
