"""What is counted of one subscriber while it is held: the report of a change of its wants waits.

It is served no more then. If it has to jump, or is conflated, that goes by what it has wanted, and
so do the counters of what it jumps over. Which messages that may be follows from what it wants,
what it has wanted, and when its report waited; nothing else may differ.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from tests.simulation.catching_up import Message

    Wanted = Callable[[int, int], list[int]]

_NEVER = 1 << 60


class _Hold(NamedTuple):
    """From which message on a change is, from which on it holds, and what was wanted before."""

    since: int
    stop: int
    before: tuple[bytes, ...]


class Holding:
    """Of one subscriber.

    Its mutable state: which report waits, which have waited, and what it has got.

    Args:
        messages: all that were published.
        wanted: which of them it wants, from one up to, not including, another.
    """

    def __init__(self, messages: Sequence[Message], wanted: Wanted) -> None:
        self._messages = messages
        self._wanted = wanted
        self._held: _Hold | None = None
        self._past: list[_Hold] = []
        self._got: set[int] = set()

    @property
    def is_held(self) -> bool:
        """Whether a report waits, or has waited and does not hold yet."""
        return self._held is not None

    @property
    def until(self) -> int:
        """What it gets and loses below this message may go by what it wanted before."""
        return max([one.stop for one in self._all()], default=0)

    def hold(self, since: int, before: Collection[bytes]) -> None:
        """The report of what it wants from this message on waits: nobody else knows of that.

        Args:
            before: what it wants as all others know it. If that is not what it was when another
                report waited, that one holds: who is held says nothing more.
        """
        held = _Hold(since, _NEVER, (*sorted(before),))
        if held != self._held:
            self.release()
        self._held = held

    def release(self) -> None:
        """Its change holds; or its worker is lost, and with it what only that one knew."""
        if self._held is not None:
            self._past.append(self._held._replace(stop=len(self._messages)))
            self._held = None

    def got(self, number: int, *, is_jump: bool) -> None:
        """It gets this message.

        Args:
            is_jump: it loses only what comes before some message, and nothing behind that. What it
                gets of the messages that its change is about it was sent when that held.
        """
        self._got.add(number)
        if is_jump:
            self._past = [
                one._replace(stop=number) if one.since <= number < one.stop else one
                for one in self._past
            ]

    def cut(self, head: int) -> None:
        """From this message on it wants something else, or they are others: what held holds."""
        self._past = [one._replace(stop=min(one.stop, head)) for one in self._past]
        self._got = {one for one in self._got if one < head}

    @property
    def more(self) -> int:
        """Messages that may be counted though it does not want them."""
        return len(self._told_apart(had=True))

    @property
    def less(self) -> int:
        """Messages that may not be counted though it wants them, and does not get them."""
        return len(self._told_apart(had=False) - self._got)

    def too_much_beside(
        self, number: int, before: int, gets: int = -1
    ) -> Iterator[tuple[int, list[int]]]:
        """What may have been too much by what it wanted when it was held, and this message came.

        Args:
            before: what it had got last, -1 if nothing.
            gets: what it gets next, -1 if nothing.

        Yields:
            The last message that it wanted then and does not get, which is what is least likely to
            have fitted; and which others it wanted before that one, and has not got yet.
        """
        for one in self._all():
            if one.since <= number < one.stop:
                numbers = range(max(one.since, before + 1), min(one.stop, len(self._messages)))
                wanted = [other for other in numbers if self._begins(other, one)]
                lost = max([other for other in wanted if other != gets], default=-1)
                if lost >= 0:
                    yield lost, [other for other in wanted if other < lost]

    def has_wanted(self, number: int) -> bool:
        """Whether it has wanted this message when it was held."""
        topic = self._messages[number].topic
        return any(
            one.since <= number < one.stop and topic.startswith(one.before) for one in self._all()
        )

    def views(self) -> Iterator[Wanted]:
        """What it wants, and what it has, each of the times when it was held."""
        yield self._wanted
        for one in self._all():
            if one.since < one.stop:
                yield partial(self._wanted_by, one)

    def _all(self) -> list[_Hold]:
        return self._past if self._held is None else [*self._past, self._held]

    def _wanted_by(self, hold: _Hold, first: int, stop: int) -> list[int]:
        stop = min(stop, len(self._messages))
        low, high = max(first, hold.since), min(stop, hold.stop)
        if low >= high:
            return self._wanted(first, stop)
        had = [one for one in range(low, high) if self._begins(one, hold)]
        return [*self._wanted(first, low), *had, *self._wanted(high, stop)]

    def _begins(self, number: int, hold: _Hold) -> bool:
        return self._messages[number].topic.startswith(hold.before)

    def _told_apart(self, *, had: bool) -> set[int]:
        """Which messages it has wanted when it was held, and does not want; or not `had`."""
        found: set[int] = set()
        for one in self._all():
            stop = min(one.stop, len(self._messages))
            wants = {*self._wanted(one.since, stop)}
            numbers = range(one.since, stop)
            if had:
                found.update(x for x in numbers if self._begins(x, one) and x not in wants)
            else:
                found.update(x for x in wants if not self._begins(x, one))
        return found
