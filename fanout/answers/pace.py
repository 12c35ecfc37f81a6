"""How long a question may take, and how much of the interpreter all of them may. Shell.

Who publishes needs the interpreter, which the thread that answers has while it works. So that works
for a millisecond or so, and then pauses for as long, in which the interpreter is free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.terms.question_terms import PAUSE_MAX_S, QUESTION_S, WORK_S

if TYPE_CHECKING:
    from collections.abc import Callable


class Pace:
    """Owned by one thread.

    Args:
        clock: seconds.
        sleep: waits for so many of them, without the interpreter.
    """

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], object]) -> None:
        self._clock = clock
        self._sleep = sleep
        self._begun = 0.0  # when the question at hand was begun
        self._since = 0.0  # until when its work is in `_worked`
        self._worked = 0.0  # seconds since the last pause
        self._until = 0.0

    def begin(self) -> None:
        """A question is answered from now on."""
        self._begun = self._since = self._clock()
        self._until = self._begun + QUESTION_S

    def end(self) -> float:
        """It is answered; returns the seconds that it took, and pauses if it is time."""
        now = self._clock()
        took = now - self._begun
        self._look(now)
        return took

    def is_over(self) -> bool:
        """Whether it has taken long enough; pauses if it is time."""
        now = self._clock()
        self._look(now)
        return now >= self._until

    def allow(self, seconds: float) -> None:
        """Let it take so much from now on."""
        self._until = max(self._until, self._clock() + seconds)

    def _look(self, now: float) -> None:
        self._worked += now - self._since
        self._since = now
        if self._worked >= WORK_S:
            self._sleep(min(self._worked, PAUSE_MAX_S))
            self._worked = 0.0
            self._since = self._clock()
