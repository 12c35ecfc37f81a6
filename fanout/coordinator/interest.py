"""Who wants what: all subscriptions of all subscribers, as the coordinator knows them.

Matching is by prefix on the first frame: a dict from prefix to workers and their subscribers,
looked up once for each distinct length of a prefix. The workers match for delivery; this answers
questions about topics and says which workers a message concerns.

There is no lock. A reader in a user's thread may be interrupted anywhere, by Ctrl-C for one, and
would leave a lock behind that the coordinator waits for. So the one writer counts a generation,
which is odd during a change, and a reader that finds it changed reads again.
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import chain
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
        self._wanted: dict[bytes, dict[int, set[int]]] = {}  # prefix -> worker -> subscribers
        self._subscribed = 0  # subscribers with any subscription
        self._lengths: dict[int, int] = {}  # length of a prefix -> how many prefixes have it

    def update(
        self, subscriber: int, worker: int, added: Iterable[bytes], cancelled: Iterable[bytes]
    ) -> None:
        """Apply a change that a worker reported; unknown cancellations have no effect."""
        with self._change():
            new, given_up = set(added), set(cancelled)
            self._workers[subscriber] = worker
            mine = self._prefixes.setdefault(subscriber, set())
            self._subscribed -= bool(mine)
            given_up &= mine
            mine -= given_up
            self._take(given_up, subscriber, worker)
            new -= mine
            mine |= new
            self._put(new, subscriber, worker)
            self._subscribed += bool(mine)

    def forget(self, subscriber: int) -> None:
        """The subscriber is gone, with all its subscriptions."""
        with self._change():
            worker = self._workers.pop(subscriber, None)
            if worker is None:
                return
            mine = self._prefixes.pop(subscriber)
            self._subscribed -= bool(mine)
            self._take(mine, subscriber, worker)

    def workers_for(self, topic: bytes) -> set[int] | None:
        """Workers that have a subscriber for a message on `topic`; None = being changed.

        It looks once and never waits, for it is asked on the send path.
        """
        return self._try(
            lambda: {w for prefix in self._matching(topic) for w in self._wanted[prefix]}
        )

    def count(self, topic: bytes | None) -> int:
        """Subscribers that would receive a message on `topic`; with any subscription if None."""
        return self._read(lambda: self._count(topic))

    def subscriptions(self, subscriber: int) -> int:
        """How many distinct subscriptions this subscriber has."""
        return self._read(lambda: len(self._prefixes.get(subscriber, ())))

    def __contains__(self, subscriber: int) -> bool:
        """Whether it has ever subscribed; the coordinator's thread."""
        return subscriber in self._prefixes

    def prefixes(self, subscriber: int) -> frozenset[bytes]:
        """Its subscriptions; the coordinator's thread."""
        return frozenset(self._prefixes.get(subscriber, ()))

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
        matching = [self._wanted[prefix].values() for prefix in self._matching(topic)]
        if len(matching) == 1:  # no subscriber has two workers
            return sum(map(len, matching[0]))
        return len(set().union(*chain.from_iterable(matching)))

    def _matching(self, topic: bytes) -> Iterator[bytes]:
        # The shorter of the two: subscribers choose the lengths, and must not slow publish().
        few = len(self._lengths) <= len(topic)
        for length in self._lengths if few else range(len(topic) + 1):
            if length <= len(topic) and (prefix := topic[:length]) in self._wanted:
                yield prefix

    def _put(self, prefixes: Iterable[bytes], subscriber: int, worker: int) -> None:
        wanted = self._wanted
        for prefix in prefixes:
            workers = wanted.get(prefix)
            if workers is None:
                wanted[prefix] = {worker: {subscriber}}
                self._lengths[len(prefix)] = self._lengths.get(len(prefix), 0) + 1
            elif worker in workers:
                workers[worker].add(subscriber)
            else:
                workers[worker] = {subscriber}

    def _take(self, prefixes: Iterable[bytes], subscriber: int, worker: int) -> None:
        for prefix in prefixes:
            workers = self._wanted[prefix]
            workers[worker].remove(subscriber)
            if workers[worker]:
                continue
            del workers[worker]
            if not workers:
                del self._wanted[prefix]
                self._lengths[len(prefix)] -= 1
                if not self._lengths[len(prefix)]:
                    del self._lengths[len(prefix)]
