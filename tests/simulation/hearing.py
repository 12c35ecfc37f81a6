"""What a coordinator that comes late has heard of the reports of workers, and whom it has rung for.

Its thread may have to wait for a processor for many turns of the workers. Until it has acted on a
report, nobody is rung for what somebody wants by that; and it says on how many it has acted.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from fanout.control.messages import Closed, Subscriptions
from fanout.coordinator.interest import Interest
from fanout.shm.bells import wake_all
from fanout.shm.worker_slot import HOLDING, sleepers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from fanout.control.messages import Message
    from fanout.shm.bells import Bell
    from fanout.shm.segment import Segment
    from fanout.shm.worker_slot import WorkerSlot


class Hearing:
    """The coordinator's part in who is rung for what; its mutable state: what it has not heard yet.

    Args:
        slots: of the workers, in which it writes.
        step: is called between two things that it does: others have their turn.
    """

    def __init__(
        self,
        segment: Segment,
        slots: Sequence[WorkerSlot],
        bells: Sequence[Bell],
        step: Callable[[], None],
    ) -> None:
        self._sleepers = sleepers(segment, len(slots))
        self._slots = slots
        self._bells = bells
        self._step = step
        self._interest = Interest()
        self._is_busy = False
        self._coming: list[deque[Message]] = [deque() for _ in slots]

    def came(self, worker: int, report: Message) -> None:
        """A worker has reported this."""
        self._coming[worker].append(report)

    def hear(self, worker: int, most: int, head: Callable[[], int]) -> None:
        """Act on so many reports of a worker, if there are; then wake it for what it wants."""
        if self._is_busy:
            return
        self._is_busy = True
        coming = self._coming[worker]
        since = []
        count = min(most, len(coming))
        for _ in range(count):
            report = coming.popleft()
            if isinstance(report, Subscriptions):
                changed = report.added, report.cancelled
                self._interest.update(report.subscriber, worker, *changed)
                since.append(report.sequence)
            elif isinstance(report, Closed):
                self._interest.forget(report.subscriber)
        self._step()
        self._slots[worker].heard += count
        self._step()
        if any(one != head() for one in since):
            self._bells[worker].wake()
        self._is_busy = False

    def wake(self, topics: Collection[bytes]) -> None:
        """After a commit, as the publisher does: wake whom that concerns, by what was heard."""
        if HOLDING in self._sleepers.tobytes():
            wake_all(self._bells)
            return
        for topic in topics:
            for worker in self._interest.workers_for(topic):
                self._bells[worker].wake()
