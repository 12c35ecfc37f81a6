"""Rest: what a worker does between turns when there is nothing to do. Shell.

It *sleeps* until the publisher rings. In a flood it *naps* instead, and looks again by itself.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fanout.shm import fence
from fanout.shm import layout as at
from workers.naps import Naps

if TYPE_CHECKING:
    from fanout.shm.log import LogReader


class Rest:
    """Decides how a worker rests, and tells the publisher by its slot.

    Its mutable state: the number of the last sleep, and what is known of the flood.
    """

    def __init__(self, slot: memoryview, sleeper: memoryview, log: LogReader) -> None:
        self._naps = Naps(log.size)
        self._log = log
        self._slot = slot
        self._sleeper = sleeper
        self.fence = fence.make_fence()
        self._sleeps = time.monotonic_ns()  # no sleep is numbered as one of its predecessor's

    def wake(self) -> None:
        """The worker is awake: it need not be rung for."""
        self._sleeper[0] = 0
        self._slot[at.W_SLEEPING] = 0

    def nap(self, front: int, began: int, share: float, *, hurry: bool) -> bool:
        """Let a little time pass if messages flood in; False, at once, if they do not.

        Args:
            began: when the turn that ends now began, monotonic ns.
            share: of the log's bytes that one send carries, above 0.0, up to 1.0.
            hurry: somebody waits for the next turn.
        """
        log = self._log
        position = log.start_of(front)
        self._naps.learn(front, position, began)
        waiting = log.start_of(log.head()) - position
        pause = self._naps.pause(time.monotonic_ns() - began, waiting, share)
        if hurry or not pause:
            return False
        time.sleep(pause)
        return True

    def sleep(self, front: int) -> bool:
        """Ask to be woken by the next commit; False if there has been one meanwhile."""
        self._sleeps += 1
        self._slot[at.W_SLEEPING] = self._sleeps
        self._sleeper[0] = 1
        self.fence()
        return self._log.head() == front
