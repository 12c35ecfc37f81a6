"""Areas: which process of a worker writes to which spill area. Shell around shared memory.

What records of a lost process point to is read by who goes on with its subscribers. So its area is
not given to another process before all of them do, or are ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fanout.coordinator.takeovers import Takeovers
    from fanout.shm.segment import Segment

NONE = 0


class Areas:
    """Gives them out; the coordinator's thread.

    Its mutable state: which area each worker has, and those of lost processes that may be read yet.
    """

    def __init__(self, segment: Segment, takeovers: Takeovers) -> None:
        self._segment = segment
        self._takeovers = takeovers
        self._given: dict[int, int] = {}
        self._left: set[int] = set()

    def leave(self, worker: int) -> None:
        """The process of a worker has ended: what it has stored may be read yet, and is no more."""
        before = self._given.pop(worker, NONE)
        if before != NONE:
            self._left.add(before)

    def give(self, worker: int) -> int:
        """The area of a process that is to be started for this worker; NONE = there is none."""
        self.leave(worker)
        self.tidy()
        taken = self._left.union(self._given.values())
        numbers = range(1, self._segment.layout.areas + 1)
        found = next((number for number in numbers if number not in taken), NONE)
        if found != NONE:
            self._given[worker] = found
        return found

    def tidy(self) -> None:
        """Have the system take back what nobody reads any more."""
        if self._left and not self._takeovers.pending:
            layout = self._segment.layout
            for number in self._left:
                self._segment.give_back(layout.area(number), layout.area_bytes)
            self._left.clear()
