"""Balance: which subscriber goes to which worker, so that all work about as much. Pure.

It is no use to move somebody for nothing, so much has to be so before one is moved: the busiest
worker has much more to do than the one with the least, for some seconds, of which the processor
time is measured. Then those are moved that bring the two closest, a few in a second, until little
is left of the difference. Nobody is moved by whom the difference would not become much smaller, and
nobody twice in a while: so with loads that stay as they are it comes to an end, and then all is
still.

Loads are measured over some seconds, so a move shows in them by and by. What does not show yet is
added: to who has got a subscriber what that one costs, and taken from who has given it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOK = 1.0  # seconds between looks
WINDOW = 5.0  # seconds over which a load is measured
HOT_PART = 0.2  # of the greatest load: moves begin when the difference is larger than this
HOT_FOR = 3.0  # seconds for which it must have been so
CALM_PART = 0.1  # of the greatest load: moves end when the measured difference is smaller
AIM_PART = 0.03  # of it: what moves aim at; below CALM_PART, or a guess too high brings more moves
LOAD_MIN = 0.1  # of a core: if the busiest has less to do, all are well
GAIN_PART = 0.75  # of the difference: who costs more stays, or that would hardly become smaller
MOVES_EACH = 20  # in a look
STAYS_FOR = 30.0  # seconds in which nobody is moved twice
QUIET = 10.0  # seconds without a move after workers or many connections came or went


class Weighed(NamedTuple):
    """A subscriber, and what it was sent in a while."""

    weight: int  # bytes
    subscriber: int


class Chosen(NamedTuple):
    """A subscriber is to be moved."""

    subscriber: int
    target: int


class _Pending(NamedTuple):
    """A move that does not show in what is measured, or not in all of it."""

    at: float
    subscriber: int
    source: int
    target: int
    load: float


class Balance:
    """Decides; times are seconds of one clock, loads are in cores.

    Its mutable state: what was measured, since when there is too much of a difference, whether it
    is being made smaller, which moves do not show yet, and who was moved lately.

    Args:
        now: seconds.
    """

    def __init__(self, now: float) -> None:
        self._measured: deque[tuple[float, dict[int, float]]] = deque()
        self._hot_since: float | None = None
        self._is_active = False
        self._quiet_until = now + QUIET
        self._pending: deque[_Pending] = deque()
        self._staying: dict[int, float] = {}

    def disturb(self, now: float) -> None:
        """Workers have come or gone, or many connections: what was measured means nothing now."""
        self.forget()
        self._quiet_until = now + QUIET

    @property
    def is_hot(self) -> bool:
        """Whether there is too much of a difference: what is sent to whom is of interest."""
        return self._is_active or self._hot_since is not None

    def forget(self) -> None:
        """Nobody has much to do."""
        self._measured.clear()
        self._pending.clear()
        self._hot_since = None
        self._is_active = False

    def failed(self, subscriber: int) -> None:
        """It could not be moved."""
        left = [move for move in self._pending if move.subscriber != subscriber]
        self._pending = deque(left)

    def look(self, now: float, cpu: Mapping[int, float]) -> bool:
        """Measure; returns whether somebody is to be moved, for which `plan()` needs to know all.

        Args:
            cpu: for each worker that takes connections: seconds that its process has worked.
        """
        before = self._measured[-1][1] if self._measured else None
        self._measured.append((now, dict(cpu)))
        if before is not None and not _goes_on(before, cpu):
            self.disturb(now)
            return False
        while len(self._measured) > 1 and now - self._measured[1][0] >= WINDOW:
            self._measured.popleft()
        loads = self.loads(now)
        if len(loads) < 2 or now < self._quiet_until:
            self._hot_since = None
            return False
        most, least = max(loads.values()), min(loads.values())
        part = 0.0 if most < LOAD_MIN else (most - least) / most
        if self._is_active:
            # The effect of the last moves is guessed, mostly too high, until it is measured: wait.
            self._is_active = part > CALM_PART or bool(self._pending)
        elif part <= HOT_PART:
            self._hot_since = None
        elif self._hot_since is None:
            self._hot_since = now
        elif now - self._hot_since >= HOT_FOR:
            self._is_active = True
            self._hot_since = None
        return self._is_active

    def loads(self, now: float) -> dict[int, float]:
        """What each worker has to do, as far as that is known; empty = it is not."""
        since, first = self._measured[0]
        passed = now - since
        if passed <= 0.0:
            return {}
        last = self._measured[-1][1]
        loads = {worker: (last[worker] - first[worker]) / passed for worker in last}
        while self._pending and now - self._pending[0].at >= passed:
            self._pending.popleft()
        for move in self._pending:
            hidden = move.load * (1.0 - max(0.0, now - move.at) / passed)
            if move.source in loads and move.target in loads:
                loads[move.source] -= hidden
                loads[move.target] += hidden
        return loads

    def plan(self, now: float, members: Mapping[int, list[Weighed]]) -> list[Chosen]:
        """Who is to be moved now.

        Args:
            members: of each worker.
        """
        self._staying = {one: until for one, until in self._staying.items() if until > now}
        loads = self.loads(now)
        costs = {}
        candidates: dict[int, list[Weighed]] = {}
        for worker, load in loads.items():
            mine = members.get(worker, [])
            total = sum(one.weight for one in mine)
            costs[worker] = load / total if total else 0.0
            free = [one for one in mine if one.weight and one.subscriber not in self._staying]
            candidates[worker] = sorted(free)
        chosen: list[Chosen] = []
        enough = CALM_PART
        while len(chosen) < MOVES_EACH:
            source, target = max(loads, key=loads.__getitem__), min(loads, key=loads.__getitem__)
            difference = loads[source] - loads[target]
            if difference <= enough * loads[source]:
                break
            enough = AIM_PART
            one = _take_nearest(candidates[source], difference / 2, difference, costs[source])
            if one is None:
                if not chosen:  # no move would make it better: look again later
                    self.disturb(now)
                break
            load = one.weight * costs[source]
            loads[source] -= load
            loads[target] += load
            self._pending.append(_Pending(now, one.subscriber, source, target, load))
            self._staying[one.subscriber] = now + STAYS_FOR
            chosen.append(Chosen(one.subscriber, target))
        return chosen


def _goes_on(before: Mapping[int, float], cpu: Mapping[int, float]) -> bool:
    """Whether the workers are those from before, with the same processes."""
    return before.keys() == cpu.keys() and all(cpu[one] >= before[one] for one in cpu)


def _take_nearest(
    candidates: list[Weighed], wanted: float, difference: float, cost: float
) -> Weighed | None:
    """Take out who costs about as much as is wanted, and makes the difference much smaller."""
    if not candidates or cost <= 0.0:
        return None
    place = bisect_left(candidates, (wanted / cost,))
    near = [at for at in (place - 1, place) if 0 <= at < len(candidates)]
    best = min(near, key=lambda at: abs(candidates[at].weight * cost - wanted))
    if candidates[best].weight * cost > GAIN_PART * difference and best:
        best -= 1
    if candidates[best].weight * cost > GAIN_PART * difference:
        return None
    return candidates.pop(best)
