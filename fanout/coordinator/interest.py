"""Who wants what: all subscriptions of all subscribers, as the coordinator knows them.

Matching is by prefix on the first frame, in a `PrefixTable`. The workers match for delivery; this
answers questions about topics and says which workers a message concerns.

It lives in the user's process and is filled by strangers, so it is small: for each prefix there is
a number, which says how many subscribers of each worker want it. And it is filled by storms: what
is in a report is added to these numbers as a whole. Who the subscribers are, each one's own list
says; that is looked through when somebody asks for how many a topic has that begins with several
prefixes, which is not on the send path.

Who is gone counts no more, at once; but to take a long list out takes long, and others wait
meanwhile, the user's own threads too. So that is done a few prefixes at a time (`take_out()`).

There is no lock. A reader in a user's thread may be interrupted anywhere, by Ctrl-C for one, and
would leave a lock behind that the coordinator waits for. So the one writer counts a generation,
which is odd during a change, and a reader that finds it changed reads again. The send path need not
even do that: what it reads in the middle of a change is never wrong for long, see `workers_for()`.
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import repeat
from operator import and_
from typing import TYPE_CHECKING, TypeVar

from fanout.shm.prefix_counts import PrefixCounts
from fanout.shm.prefix_table import cut_off

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

T = TypeVar("T")

TAKEN_AT_ONCE = 1_000  # short prefixes of a list that is taken out: some 0.5 ms
COUNT_BITS = 24  # of each worker in the number of a prefix: more subscribers than there may be
_COUNT = (1 << COUNT_BITS) - 1
# Of memory, measured:
PAIR_BYTES = 90  # for a subscriber and one prefix that it wants, beside the length of that
PREFIX_BYTES = 50  # for each different prefix, whoever wants it


class Interest:
    """Subscriptions by prefix. The coordinator's thread changes them, any thread asks.

    Args:
        pause: lets the coordinator's thread go on, for a reader that found it in a change.

    Attributes:
        generation: differs whenever an answer may differ; odd while a change is being made.
        routes: differs whenever an answer of `workers_for()` may differ.
        kept_bytes: about what all this takes in memory.
        leaving_bytes: of that, what those have taken who are gone, and is to be taken out.
    """

    def __init__(self, pause: Callable[[], None] = lambda: None) -> None:
        self.generation = 0
        self.routes = 0
        self.kept_bytes = 0
        self.leaving_bytes = 0
        self._pause = pause
        self._workers: dict[int, int] = {}  # subscriber -> worker
        # subscriber -> its subscriptions, which are the keys: a dict is half as large as a set.
        self._prefixes: dict[int, dict[bytes, None]] = {}
        self._sizes: dict[int, int] = {}  # subscriber -> bytes of these together
        self._leaving: dict[int, list[bytes]] = {}  # subscriber that is gone -> what is left
        self._wanted = PrefixCounts()
        self._subscribed = 0  # subscribers with any subscription
        self._rerouted = False  # by the change that is being made

    def update(
        self, subscriber: int, worker: int, added: Iterable[bytes], cancelled: Iterable[bytes]
    ) -> tuple[list[bytes], list[bytes]]:
        """Apply a change that a worker reported; unknown cancellations have no effect.

        Returns:
            What it did not want before, and what it does not want any more.
        """
        assert subscriber not in self._leaving, "who is gone comes back under another number"
        with self._change():
            self._workers[subscriber] = worker
            mine = self._prefixes.setdefault(subscriber, {})
            self._subscribed -= bool(mine)
            taken = [prefix for prefix in dict.fromkeys(cancelled) if prefix in mine]
            for prefix in taken:
                del mine[prefix]
            less = self._take(taken, worker) if taken else 0
            new = dict.fromkeys(added)
            if not mine.keys().isdisjoint(new):
                new = {prefix: None for prefix in new if prefix not in mine}
            put = list(new)
            if mine:
                mine.update(new)
            else:
                self._prefixes[subscriber] = mine = new
            more = self._put(put, worker) if put else 0
            self._sizes[subscriber] = self._sizes.get(subscriber, 0) + more - less
            self._subscribed += bool(mine)
        return put, taken

    def move(self, subscriber: int, worker: int) -> None:
        """Another worker serves it from now on."""
        with self._change():
            old = self._workers.get(subscriber)
            if old is None or old == worker:
                return
            mine = self._prefixes[subscriber]
            if mine:
                self._put(mine, worker)  # first: nobody is to be without a worker meanwhile
                self._take(mine, old)
            self._workers[subscriber] = worker

    def forget(self, subscriber: int) -> None:
        """The subscriber is gone, with all its subscriptions; a long list is then taken out."""
        with self._change():
            mine = self._prefixes.pop(subscriber, None)
            if mine is None:
                return
            self._subscribed -= bool(mine)
            self._leaving[subscriber] = names = list(mine)
            size = self._sizes.pop(subscriber)
            self.leaving_bytes += size + (PAIR_BYTES + PREFIX_BYTES) * len(names)
        self.take_out()

    @property
    def has_leaving(self) -> bool:
        """Whether there is something to be taken out; the coordinator's thread."""
        return bool(self._leaving)

    def take_out(self, at_least: int = 0) -> None:
        """Take out some of what those wanted who are gone, short lists first.

        Args:
            at_least: so many bytes, if there are; 0 = no more than is done at once.
        """
        stop = self.kept_bytes - at_least
        while self._leaving:
            with self._change():
                subscriber, names = next(reversed(self._leaving.items()))
                some = cut_off(names, TAKEN_AT_ONCE)
                size = self._take(some, self._workers[subscriber])
                self.leaving_bytes -= size + (PAIR_BYTES + PREFIX_BYTES) * len(some)
                if not names:
                    del self._leaving[subscriber]
                    del self._workers[subscriber]
            if self.kept_bytes <= stop:
                return

    def workers_for(self, topic: bytes) -> set[int]:
        """Workers that have a subscriber for a message on `topic`.

        Those of who is gone are among them until that is taken out: they are rung for nothing.
        It looks once and never waits, for it is asked on the send path. In the middle of a change
        it may find what is neither from before nor from after it; `routes` is another one then,
        once the change is made, and only after that the worker is told to look for messages.
        """
        number, worker = 0, 0
        for one in self._wanted.matching(topic):
            number |= one
        found: set[int] = set()
        while number:
            if number & _COUNT:
                found.add(worker)
            number >>= COUNT_BITS
            worker += 1
        return found

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
        self._rerouted = False
        try:
            yield
        finally:
            self.generation += 1
            self.routes += self._rerouted  # last: who reads it then finds what has changed

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
        wanted = self._wanted
        matching = wanted.matching(topic)
        if not matching:
            return 0
        if len(matching) == 1 and not self._leaving:
            return _sum_of(matching[0])
        beginnings = (topic[:length] for length in range(len(topic) + 1))
        names = [name for name in beginnings if name in wanted]
        return sum([not one.keys().isdisjoint(names) for one in self._prefixes.values()])

    def _put(self, prefixes: Collection[bytes], worker: int) -> int:
        """Returns the bytes of these together."""
        place = COUNT_BITS * worker
        before = self._wanted.add(prefixes, 1 << place)
        self._rerouted = self._rerouted or 0 in map(and_, before, repeat(_COUNT << place))
        size = sum(map(len, prefixes))
        self.kept_bytes += PAIR_BYTES * len(prefixes) + size + PREFIX_BYTES * before.count(0)
        return size

    def _take(self, prefixes: Collection[bytes], worker: int) -> int:
        """Returns the bytes of these together."""
        place = COUNT_BITS * worker
        left = self._wanted.subtract(prefixes, 1 << place)
        self._rerouted = self._rerouted or 0 in map(and_, left, repeat(_COUNT << place))
        size = sum(map(len, prefixes))
        self.kept_bytes -= PAIR_BYTES * len(prefixes) + size + PREFIX_BYTES * left.count(0)
        return size


def _sum_of(number: int) -> int:
    """Subscribers of all workers together."""
    found = 0
    while number:
        found += number & _COUNT
        number >>= COUNT_BITS
    return found
