"""Who wants what: all subscriptions of all subscribers, as the coordinator knows them.

Matching is by prefix on the first frame: a dict from prefix to subscribers, looked up once for each
distinct length of a prefix. The workers match for delivery; this answers questions about topics and
says which workers a message concerns.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Interest:
    """Subscriptions by prefix. Thread-safe; `changed` is notified after each change.

    Attributes:
        changed: the condition that guards everything here; wait on it for changes.
        generation: differs whenever an answer may differ; read it without the lock.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.generation = 0
        self._workers: dict[int, int] = {}  # subscriber -> worker
        self._prefixes: dict[int, set[bytes]] = {}  # subscriber -> its subscriptions
        self._subscribers: dict[bytes, set[int]] = {}  # prefix -> subscribers
        self._by_worker: dict[bytes, dict[int, int]] = {}  # prefix -> worker -> how many
        self._lengths: dict[int, int] = {}  # length of a prefix -> how many prefixes have it

    def update(
        self, subscriber: int, worker: int, added: Iterable[bytes], cancelled: Iterable[bytes]
    ) -> None:
        """Apply a change that a worker reported; unknown cancellations have no effect."""
        with self.changed:
            self._workers[subscriber] = worker
            mine = self._prefixes.setdefault(subscriber, set())
            for prefix in cancelled:
                if prefix in mine:
                    mine.remove(prefix)
                    self._take(prefix, subscriber, worker)
            for prefix in added:
                if prefix not in mine:
                    mine.add(prefix)
                    self._put(prefix, subscriber, worker)
            self.generation += 1
            self.changed.notify_all()

    def forget(self, subscriber: int) -> None:
        """The subscriber is gone, with all its subscriptions."""
        with self.changed:
            worker = self._workers.pop(subscriber, None)
            if worker is None:
                return
            for prefix in self._prefixes.pop(subscriber):
                self._take(prefix, subscriber, worker)
            self.generation += 1
            self.changed.notify_all()

    def workers_for(self, topic: bytes) -> tuple[int, ...]:
        """Workers that have a subscriber for a message on `topic`."""
        with self.changed:
            found = {w for prefix in self._matching(topic) for w in self._by_worker[prefix]}
        return tuple(found)

    def count(self, topic: bytes | None) -> int:
        """Subscribers that would receive a message on `topic`; with any subscription if None."""
        with self.changed:
            if topic is None:
                return sum(1 for prefixes in self._prefixes.values() if prefixes)
            matching = [self._subscribers[prefix] for prefix in self._matching(topic)]
            return len(matching[0]) if len(matching) == 1 else len(set().union(*matching))

    def subscriptions(self, subscriber: int) -> int:
        """How many distinct subscriptions this subscriber has."""
        with self.changed:
            return len(self._prefixes.get(subscriber, ()))

    def _matching(self, topic: bytes) -> Iterator[bytes]:
        for length in self._lengths:
            if length <= len(topic) and (prefix := topic[:length]) in self._subscribers:
                yield prefix

    def _put(self, prefix: bytes, subscriber: int, worker: int) -> None:
        if prefix not in self._subscribers:
            self._lengths[len(prefix)] = self._lengths.get(len(prefix), 0) + 1
        self._subscribers.setdefault(prefix, set()).add(subscriber)
        workers = self._by_worker.setdefault(prefix, {})
        workers[worker] = workers.get(worker, 0) + 1

    def _take(self, prefix: bytes, subscriber: int, worker: int) -> None:
        workers = self._by_worker[prefix]
        workers[worker] -= 1
        if not workers[worker]:
            del workers[worker]
        subscribers = self._subscribers[prefix]
        subscribers.remove(subscriber)
        if not subscribers:
            del self._subscribers[prefix], self._by_worker[prefix]
            self._lengths[len(prefix)] -= 1
            if not self._lengths[len(prefix)]:
                del self._lengths[len(prefix)]
