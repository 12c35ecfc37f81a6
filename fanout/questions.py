"""Questions to a running publisher, and waiting for its answers; any thread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fanout.arguments import check_count, check_timeout
from fanout.coordinator.figures import snapshot
from fanout.statistics import (
    PublisherStatistics,
    SubscriberStatistics,
    Undelivered,
    WorkerStatistics,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fanout.coordinator.coordinator import Coordinator
    from fanout.shm.log import LogWriter

REFRESH_TIMEOUT = 1.0  # seconds for the workers to bring their slots up to date; then as they are
INTEREST_POLL = 0.002  # seconds between looks at whether a subscription has come
DRAIN_POLL = 0.002  # seconds between looks at the workers' flushed words


class Watcher:
    """Reads what the coordinator and the workers' slots say; owns nothing."""

    def __init__(
        self, coordinator: Coordinator, log: LogWriter, check_gate: Callable[[], None]
    ) -> None:
        self._coordinator = coordinator
        self._log = log
        self._check_gate = check_gate  # raises why nothing can be sent any more

    def wait_for_subscribers(self, count: int, topic: bytes | None, timeout: float | None) -> None:
        """See `Publisher.wait_for_subscribers()`."""
        for pause in self.pauses_until(count, topic, timeout):
            time.sleep(pause)

    def pauses_until(
        self, count: int, topic: bytes | None, timeout: float | None
    ) -> Iterator[float]:
        """As `wait_for_subscribers`, but the caller does the waiting: seconds each time."""
        check_count(count)
        check_timeout(timeout)
        interest = self._coordinator.state.interest
        deadline = None if timeout is None else time.monotonic() + timeout
        seen = -1
        found = 0
        while True:
            self._check_gate()
            generation = interest.generation
            if generation != seen:
                seen = generation
                found = interest.count(topic)
            if found >= count:
                return
            remaining = INTEREST_POLL if deadline is None else deadline - time.monotonic()
            if remaining <= 0:
                what = "any topic" if topic is None else f"topic {topic!r}"
                raise TimeoutError(f"{found} of {count} subscribers for {what} after {timeout} s")
            yield min(remaining, INTEREST_POLL)

    def subscribers(self) -> tuple[SubscriberStatistics, ...]:
        """Every subscriber whose handshake is done, by id."""
        self._coordinator.refresh(REFRESH_TIMEOUT)
        return self._coordinator.call(self._collect)

    def statistics(self) -> PublisherStatistics:
        """Totals, with the figures of connected subscribers in them."""
        self._coordinator.refresh(REFRESH_TIMEOUT)
        # In one step: who is closed between two would be counted twice.
        return self._coordinator.call(lambda: self._total(self._collect()))

    def drain(self, timeout: float) -> tuple[Undelivered, ...]:
        """See `Publisher.drain()`."""
        target = self._log.head
        for pause in self.pauses_until_drained(target, timeout):
            time.sleep(pause)
        return self.undelivered(target)

    def pauses_until_drained(self, target: int, timeout: float) -> Iterator[float]:
        """Ends when all below `target` is delivered or the time is up; the caller does the waiting.

        Yields:
            Seconds to wait.
        """
        deadline = time.monotonic() + timeout
        for link in self._coordinator.links:
            link.bell.ring()
        while not self._is_drained(target) and time.monotonic() < deadline:
            yield DRAIN_POLL

    def undelivered(self, target: int) -> tuple[Undelivered, ...]:
        """What is queued, for each subscriber, unless all below `target` is delivered."""
        if self._is_drained(target):
            return ()
        return tuple(
            Undelivered(one.id, one.peer, one.queued, 0) for one in self.subscribers() if one.queued
        )

    def _is_drained(self, target: int) -> bool:
        return all(link.slot.flushed >= target for link in self._coordinator.links)

    def _collect(self) -> tuple[SubscriberStatistics, ...]:
        coordinator = self._coordinator
        position = self._log.position
        return tuple(
            snapshot(
                coordinator.segment,
                connection,
                coordinator.state.interest.subscriptions(connection.subscriber),
                position,
            )
            for connection in sorted(
                coordinator.state.roster.connections.values(), key=lambda c: c.subscriber
            )
            if connection.version is not None
        )

    def _total(self, live: tuple[SubscriberStatistics, ...]) -> PublisherStatistics:
        coordinator = self._coordinator
        ledger = coordinator.state.ledger
        log = self._log
        return PublisherStatistics(
            published=log.head,
            published_bytes=log.position,
            subscribers=len(live),
            accepted=ledger.accepted,
            refused=ledger.refused,
            evicted=ledger.evicted,
            disconnected=ledger.disconnected,
            failed_handshakes=ledger.failed_handshakes,
            sent=ledger.sent + sum(one.sent for one in live),
            dropped=ledger.dropped + sum(one.dropped for one in live),
            discarded=ledger.discarded,
            workers=tuple(
                WorkerStatistics(
                    link.index,
                    link.pid,
                    link.slot.subscribers,
                    coordinator.state.supervision.lives[link.index].restarts,
                )
                for link in coordinator.links
            ),
        )
