"""Rest: what a worker does between turns when there is nothing to do. Shell.

It *sleeps* until the publisher rings. In a flood it *naps* instead: it lets a little accumulate
before it looks again. A wake-up costs the publisher a system call and the worker a turn; shared by
a dozen messages they cost next to nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fanout.shm import fence
from fanout.shm import layout as at

if TYPE_CHECKING:
    from fanout.shm.log import LogReader

FLOOD_RATE = 50_000  # messages per second, from which on the worker naps
NAP = 0.0002  # seconds: ten messages at FLOOD_RATE; the least that a flood adds to their latency
NAP_RATE = 100_000  # messages per second, from which on naps grow with the rate
NAPS_MAX = 5  # times NAP: a millisecond, in which 500 messages or more fill a send
NAP_WORK = 2  # times the work of the last turn: a worker that is busy works for a third of the time
NAP_MAX = 0.005  # seconds: the most that a flood adds to the latency
NAP_MIN = 0.0001  # seconds; a system call and two switches are not worth less
SEND_BYTES = 256 * 1024  # that a send has after a nap: more makes it no cheaper for each byte
NS = 1_000_000_000


class Rest:
    """Decides how a worker rests, and tells the publisher by its slot.

    Its mutable state: the number of the last sleep, and where the last turn was, and when.
    """

    def __init__(self, slot: memoryview, sleeper: memoryview) -> None:
        self._slot = slot
        self._sleeper = sleeper
        self.fence = fence.make_fence()
        self._sleeps = time.monotonic_ns()  # no sleep is numbered as one of its predecessor's
        self._last_front = self._last_position = self._last_turn = 0

    def wake(self) -> None:
        """The worker is awake: it need not be rung for."""
        self._sleeper[0] = 0
        self._slot[at.W_SLEEPING] = 0

    def nap(self, log: LogReader, front: int, began: int, share: float) -> bool:
        """Let a little time pass if messages flood in; False, at once, if they do not.

        Not longer than it takes until there is enough for a large send.

        Args:
            began: when the turn that ends now began, monotonic ns.
            share: of the log's bytes that one send carries, 0 to 1.
        """
        position = log.start_of(front)
        arrived, size = front - self._last_front, position - self._last_position
        elapsed = max(began - self._last_turn, 1)
        self._last_front, self._last_position, self._last_turn = front, position, began
        if arrived * NS <= FLOOD_RATE * elapsed:
            return False
        by_rate = NAP * min(max(arrived * NS / (NAP_RATE * elapsed), 1), NAPS_MAX)
        by_work = NAP_WORK * (time.monotonic_ns() - began) / NS
        missing = SEND_BYTES / share - (log.start_of(log.head()) - position)
        pause = min(max(by_rate, by_work), NAP_MAX, missing * elapsed / (size * NS))
        if pause < NAP_MIN:
            return False
        time.sleep(pause)
        return True

    def sleep(self, log: LogReader, front: int) -> bool:
        """Ask to be woken by the next commit; False if there has been one meanwhile."""
        self._sleeps += 1
        self._slot[at.W_SLEEPING] = self._sleeps
        if not fence.STORES_STAY_IN_ORDER:
            self.fence()  # who finds the byte set finds the number too
        self._sleeper[0] = 1
        self.fence()
        return log.head() == front
