"""The shared memory of a publisher that is not there, for who only reads it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fanout.observe.reader import Reader
from fanout.reasons import Reason
from fanout.shm.cards import Card, Identity
from fanout.shm.closed import ClosedRing, End
from fanout.shm.header import Header, PublisherState
from fanout.shm.layout import PAGE, Layout
from fanout.shm.subscriber_slot import NOTHING, SubscriberSlot
from fanout.shm.worker_slot import WorkerSlot, WorkerState
from fanout.terms.slow_policy import SlowPolicy
from tests.helpers.log import Log

if TYPE_CHECKING:
    from collections.abc import Iterable

IDENTITY = Identity(
    subscriber=1,
    worker=0,
    version="3.1",
    slow_policy=SlowPolicy(),
    since=1,
    subscriptions=1,
    peer="10.0.0.1:7",
    endpoint="tcp://10.0.0.9:5556",
)


END = End(
    subscriber=1,
    worker=0,
    opened=1,
    closed=1_000_000_001,
    reason=Reason.LEFT,
    matched=10,
    sent=5,
    dropped=3,
    discarded=2,
    kernel_bytes=70,
    peer="10.0.0.1:7",
    text="closed by the subscriber",
    drops=(1, 0, 1, 0, 0, 0),
    version="3.1",
)


class FakeSegment:
    """A segment with two workers, and whoever `connect` puts into it.

    Args:
        slots: how many subscribers it has room for.
    """

    def __init__(self, slots: int = 8) -> None:
        self.log = Log(Layout(16 * PAGE, 64, slots))
        self.segment = self.log.segment
        self.header = Header(self.segment)
        self.header.workers = 2
        self.header.name = "ticks"
        self.header.state = PublisherState.SERVING
        self.workers = [WorkerSlot(self.segment, index) for index in range(2)]
        for worker in self.workers:
            worker.release()
            worker.state = WorkerState.READY

    def connect(self, subscriber: int, slot: int, **identity: Any) -> None:
        """Somebody has this slot from now on; `identity` is what differs from IDENTITY."""
        changes = {"subscriber": subscriber, "peer": f"10.0.0.1:{subscriber}", **identity}
        Card(self.segment, slot).write(IDENTITY._replace(**changes))
        SubscriberSlot(self.segment, slot).take(subscriber)

    def count(self, slot: int, **figures: int) -> None:
        """Its worker has written down these figures of a checkpoint."""
        SubscriberSlot(self.segment, slot).checkpoint(NOTHING._replace(**figures))

    def fill(self, ids: Iterable[int]) -> None:
        """Have these ids in the slots, from the first on; each has been sent so many messages."""
        for slot, subscriber in enumerate(ids):
            self.connect(subscriber, slot)
            self.count(slot, matched=subscriber, sent=subscriber)

    def end(self, subscriber: int, **changes: Any) -> None:
        """This one has ended; `changes` is what differs from END."""
        changes = {"subscriber": subscriber, "peer": f"10.0.0.1:{subscriber}", **changes}
        ClosedRing(self.segment).add(replace(END, **changes))

    def reader(self) -> Reader:
        """One that does not wait."""
        return Reader(self.segment, lambda: None)

    def close(self) -> None:
        """Have nothing open any more."""
        self.segment.close()
