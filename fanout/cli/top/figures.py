"""What `top` shows, as data: a publisher, its workers, its subscribers, and their rates. Pure.

Rates of the publisher and of workers are made here, from two readings of counters; those of
subscribers come from their workers. A counter that went back, or that was not there before, has
none: None, not 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fanout.basics.units import NS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fanout.observe.rows import WorkerRow
    from fanout.statistics import ClosedSubscriber, PublisherStatistics, SubscriberStatistics


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters at one instant; those of workers by index."""

    now: int  # monotonic ns
    published: int = 0
    published_bytes: int = 0
    sent: int = 0
    dropped: int = 0
    workers: Mapping[int, tuple[int, int]] = field(default_factory=dict)  # messages, bytes sent


@dataclass(frozen=True, slots=True)
class Rates:
    """What happened each second between two readings; None = nobody can say."""

    before: Reading | None
    after: Reading

    @property
    def published(self) -> float | None:
        return self._total(lambda it: it.published)

    @property
    def published_bytes(self) -> float | None:
        return self._total(lambda it: it.published_bytes)

    @property
    def sent(self) -> float | None:
        return self._total(lambda it: it.sent)

    @property
    def dropped(self) -> float | None:
        return self._total(lambda it: it.dropped)

    def worker(self, index: int) -> tuple[float | None, float | None]:
        """Messages and bytes sent by it."""
        if self.before is None:
            return None, None
        old, new = self.before.workers.get(index), self.after.workers.get(index)
        if old is None or new is None:
            return None, None
        return self._of(old[0], new[0]), self._of(old[1], new[1])

    def _total(self, of: Callable[[Reading], int]) -> float | None:
        return None if self.before is None else self._of(of(self.before), of(self.after))

    def _of(self, old: int, new: int) -> float | None:
        if self.before is None or new < old or self.after.now <= self.before.now:
            return None
        return (new - old) * NS / (self.after.now - self.before.now)


@dataclass(frozen=True, slots=True)
class PublisherFigures:
    """The publisher as a whole."""

    name: str
    pid: int  # as seen from here
    epoch: int
    state: str
    started: float  # s since 1970
    now: float  # s since 1970
    heartbeat_age_s: float | None  # None = no sign of life yet
    poisoned: bool
    log_bytes: int
    log_used_bytes: int
    statistics: PublisherStatistics
    rates: Rates


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """One worker."""

    row: WorkerRow
    behind: int  # messages that were published and not yet looked at
    heartbeat_age_s: float | None
    messages_per_s: float | None
    bytes_per_s: float | None


@dataclass(frozen=True, slots=True)
class SubscriberFigures:
    """One subscriber."""

    statistics: SubscriberStatistics
    connected_s: float | None  # None = nobody can say


@dataclass(frozen=True, slots=True)
class EndFigures:
    """One subscriber that has ended."""

    number: int  # of the end, from 1: one that is missing between two was overwritten
    statistics: ClosedSubscriber


@dataclass(frozen=True, slots=True)
class Frame:
    """All that is shown at once: subscribers, or those that have ended."""

    publisher: PublisherFigures
    workers: Sequence[WorkerFigures]
    subscribers: Sequence[SubscriberFigures]  # those that are shown, in order
    first: int  # place of the first that is shown among those that match, from 0
    order: Sequence[int]  # ids of all that match the filter, in order
    ended: Sequence[EndFigures] | None = None  # those that are shown, the newest first

    @property
    def shown(self) -> Sequence[SubscriberFigures | EndFigures]:
        """Those of one kind or the other."""
        return self.subscribers if self.ended is None else self.ended


def age_s(then: int, now: int) -> float | None:
    """Seconds since a monotonic time; None for one that never was."""
    return max(0, now - then) / NS if then else None
