"""Grace: how long `close()` waits beyond the time that it was given. Pure, but for the waiting.

It does so for each thread of ours that is to end: the coordinator, and those of `ingest()` and
`answer()`.

That time is the user's. What comes on top of it is for a thread that hangs, so it is counted from
the last sign that it gets on: on a machine that is three times slower the end takes three times as
long, and what was delivered is told all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds without a step of our thread, past its timeout, after which close() returns. More than the
# end of a coordinator needs if its workers hang: to be killed (1 s), to go (1 s), to be counted
# (0.5 s) and reaped (1 s), each of which is a step. Others end in milliseconds.
END_GRACE = 5.0
END_GRACES = 3  # of these at most, while it takes steps
LOOKS = 10  # in one of them


class Waited(Protocol):
    """A thread."""

    def join(self, timeout: float) -> None:
        """Wait for its end, at most so many seconds."""
        ...

    def is_alive(self) -> bool:
        """Whether it has not ended."""
        ...


def wait_for_end(thread: Waited, steps: Callable[[], int], seconds: float) -> bool:
    """Wait for a thread that is to end within so many seconds; returns whether it has ended.

    Args:
        steps: how many it has taken.
    """
    if thread.is_alive():
        thread.join(seconds)
    seen, still = steps(), 0
    for _ in range(END_GRACES * LOOKS):
        if not thread.is_alive() or still == LOOKS:
            break
        thread.join(END_GRACE / LOOKS)
        before, seen = seen, steps()
        still = still + 1 if seen == before else 0
    return not thread.is_alive()
