"""What workers report, and what the coordinator does about it; on its thread."""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING

from fanout.control.messages import (
    Closed,
    Connected,
    ControlError,
    Message,
    Slow,
    SnapshotDone,
    Started,
    Subscriptions,
)
from fanout.events import Event, EventKind
from fanout.reasons import Reason

if TYPE_CHECKING:
    from fanout.coordinator.coordinator import Coordinator
    from fanout.coordinator.links import WorkerLink
    from fanout.coordinator.roster import Accepted


class Reports:
    """Takes the messages of all workers; what they change belongs to the coordinator."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator: Coordinator = weakref.proxy(coordinator)  # no cycle, as in Reception

    def handle(self, link: WorkerLink, message: Message) -> None:
        """Act on one message.

        Raises:
            ControlError: it is not for a coordinator.
        """
        if isinstance(message, Subscriptions):
            self._on_subscriptions(link, message)
        elif isinstance(message, Connected):
            self._on_connected(message)
        elif isinstance(message, Closed):
            connection = self._coordinator.roster.remove(message.subscriber)
            if connection is not None:
                self.end_connection(connection, message)
        elif isinstance(message, Slow):
            self._on_slow(message)
        elif isinstance(message, SnapshotDone):
            self._coordinator.snapshots.done(message.token, link.index)
        elif isinstance(message, Started):
            self._coordinator.roster.worker_ready(link.index, time.monotonic())
            entry = self._coordinator.roster.workers[link.index]
            self._coordinator.figures.worker(entry, link.pid)
            self._coordinator.report(
                Event(EventKind.WORKER_STARTED, f"pid {message.pid}", worker=link.index)
            )
            self._coordinator.worker_started()
        else:
            raise ControlError(f"{type(message).__name__} is not for a coordinator")

    def _on_subscriptions(self, link: WorkerLink, message: Subscriptions) -> None:
        connection = self._coordinator.roster.connections.get(message.subscriber)
        if connection is None:
            return
        self._coordinator.interest.update(
            message.subscriber, link.index, message.added, message.cancelled
        )
        # Messages published before this line did not ring for the new subscription.
        link.bell.wake()
        self._coordinator.figures.subscribed(
            connection, self._coordinator.interest.subscriptions(message.subscriber)
        )

    def _on_connected(self, message: Connected) -> None:
        connection = self._coordinator.roster.connected(message.subscriber, message.version)
        if connection is not None:
            self._coordinator.figures.connected(connection)
            self._report_on(EventKind.SUBSCRIBER_CONNECTED, connection, f"ZMTP {message.version}")

    def _on_slow(self, message: Slow) -> None:
        connection = self._coordinator.roster.connections.get(message.subscriber)
        if connection is None:
            return
        kind = EventKind.SUBSCRIBER_RECOVERED if message.recovered else EventKind.SUBSCRIBER_SLOW
        cause = None if message.recovered else Reason.LAG
        self._report_on(kind, connection, message.reason, message.dropped, cause)

    def end_connection(self, connection: Accepted, closed: Closed) -> None:
        """Forget a connection, and book and report its end."""
        self._coordinator.interest.forget(connection.subscriber)
        descriptor = self._coordinator.descriptors.pop(connection.subscriber, None)
        if descriptor is not None:
            self._coordinator.reception.shut(descriptor)
        self._coordinator.figures.ended(connection, closed)
        kind = EventKind.SUBSCRIBER_EVICTED if closed.evicted else EventKind.SUBSCRIBER_DISCONNECTED
        self._report_on(kind, connection, closed.reason, closed.dropped, Reason.of(closed.cause))

    def _report_on(
        self,
        kind: EventKind,
        connection: Accepted,
        reason: str,
        dropped: int = 0,
        cause: Reason | None = None,
    ) -> None:
        self._coordinator.report(
            Event(
                kind,
                reason,
                subscriber=connection.subscriber,
                peer=connection.peer,
                worker=connection.worker,
                dropped=dropped,
                cause=cause,
            )
        )
