"""Rebalancing: what workers do is measured, and subscribers are moved. Shell of `Balance`."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from fanout.coordinator.balance import LOAD_MIN, LOOK, WINDOW, Balance, Weighed
from fanout.errors import ConfigError, NotMovedError
from fanout.shm.subscriber_slot import SubscriberSlots

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fanout.coordinator.links import WorkerLink
    from fanout.coordinator.lives import Condition
    from fanout.coordinator.moving import Move, Moving
    from fanout.coordinator.state import State
    from fanout.shm.segment import Segment

STORM = 100  # connections between two looks; then who is where is not settled yet

WHY = "its worker has more to do than others"


class Rebalancing:
    """Looks once a second; on the coordinator's thread.

    Its mutable state: when it looks next, what it has seen then, and what was sent to whom lately,
    while somebody has too much to do.

    Args:
        links: of the workers.
        read_condition: as `surroundings.read_condition`.
        now: seconds.
    """

    def __init__(
        self,
        segment: Segment,
        state: State,
        moving: Moving,
        links: Sequence[WorkerLink],
        read_condition: Callable[[int], Condition | None],
        now: Callable[[], float],
    ) -> None:
        self._slots = SubscriberSlots(segment)
        self._state = state
        self._moving = moving
        self._links = links
        self._read_condition = read_condition
        self._now = now
        self._balance = Balance(now())
        self._next_look = now() + LOOK
        self._seen = self._settled()
        self._accepted = 0
        self._moves: list[Move] = []
        self._sent: deque[tuple[float, list[int], list[int]]] = deque()  # when; ids; bytes

    def go_on(self) -> None:
        """Look, if it is time to, and have some moved, if that is of use."""
        now = self._now()
        if now < self._next_look:
            return
        self._next_look = now + LOOK
        state = self._state
        self._note_moves()
        accepted, self._accepted = state.ledger.accepted - self._accepted, state.ledger.accepted
        seen, self._seen = self._seen, self._settled()
        workers = state.supervision.taking
        hangs = any(state.supervision.lives[one].hangs_for >= LOOK for one in workers)
        if seen != self._seen or accepted >= STORM or state.staffing.pending or hangs:
            self._balance.disturb(now)
        if len(workers) < 2 or max(self._links[one].slot.load for one in workers) < LOAD_MIN * 1e3:
            self._sent.clear()
            self._balance.forget()
            return
        conditions = {one: self._read_condition(self._links[one].pid) for one in workers}
        cpu = {one: seen.cpu_s for one, seen in conditions.items() if seen is not None}
        is_active = self._balance.look(now, cpu)
        if not self._balance.is_hot:
            self._sent.clear()
            return
        self._note_sent(now)
        if is_active and len(self._sent) > 1:
            self._move(now)

    def _settled(self) -> tuple[int, ...]:
        """What differs once workers have come or gone."""
        ledger = self._state.ledger
        return (ledger.takeovers, ledger.resumed, *(link.pid for link in self._links))

    def _note_sent(self, now: float) -> None:
        self._sent.append((now, self._slots.ids(), self._slots.column("sent_bytes")))
        while len(self._sent) > 2 and now - self._sent[0][0] > WINDOW:
            self._sent.popleft()

    def _move(self, now: float) -> None:
        _, ids_before, before = self._sent[0]
        _, ids, after = self._sent[-1]
        members: dict[int, list[Weighed]] = {}
        for connection in self._state.roster.connections.values():
            slot, subscriber = connection.slot, connection.subscriber
            if slot >= len(ids_before) or connection.version is None:
                continue  # nobody had that slot then
            if ids_before[slot] == ids[slot] == subscriber:
                weight = max(0, after[slot] - before[slot])
                members.setdefault(connection.worker, []).append(Weighed(weight, subscriber))
        for subscriber, target in self._balance.plan(now, members):
            try:
                self._moves.append(self._moving.begin(subscriber, target, WHY))
            except (NotMovedError, ConfigError):
                self._balance.failed(subscriber)

    def _note_moves(self) -> None:
        """See who could not be moved."""
        for move in self._moves:
            subscriber = move.connection.subscriber
            if subscriber not in self._moving and move.problem is not None:
                self._balance.failed(subscriber)
        self._moves = [one for one in self._moves if one.connection.subscriber in self._moving]
