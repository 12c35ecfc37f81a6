"""Who wants what: all subscriptions of all subscribers, as the coordinator knows them.

Matching is by prefix on the first frame: a dict from prefix to subscribers, looked up once for each
distinct length of a prefix. The workers match for delivery; this answers questions about topics and
says which workers a message concerns.

There is no lock. A reader in a user's thread may be interrupted anywhere, by Ctrl-C for one, and
would leave a lock behind that the coordinator waits for. So the one writer counts a generation,
which is odd during a change, and a reader that finds it changed reads again.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")


class Interest:
    """Subscriptions by prefix. The coordinator's thread changes them, any thread asks.

    Args:
        pause: lets the coordinator's thread go on, for a reader that found it in a change.

    Attributes:
        generation: differs whenever an answer may differ; odd while a change is being made.
    """

    def __init__(self, pause: Callable[[], None] = lambda: None) -> None:
        self.generation = 0
        self._pause = pause
        self._workers: dict[int, int] = {}  # subscriber -> worker
        self._prefixes: dict[int, set[bytes]] = {}  # subscriber -> its subscriptions
        self._subscribers: dict[bytes, set[int]] = {}  # prefix -> subscribers
        self._by_worker: dict[bytes, dict[int, int]] = {}  # prefix -> worker -> how many
        self._subscribed = 0  # subscribers with any subscription
        self._lengths: dict[int, int] = {}  # length of a prefix -> how many prefixes have it

    def update(
        self, subscriber: int, worker: int, added: Iterable[bytes], cancelled: Iterable[bytes]
    ) -> None:
        """Apply a change that a worker reported; unknown cancellations have no effect."""
        with self._change():
            self._workers[subscriber] = worker
            mine = self._prefixes.setdefault(subscriber, set())
            for prefix in cancelled:
                if prefix in mine:
                    mine.remove(prefix)
                    self._subscribed -= not mine
                    self._take(prefix, subscriber, worker)
            for prefix in added:
                if prefix not in mine:
                    self._subscribed += not mine
                    mine.add(prefix)
                    self._put(prefix, subscriber, worker)

    def forget(self, subscriber: int) -> None:
        """The subscriber is gone, with all its subscriptions."""
        with self._change():
            worker = self._workers.pop(subscriber, None)
            if worker is None:
                return
            mine = self._prefixes.pop(subscriber)
            self._subscribed -= bool(mine)
            for prefix in mine:
                self._take(prefix, subscriber, worker)

    def workers_for(self, topic: bytes) -> set[int] | None:
        """Workers that have a subscriber for a message on `topic`; None = being changed.

        It looks once and never waits, for it is asked on the send path.
        """
        return self._try(
            lambda: {w for prefix in self._matching(topic) for w in self._by_worker[prefix]}
        )

    def count(self, topic: bytes | None) -> int:
        """Subscribers that would receive a message on `topic`; with any subscription if None."""
        return self._read(lambda: self._count(topic))

    def subscriptions(self, subscriber: int) -> int:
        """How many distinct subscriptions this subscriber has."""
        return self._read(lambda: len(self._prefixes.get(subscriber, ())))

    @contextmanager
    def _change(self) -> Iterator[None]:
        self.generation += 1
        try:
            yield
        finally:
            self.generation += 1

    def _read(self, look: Callable[[], T]) -> T:
        """What `look` finds between two changes; a change is short, so this ends soon."""
        while (found := self._try(look)) is None:
            self._pause()
        return found

    def _try(self, look: Callable[[], T]) -> T | None:
        """What `look` finds, None if there was a change meanwhile."""
        generation = self.generation
        if generation % 2:
            return None
        try:
            found = look()
        except (RuntimeError, KeyError):  # a table was changed while it was read
            if generation == self.generation:
                raise
            return None
        return found if generation == self.generation else None

    def _count(self, topic: bytes | None) -> int:
        if topic is None:
            return self._subscribed
        matching = [self._subscribers[prefix] for prefix in self._matching(topic)]
        return len(matching[0]) if len(matching) == 1 else len(set().union(*matching))

    def _matching(self, topic: bytes) -> Iterator[bytes]:
        # Lengths come from subscribers, a topic from the publisher, who waits for the answer.
        few = len(self._lengths) <= len(topic)
        for length in self._lengths if few else range(len(topic) + 1):
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
