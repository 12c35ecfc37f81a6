"""A stopwatch: how much of the processor each of many short pieces of work has taken. Pure.

To ask for CPU time is a system call, which takes about as long as to read from a peer that says
little. What time it is, is known without one; and no more work can be done in a while than has
passed. So what has taken a moment counts as that long. Only where it took longer, and others may
have had the processor meanwhile, CPU time is asked for; and what was counted too much before that
is then taken off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MOMENT_NS = 100_000  # as five reads; nobody else has the processor for less, mostly


class Stopwatch:
    """Measures one piece after another.

    Its mutable state: when the last one ended; the CPU time that was asked for last, and what has
    been counted since then.

    Args:
        now: monotonic ns.
        cpu: ns of CPU time that this process has taken.
    """

    __slots__ = ("_asked", "_at", "_counted", "_cpu", "_now")

    def __init__(self, now: Callable[[], int], cpu: Callable[[], int]) -> None:
        self._now = now
        self._cpu = cpu
        self._at = now()
        self._asked = cpu()
        self._counted = 0

    def skip(self) -> None:
        """What was done since then is in no lap; it counts as work for as long as it has taken."""
        now = self._now()
        self._counted += now - self._at
        self._at = now

    def lap(self) -> int:
        """Ns of work since this was asked last."""
        now = self._now()
        passed = now - self._at
        self._at = now
        if passed < MOMENT_NS:
            self._counted += passed
            return passed
        cpu = self._cpu()
        worked = cpu - self._asked - self._counted
        self._asked = cpu
        self._counted = 0
        return max(0, min(passed, worked))
