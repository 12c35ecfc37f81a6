"""How long the machine itself has everybody wait: a process that goes before all others looks.

It sleeps for a moment, again and again, and notes how much later than asked for it woke up. What
makes it late makes everybody late: the machine under a virtual one that has other work, above all.
A latency that is no longer than that says nothing about a publisher.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from benchmarks.children import run_child
from soaking.figures import Histogram

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.channel import Channel, Message

STEP_NS = 5_000_000  # 200 looks a second take less than a hundredth of a core
PAUSE_NS = 10_000_000  # late by more is a pause
NS = 1_000_000_000


class Pauses:
    """What was seen: pure, times come in."""

    def __init__(self) -> None:
        self.late = Histogram()
        self.paused_ns = 0

    def woke(self, slept_ns: int) -> None:
        """A sleep of one step took so long."""
        late = slept_ns - STEP_NS
        self.late.add(late)
        if late > PAUSE_NS:
            self.paused_ns += late

    def figures(self) -> Message:
        """For the harness: the longest wait, and all pauses together, in ns."""
        longest = int(self.late.quantile(1)) if self.late.total else 0
        return {"longest_ns": longest, "paused_ns": self.paused_ns}


def _go_first() -> None:
    """Go before all other processes, as far as that is permitted."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        return
    with contextlib.suppress(OSError):
        os.nice(-20)


def main(channel: Channel, arguments: Sequence[str]) -> None:
    """Look until the harness asks what was seen."""
    del arguments
    _go_first()
    channel.send(ready=True)
    pauses = Pauses()
    while True:
        began = time.monotonic_ns()
        try:  # two requests may come at once, so that the socket alone does not tell
            request = channel.receive(STEP_NS / NS)
        except TimeoutError:
            pauses.woke(time.monotonic_ns() - began)
            continue
        match request["do"]:
            case "begin":
                pauses = Pauses()
            case "end":
                channel.send(**pauses.figures())
            case other:
                raise ValueError(f"no request {other!r}")


if __name__ == "__main__":
    run_child(main)
