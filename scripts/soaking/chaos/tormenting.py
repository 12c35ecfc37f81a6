"""Does what was chosen to the workers of a publisher, and notes it. The publishing thread."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from fanout.errors import FanoutError
from fanout.observe.attach import attach
from fanout.shm.worker_slot import WorkerState
from soaking.chaos.faults import Faults, Worker
from soaking.chaos.people import index_of
from soaking.chaos.silence import Window

if TYPE_CHECKING:
    import random
    import signal
    from collections.abc import Callable

    from fanout import Publisher
    from soaking.chaos.faults import Event


class Tormentor:
    """Hits workers at the times that `Faults` chooses.

    Args:
        tell: is told of each thing that has happened, once the next one does.

    Attributes:
        counts: hits and calls, by kind.
    """

    def __init__(
        self,
        publisher: Publisher,
        rng: random.Random,
        tell: Callable[[Window], None],
        calls: dict[str, Callable[[], object]],
    ) -> None:
        self._publisher = publisher
        self._reader = attach(os.getpid())
        self._faults = Faults(rng, publisher.options.worker_count, tuple(calls))
        self._tell = tell
        self._calls = calls
        self._thread: threading.Thread | None = None
        self._open: tuple[str, int, tuple[int, ...]] | None = None
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []

    @property
    def faults(self) -> int:
        """How many there were."""
        return sum(self.counts.values())

    def begin(self, when: float) -> None:
        """The first one is then."""
        self._faults.next_at = when

    def turn(self, now: float) -> None:
        """Do what is due."""
        if now < self._faults.when:
            return
        event = self._faults.due(now, self._workers())
        if event is None:
            return
        hit = {hit.worker.index for hit in event.hits}
        if event.what and not event.call:
            self._begin(event.what, self._served_by(hit))
        elif event.call:
            self._begin(event.what, self._served_by(None))
        for one in event.hits:
            self._hit(one.worker.pid, one.by)
        if event.call:
            self._call(event)

    def _workers(self) -> list[Worker]:
        states = (WorkerState.READY, WorkerState.STARTING)
        return [
            Worker(row.index, row.pid, row.state is WorkerState.READY, row.subscribers)
            for row in self._reader.workers()
            if row.pid and row.state in states
        ]

    def _served_by(self, workers: set[int] | None) -> tuple[int, ...]:
        """Whom these have; None = all."""
        rows = self._reader.subscribers()
        some = [index_of(row) for row in rows if workers is None or row.worker in workers]
        return tuple(index for index in some if index is not None)

    def _hit(self, pid: int, by: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, by)
            self.counts[by.name] += 1

    def _call(self, event: Event) -> None:
        """In a thread: it may wait for workers that are killed meanwhile."""
        if self._thread is not None and self._thread.is_alive():
            return
        self.counts[event.call] += 1
        self._thread = threading.Thread(target=self._run, args=(self._calls[event.call],))
        self._thread.start()

    def _run(self, call: Callable[[], object]) -> None:
        try:
            call()
        except FanoutError as error:
            self.failures.append(f"{type(error).__name__}: {error}")

    def _begin(self, what: str, who: tuple[int, ...]) -> None:
        now = time.monotonic_ns()
        self._close(now)
        self._open = what, now, who

    def _close(self, now: int) -> None:
        if self._open is not None:
            what, begin, who = self._open
            self._tell(Window(what, begin, now, who))
        self._open = None

    def stop(self) -> None:
        """Nothing more happens; what was begun ends."""
        self._close(time.monotonic_ns())
        if self._thread is not None:
            self._thread.join()
