"""What one may lose by `drop_newest`, from what it was handed when, and what was published by then.

Who is over its limits gets what fits into them, and loses what comes until it has got all of that.
So the first message that it misses did not fit, beside what was not handed to it yet; and each was
published before it had got the last one that it gets.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING

from tests.simulation.policies import NONE, Behind, is_over

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulation.policies import Rules
    from tests.simulation.takeovers.published import Publisher
    from tests.simulation.takeovers.timed import Timed


class Finishing:
    """Of one subscriber.

    Its mutable state: what it has got, what else may have waited for it, and when others went on.
    """

    def __init__(self, handed: Timed, publisher: Publisher) -> None:
        self._handed = handed
        self._publisher = publisher
        self._numbers: list[int] = []
        self._ends: list[int] = []  # bytes of its stream up to the end of each
        self._waited: list[int] = []
        self._gone_on: list[tuple[int, int]] = []

    def got(self, number: int, end: int) -> None:
        """It has got this message, which ends there in its stream."""
        self._numbers.append(number)
        self._ends.append(end)

    def waited(self, number: int) -> None:
        """It misses this one for another reason, and it may have waited for it before."""
        insort(self._waited, number)

    def went_on(self) -> None:
        """Another worker goes on: what comes until then is lost for one that was losing it."""
        self._gone_on.append((self._handed.count, self._publisher.head))

    def may_begin(
        self, number: int, rules: Rules, *, plain: bool, beside: Sequence[int] = ()
    ) -> bool:
        """Whether it may lose this message first, after those that it has got.

        Args:
            plain: whether its messages are as they lie in the log.
            beside: what waited for it, too, and that it has not got yet.
        """
        publisher = self._publisher
        at = self._handed_by_then()
        first = self._numbers[at - 1] + 1 if at else 0
        waited = self._waited[bisect_left(self._waited, first) :]
        waiting = [*self._numbers[at:], *waited, *beside]
        if not waiting:
            return False  # what comes to who has everything is not lost
        waiting.append(number)
        size = sum(len(publisher.messages[one].wire) for one in waiting)
        end = self._handed.time_of(self._ends[-1]) if self._ends else self._handed.now()
        age = end - publisher.times[min(waiting)]
        lag = Behind(size if plain else NONE - 1, len(waiting), age, 0, 0)
        return is_over(lag, rules.limits._replace(age=rules.kept.age))

    def _handed_by_then(self) -> int:
        """Of what it has got, how many it had been handed whole when the last of it had come.

        It was not judged before that: what fitted into its limits had come.
        """
        if not self._numbers:
            return 0
        before = self._handed.count_before(self._numbers[-1])
        return bisect_right(self._ends, before)

    def may_go_on(self, number: int, end: float = math.inf) -> bool:
        """Whether this one was published while it may have been losing what comes.

        Args:
            end: of what it is handed next.
        """
        done = self._ends[-1] if self._ends else 0
        gone_on = [head for count, head in self._gone_on if done <= count < end]
        return number < max([self._handed.head_at(done) if done else 0, *gone_on])
