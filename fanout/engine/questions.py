"""Questions to a running publisher, and waiting for its answers; any thread."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from fanout.errors import ClosedError
from fanout.observe.blockers import BLOCK, holder, in_the_way
from fanout.statistics import Undelivered
from fanout.terms.arguments import as_timeout, check_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from fanout.observe.blockers import Blocker
    from fanout.observe.reader import Reader
    from fanout.statistics import (
        ClosedSubscriber,
        InTheWay,
        PublisherStatistics,
        SubscriberStatistics,
    )

T = TypeVar("T")

REFRESH_TIMEOUT = 1.0  # seconds for the workers to bring their slots up to date; then as they are
SLICE = 256  # subscribers read at once: some milliseconds in which nobody is accepted
INTEREST_POLL = 0.002  # seconds between looks at whether a subscription has come
BLOCKERS_EACH = 0.2  # seconds: a look at 16,384 subscribers takes 5 ms, and sends may fail each us
LOOKS_MAX = 5  # for whom, in that time: each looks at all subscribers
DRAIN_POLL = 0.002  # seconds between looks at the workers' flushed words


class Untold(Protocol):
    """What was lost with workers, and nobody was told of yet."""

    def take(self) -> list[Undelivered]:
        """All of it, once."""
        ...

    def put_back(self, taken: Sequence[Undelivered]) -> None:
        """Nobody was told of these."""
        ...


class Outstanding(NamedTuple):
    """What was not delivered."""

    lost: list[Undelivered]  # with workers
    queued: list[Undelivered]


class Wanted(Protocol):
    """Who wants which topics."""

    generation: int  # differs whenever an answer may differ

    def count(self, topic: bytes | None) -> int:
        """Subscribers that would receive a message on `topic`; with any subscription if None."""
        ...


class Writer(Protocol):
    """The thread that writes down who comes and goes: the coordinator."""

    def refresh(self, timeout: float) -> bool:
        """Have every worker bring its slots up to date; False if one did not in time."""
        ...

    def call(self, function: Callable[[], T]) -> T:
        """Run `function` on that thread and return its result."""
        ...

    @property
    def untold(self) -> Untold:
        """What was lost with workers."""
        ...

    def owed(self) -> dict[int, tuple[int, bool]]:
        """Messages that subscribers have not got, where their workers do not say it.

        With each, whether it is exact.
        """
        ...


class Questions:
    """What users ask of a publisher; owns nothing.

    Its mutable state: who was in the way when somebody had to be told last.

    Args:
        reader: of its shared memory.
        interest: who wants which topics.
        writer: refreshes what the reader reads.
        nudge: rings every worker.
        check_gate: raises why nothing can be sent any more.
    """

    def __init__(
        self,
        reader: Reader,
        interest: Wanted,
        writer: Writer,
        nudge: Callable[[], None],
        check_gate: Callable[[], None],
    ) -> None:
        self._reader = reader
        self._interest = interest
        self._writer = writer
        self._nudge = nudge
        self._check_gate = check_gate
        self._looked = -math.inf
        self._looks = 0  # since then, less one
        self._holding: tuple[int, ...] = ()  # who was over a limit at the last of these
        self._blocking: Blocker | None = None  # and who was in the way

    def wait_for_subscribers(self, count: int, topic: bytes | None, timeout: float | None) -> None:
        """See `Publisher.wait_for_subscribers()`."""
        for pause in self.pauses_until(count, topic, timeout):
            time.sleep(pause)

    def pauses_until(
        self, count: int, topic: bytes | None, timeout: float | None
    ) -> Iterator[float]:
        """As `wait_for_subscribers`, but the caller does the waiting: seconds each time."""
        check_count(count)
        seconds = as_timeout(timeout)
        deadline = None if seconds is None else time.monotonic() + seconds
        seen = -1
        found = 0
        while True:
            self._check_gate()
            generation = self._interest.generation
            if generation != seen:
                seen = generation
                found = self._interest.count(topic)
            if found >= count:
                return
            remaining = INTEREST_POLL if deadline is None else deadline - time.monotonic()
            if remaining <= 0:
                what = "with any subscription" if topic is None else f"for topic {topic!r}"
                raise TimeoutError(f"{found} of {count} subscribers {what} after {timeout} s")
            yield min(remaining, INTEREST_POLL)

    def subscribers(self) -> tuple[SubscriberStatistics, ...]:
        """Every subscriber whose handshake is done, by id."""
        self._writer.refresh(REFRESH_TIMEOUT)
        found = self._in_slices(self._reader.subscribers)
        return tuple(sorted(found, key=attrgetter("id")))

    def statistics(self) -> PublisherStatistics:
        """Totals, with the figures of connected subscribers in them."""
        return self._ask(self._reader.totals)

    def closed_subscribers(self) -> tuple[ClosedSubscriber, ...]:
        """The last ones that have ended, in the order of their ends; nobody is asked for them."""
        return self._reader.closed_subscribers()

    def in_the_way(self) -> InTheWay | None:
        """For whom sends wait, as far as is known, or was a moment ago; asks nobody.

        Who has left meanwhile, or has another policy by now, is not named: then it is looked anew.
        So it is if somebody else is over a limit by now, or nobody any more. But that may change
        with each turn of a worker: who changes too often is not named.
        """
        now = time.monotonic()
        with suppress(ClosedError):  # it ends just now
            holding = self._reader.holding()
            if now >= self._looked + BLOCKERS_EACH:
                self._looked, self._looks = now, 0
                self._look(holding)
            elif holding != self._holding or not self._still_blocks():
                self._looks += 1
                if self._looks >= LOOKS_MAX:
                    return None
                self._look(holding)
        return None if self._blocking is None else self._blocking.who

    def _look(self, holding: tuple[int, ...]) -> None:
        self._holding, self._blocking = holding, None
        survey = self._reader.survey()
        self._blocking = holder(survey, holding) if holding else None
        self._blocking = self._blocking or in_the_way(survey)

    def _still_blocks(self) -> bool:
        known = self._blocking
        return known is None or self._reader.action_of(known.slot, known.who.id) == BLOCK

    def drain(self, timeout: float) -> tuple[Undelivered, ...]:
        """See `Publisher.drain()`."""
        target = self._reader.head
        for pause in self.pauses_until_drained(target, timeout):
            time.sleep(pause)
        return self.undelivered(target)

    def pauses_until_drained(self, target: int, timeout: float) -> Iterator[float]:
        """Ends when all below `target` is delivered or the time is up; the caller does the waiting.

        Yields:
            Seconds to wait.
        """
        deadline = time.monotonic() + timeout
        self._nudge()
        while not self._is_drained(target) and time.monotonic() < deadline:
            yield DRAIN_POLL

    def undelivered(self, target: int) -> tuple[Undelivered, ...]:
        """What is queued, for each subscriber, unless all below `target` is delivered.

        With what was lost with workers since this was asked last: nobody can deliver that.
        """
        found = Outstanding([], [])
        try:
            found = self.look(target)
            return (*found.lost, *found.queued)
        except BaseException:
            self.untell(found)
            raise

    def look(self, target: int) -> Outstanding:
        """The same; if nobody is told of it, `untell()` it."""
        queued: list[Undelivered] = []
        if not self._is_drained(target):
            all_answered = self._writer.refresh(REFRESH_TIMEOUT)
            owed = {} if all_answered else self._writer.owed()
            for who, figures in sorted(self._in_slices(self._reader.rows)):
                counted, exact = owed.get(who.subscriber, (0, True))
                messages, exact = max(figures.queued, counted), exact and not figures.uncounted
                if who.version and (messages or not exact):
                    queued.append(Undelivered(who.subscriber, who.peer, messages, 0, exact))
        lost: list[Undelivered] = []
        try:
            lost += self._writer.untold.take()
            return Outstanding(lost, _without(queued, lost))  # who was lost since we looked
        except BaseException:
            self._writer.untold.put_back(lost)
            raise

    def untell(self, found: Outstanding) -> None:
        """Whoever was to be told of this was interrupted: the next one is told of what was lost."""
        if found.lost:
            self._writer.untold.put_back(found.lost)

    def _is_drained(self, target: int) -> bool:
        return all(flushed >= target for flushed in self._reader.flushed())

    def _in_slices(self, look: Callable[[list[int]], Iterable[T]]) -> list[T]:
        """What is found of all connections, some slots at a time: who connects need not wait.

        Who comes meanwhile may be missing. Nobody is there twice: a connection keeps its slot.
        """
        used = self._reader.used()
        found: list[T] = []
        for first in range(0, len(used), SLICE):
            found += self._writer.call(partial(look, used[first : first + SLICE]))
        return found

    def _ask(self, look: Callable[[], T]) -> T:
        self._writer.refresh(REFRESH_TIMEOUT)
        # On the thread that writes: nobody comes or goes meanwhile, and no record is half-written.
        return self._writer.call(look)


def _without(queued: Iterable[Undelivered], others: Iterable[Undelivered]) -> list[Undelivered]:
    named = {one.subscriber for one in others}
    return [one for one in queued if one.subscriber not in named]
