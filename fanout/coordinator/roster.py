"""Who serves whom: workers, connections and slots; what to start, refuse and give up. Pure.

Methods change the roster in one step and return what has to be done; the coordinator does it.

A worker is STARTING until it has said that it serves, READY until it is lost, and then WAITING for
its back-off to pass, or GONE when it failed too often in a row.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from fanout.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

BACKOFF_FIRST = 0.1  # seconds until a lost worker is started again; doubles with each failure
BACKOFF_MAX = 10.0  # seconds; a machine out of memory gets time to recover
FAILURES_MAX = 5  # failures in a row after which a worker is given up
STABLE_AFTER = 30.0  # seconds of service after which earlier failures are forgotten


class WorkerState(enum.Enum):
    """Where a worker is in its life."""

    STARTING = "starting"
    READY = "ready"
    WAITING = "waiting"
    GONE = "gone"


@dataclass(slots=True)
class WorkerEntry:
    """One worker as the roster sees it."""

    index: int
    state: WorkerState = WorkerState.STARTING
    connections: set[int] = field(default_factory=set)
    restarts: int = 0
    failures: int = 0  # in a row
    ready_since: float = 0.0
    start_at: float = 0.0  # when WAITING: the time to start it again


@dataclass(slots=True)
class Accepted:
    """One accepted connection; `version` is None until its handshake is done."""

    subscriber: int
    slot: int
    worker: int
    peer: str
    endpoint: str
    protocol: str  # what its listener speaks
    version: str | None = None


class Refusal(NamedTuple):
    """Why a connection is not served: the reason, and in words with the figures of this case."""

    cause: Reason
    text: str


class Roster:
    """All workers and connections of a publisher.

    Its mutable state: the workers, the connections, the free slots, and the next subscriber id.

    Args:
        workers: how many, 1 or more.
        max_subscribers: slots, and thereby connections at once.
        max_half_open: connections at once that have not finished their handshake.
    """

    def __init__(self, workers: int, max_subscribers: int, max_half_open: int) -> None:
        self.workers = [WorkerEntry(index) for index in range(workers)]
        self.connections: dict[int, Accepted] = {}
        self.half_open = 0
        self._max_half_open = max_half_open
        self._free_slots = list(range(max_subscribers - 1, -1, -1))
        self._next_id = 1

    @property
    def broken(self) -> bool:
        """Whether every worker was given up."""
        return all(worker.state is WorkerState.GONE for worker in self.workers)

    @property
    def all_ready(self) -> bool:
        """Whether every worker serves."""
        return all(worker.state is WorkerState.READY for worker in self.workers)

    def admit(
        self, peer: str, endpoint: str, protocol: str, loads: Sequence[int]
    ) -> Accepted | Refusal:
        """Give a new connection a slot and the least loaded worker, or say why it is refused.

        Args:
            loads: the measured load of each worker, in thousandths of a core.
        """
        if self.half_open >= self._max_half_open:
            text = f"{self.half_open} connections are in their handshake (max_half_open)"
            return Refusal(Reason.HALF_OPEN, text)
        if not self._free_slots:
            text = f"{len(self.connections)} connections are open (max_subscribers)"
            return Refusal(Reason.FULL, text)
        ready = [w for w in self.workers if w.state is WorkerState.READY]
        if not ready:
            return Refusal(Reason.NO_WORKER, Reason.NO_WORKER.text)
        # Loads within a tenth of a core are equal: measured noise must not decide.
        chosen = min(ready, key=lambda w: (loads[w.index] // 100, len(w.connections)))
        connection = Accepted(
            self._next_id, self._free_slots.pop(), chosen.index, peer, endpoint, protocol
        )
        self._next_id += 1
        self.connections[connection.subscriber] = connection
        chosen.connections.add(connection.subscriber)
        self.half_open += 1
        return connection

    def connected(self, subscriber: int, version: str) -> Accepted | None:
        """Its handshake is done; None if it is not known (any more)."""
        connection = self.connections.get(subscriber)
        if connection is not None and connection.version is None:
            connection.version = version
            self.half_open -= 1
        return connection

    def remove(self, subscriber: int) -> Accepted | None:
        """The connection is closed; its slot is free. None if it was not known (any more)."""
        connection = self.connections.pop(subscriber, None)
        if connection is None:
            return None
        self.workers[connection.worker].connections.discard(subscriber)
        self._free_slots.append(connection.slot)
        if connection.version is None:
            self.half_open -= 1
        return connection

    def worker_ready(self, index: int, now: float) -> None:
        """The worker has said that it serves."""
        worker = self.workers[index]
        worker.state = WorkerState.READY
        worker.ready_since = now

    def worker_lost(self, index: int, now: float) -> list[Accepted]:
        """The worker has ended; returns the connections that it had, which are removed.

        It becomes WAITING until `start_at`, or GONE.
        """
        worker = self.workers[index]
        if worker.state is WorkerState.READY and now - worker.ready_since >= STABLE_AFTER:
            worker.failures = 0
        worker.failures += 1
        if worker.failures > FAILURES_MAX:
            worker.state = WorkerState.GONE
        else:
            worker.state = WorkerState.WAITING
            delay = BACKOFF_FIRST * 2 ** (worker.failures - 1)
            worker.start_at = now + min(delay, BACKOFF_MAX)
        lost = [self.connections[subscriber] for subscriber in sorted(worker.connections)]
        for connection in lost:
            self.remove(connection.subscriber)
        return lost

    def due(self, now: float) -> list[int]:
        """Workers to start now; they are STARTING when this returns."""
        starting = [w for w in self.workers if w.state is WorkerState.WAITING and w.start_at <= now]
        for worker in starting:
            worker.state = WorkerState.STARTING
            worker.restarts += 1
        return [worker.index for worker in starting]

    def next_due(self) -> float | None:
        """When `due()` will next return something, None if never."""
        times = [w.start_at for w in self.workers if w.state is WorkerState.WAITING]
        return min(times, default=None)
