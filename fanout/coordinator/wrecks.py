"""Wrecks: what lost workers have left behind is counted, let go and ended, in slices.

A worker may have had thousands of subscribers. Counting what each was owed, and ending them, takes
as long as it takes, but accepting, the other workers and whoever asks have their turn in between.
A wreck is cleared in this order: count, which needs the log; let go of the log; end the
connections; answer who waits for that; tell of the loss. Only then is the worker started again,
since the next process writes into the same slot.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from fanout.basics.records import changed
from fanout.coordinator import reports
from fanout.coordinator.lost import NOTHING_LATER
from fanout.shm.census import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from fanout.control.messages import Closed
    from fanout.coordinator.actions import Action
    from fanout.coordinator.lost import Loss, Losses, Unreported
    from fanout.coordinator.roster import Accepted
    from fanout.coordinator.state import State
    from fanout.reasons import Reason
    from fanout.shm.census import Amount

    Clearing: TypeAlias = Generator[list[Action], None, None]
    FinalOf: TypeAlias = Callable[[Accepted, Reason, Unreported], Closed]

T = TypeVar("T")

NO_REASONS: Mapping[int, str] = {}
SLICE = 0.01  # seconds of a turn; what others wait for at most, but for a single step


class Wrecks:
    """Clears one after another; on the coordinator's thread.

    Its mutable state: the wrecks that are left, and what was counted in them already.

    Args:
        final_of: the last figures of a connection, with what came later.
        now: seconds.
    """

    def __init__(
        self, state: State, losses: Losses, final_of: FinalOf, now: Callable[[], float]
    ) -> None:
        self._state = state
        self._losses = losses
        self._final_of = final_of
        self._now = now
        self._left: deque[Clearing] = deque()
        self._counted: dict[int, Unreported] = {}  # of those who have not been ended yet

    @property
    def pending(self) -> bool:
        """Whether there is something to clear."""
        return bool(self._left)

    def add(
        self,
        worker: int,
        told: list[Action],
        moved: Amount = NOTHING,
        why: Mapping[int, str] = NO_REASONS,
    ) -> list[Action]:
        """A worker is lost, and `told` says so in the end; returns what is to be done at once.

        Args:
            moved: what waited for those that others go on with, which are not among its own.
            why: none goes on with these subscribers of its own, for people.
        """
        self._state.supervision.hold(worker)
        self._left.append(self._clear(worker, self._losses.begin(), told, moved, why))
        return self.go_on()

    def close(self, connection: Accepted, why: str) -> None:
        """Nobody goes on with a connection of a lost worker; it is ended when its turn has come.

        Args:
            why: for people.
        """
        self._left.append(
            self._end([connection], self._losses.begin(), {connection.subscriber: why})
        )

    def go_on(self) -> list[Action]:
        """Clear for a slice; returns what is to be done, in its order."""
        until = self._now() + SLICE
        actions: list[Action] = []
        while self._left:
            for some in self._left[0]:
                actions += some
                if self._now() >= until:
                    return actions
            self._left.popleft()
        return actions

    def finish(self) -> list[Action]:
        """Clear all that is left."""
        actions: list[Action] = []
        while self._left:
            actions += self.go_on()
        return actions

    def owed(self) -> Generator[None, None, dict[int, tuple[int, bool]]]:
        """Messages that subscribers have not got, as if their workers had just been lost.

        Yields:
            After each step.

        Returns:
            For each subscriber how many, and whether that is exact.
        """
        loss = self._losses.begin()
        owed = {}
        for connection in list(self._state.roster.connections.values()):
            if connection.subscriber not in self._state.roster.connections:
                continue  # it has left meanwhile
            later = self._counted.get(connection.subscriber)
            if later is None:
                later = yield from loss.since_checkpoint(connection)
            last = self._final_of(connection, reports.cause_of_loss(self._state), later)
            owed[connection.subscriber] = last.discarded, not (later.doubt or last.uncounted)
            yield
        return owed

    def _clear(
        self, worker: int, loss: Loss, told: list[Action], moved: Amount, why: Mapping[int, str]
    ) -> Clearing:
        connections = self._state.roster.served_by(worker)
        yield from self._count(connections, loss)
        yield reports.let_go(worker, moved)
        yield from self._end_counted(connections, why)
        yield reports.cleared(self._state, worker) + told

    def _end(self, connections: list[Accepted], loss: Loss, why: Mapping[int, str]) -> Clearing:
        yield from self._count(connections, loss)
        yield from self._end_counted(connections, why)

    def _count(self, connections: list[Accepted], loss: Loss) -> Clearing:
        for connection in connections:
            later = yield from _silent(loss.since_checkpoint(connection))
            self._counted[connection.subscriber] = later
            yield []

    def _end_counted(self, connections: list[Accepted], why: Mapping[int, str]) -> Clearing:
        state = self._state
        for connection in connections:
            later = self._counted.pop(connection.subscriber, NOTHING_LATER)
            subscriber, now = connection.subscriber, self._now()
            cause = reports.cause_of_loss(state, subscriber)
            last = self._final_of(connection, cause, later)
            last = changed(last, debt=connection.owed(now))  # its worker would have said that
            evict, text = state.takeovers.evicts.get(subscriber), why.get(subscriber)
            if evict is not None and not state.ledger.closing:  # it was told, or would have been
                last = changed(last, reason=evict.reason)
            elif text:
                last = changed(last, reason=f"{last.reason}; {text}")
            hold = reports.hold_of(state, connection, cause, now)
            yield reports.end(state, connection, last, now, hold, exact=not later.doubt)


def _silent(steps: Generator[None, None, T]) -> Generator[list[Action], None, T]:
    """The same steps, of which each has nothing to do."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        yield []


class Slices(Generic[T]):
    """Counts for a slice each time it is asked to; its value is that of the end."""

    def __init__(
        self, steps: Generator[None, None, T], nothing: T, now: Callable[[], float]
    ) -> None:
        self.value = nothing
        self._steps = self._run(steps)
        self._now = now

    def go_on(self) -> bool:
        """Count for a slice; returns whether it is done."""
        until = self._now() + SLICE
        return not any(self._now() >= until for _ in self._steps)

    def _run(self, steps: Generator[None, None, T]) -> Generator[None, None, None]:
        self.value = yield from steps
