"""Succession: workers are emptied and told to end, so that others take their place. Shell.

Who cannot be moved is asked for again and again, and closed when none has gone for a while though
others serve: in the middle of a command, for example. Who is by TLS is closed at once. Who is in
its handshake is waited for: it is moved when that is done, and its worker closes it if that takes
too long. See `staffing.py` for who is next.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from typing import TYPE_CHECKING

from fanout.control.messages import Evict, Finish
from fanout.coordinator.actions import NoteWorker, Say
from fanout.coordinator.moving import BY_TLS
from fanout.errors import NotMovedError
from fanout.reasons import Reason
from fanout.shm.worker_slot import WorkerState

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.coordinator.actions import Action
    from fanout.coordinator.moving import Move, Moving
    from fanout.coordinator.roster import Accepted
    from fanout.coordinator.state import State

MOVES_AT_ONCE = 32  # that are under way: each takes some ms, and the others are served meanwhile
# Witnessed seconds in which nobody could be moved to others, after which who is left is closed.
GRACE = 5.0
AGAIN = 0.2  # seconds between two tries to move who could not be, and between two looks at most
WITNESSED = 2 * AGAIN  # from one look to the next, at most: what is beyond, the machine has taken
ASKED = 10  # times that a worker is asked for a connection, in one try to move it
# Seconds after which one in its handshake is closed as well, whatever `handshake_timeout` is: as
# long as libzmq waits for one. Strangers that say nothing must not hold up a restart for hours.
HANDSHAKE_PATIENCE = 30.0


class Succession:
    """Empties one worker at a time; on the coordinator's thread.

    Its mutable state: which one, who of its connections is to be moved and is on the way, and for
    how long none has gone.

    Args:
        now: seconds.
        handshake_timeout: seconds after which a worker closes who is still in its handshake.
    """

    def __init__(
        self, state: State, moving: Moving, now: Callable[[], float], handshake_timeout: float
    ) -> None:
        self._state = state
        self._moving = moving
        self._now = now
        # Its own worker is to close who is too late, and to say so: it is given a while for that.
        self._patience = min(handshake_timeout + GRACE, HANDSHAKE_PATIENCE)
        self._worker: int | None = None
        self._queue: deque[int] = deque()
        self._moves: list[Move] = []
        self._why: dict[int, str] = {}  # subscriber -> why it could not be moved
        self._newcomers: set[int] = set()  # subscribers in their handshake when they were to move
        self._closed: set[int] = set()  # subscribers by TLS, who cannot be moved
        self._count = 0  # the fewest connections that the worker has had meanwhile
        self._late = 0.0  # witnessed seconds since they became so few
        self._looked = 0.0
        self._again_at = 0.0

    @property
    def may_wait(self) -> float:
        """Seconds after which there is something to do, if nothing happens before."""
        return AGAIN if self._state.staffing.emptied is not None else math.inf

    def go_on(self) -> list[Action]:
        """Do what there is to do now; once a turn."""
        staffing = self._state.staffing
        if not staffing.pending or self._state.supervision.finishing_until is not None:
            return []
        now = self._now()
        actions: list[Action] = [NoteWorker(worker) for worker in staffing.retire()]
        actions += [NoteWorker(worker) for worker in staffing.engage(now)]
        worker = staffing.choose()
        if worker != self._worker:
            self._begin(worker, now)
        if worker is None:
            return actions
        life = self._state.supervision.lives[worker]
        if life.is_leaving and life.has_process and not life.is_dismissed:
            actions += self._empty(worker, now)
        return actions

    def _begin(self, worker: int | None, now: float) -> None:
        self._worker = worker
        self._queue.clear()
        self._moves.clear()
        self._why.clear()
        self._newcomers.clear()
        self._closed.clear()
        self._late = 0.0
        self._looked = self._again_at = now
        self._count = 0 if worker is None else self._state.roster.count(worker)

    def _empty(self, worker: int, now: float) -> list[Action]:
        roster = self._state.roster
        count = roster.count(worker)
        if not count and not self._state.takeovers.may_return(worker):
            return self._dismiss(worker)
        others = [one for one in self._state.supervision.taking if one != worker]
        # If it alone serves, nobody is closed for that. Who comes back, since others had no room
        # for it, has not gone.
        self._late += min(now - self._looked, WITNESSED)
        self._looked = now
        if count < self._count or not others:
            self._count, self._late = count, 0.0
        actions = self._close_by_tls(worker) if others else []
        self._note_moves()
        if self._late < GRACE:
            if not self._queue and not self._moves and now >= self._again_at:
                self._again_at = now + AGAIN
                self._queue.extend(one.subscriber for one in roster.served_by(worker))
            self._move(worker, others)
        elif not self._moves or self._late >= 2 * GRACE:  # who is on the way may still get there
            self._late = 0.0  # somebody may have come meanwhile, since nobody else served
            actions += self._close(worker, now)
        return actions

    def _close_by_tls(self, worker: int) -> list[Action]:
        """Those that no other worker can go on with are closed at once, and come to others."""
        actions: list[Action] = []
        cause = Reason.WORKER_RETIRED
        for connection in self._state.roster.served_by(worker):
            if connection.is_by_tls and connection.subscriber not in self._closed:
                self._closed.add(connection.subscriber)
                text = f"{cause.text}; {BY_TLS}"
                actions.append(Say(worker, Evict(connection.subscriber, cause.number, text)))
        return actions

    def _note_moves(self) -> None:
        """See who has gone, and who could not."""
        for move in self._moves:
            subscriber = move.connection.subscriber
            if subscriber not in self._moving and move.problem is not None:
                self._why[subscriber] = move.problem
        self._moves = [one for one in self._moves if one.connection.subscriber in self._moving]

    def _move(self, worker: int, others: list[int]) -> None:
        """Have some more go to those of the others that have the fewest."""
        if not others:
            return
        coming = Counter(move.target for move in self._moves)
        while self._queue and len(self._moves) < MOVES_AT_ONCE:
            subscriber = self._queue.popleft()
            connection = self._state.roster.connections.get(subscriber)
            if connection is None or connection.worker != worker:
                continue
            if connection.version is None:
                self._newcomers.add(subscriber)
            else:
                self._newcomers.discard(subscriber)
            target = min(others, key=lambda one: self._state.roster.count(one) + coming[one])
            why = f"worker {worker} is to end"
            try:
                move = self._moving.begin(subscriber, target, why, asks=ASKED)
            except NotMovedError as error:
                self._why[subscriber] = error.problem
                continue
            coming[target] += 1
            self._moves.append(move)

    def _close(self, worker: int, now: float) -> list[Action]:
        """Nobody can be moved any more: all but newcomers are closed, and counted."""
        actions: list[Action] = []
        cause, takeovers = Reason.WORKER_RETIRED, self._state.takeovers
        for move in self._moves:
            self._why.setdefault(move.connection.subscriber, move.said)
        for connection in self._state.roster.served_by(worker):
            if connection.subscriber in takeovers.evicts:
                continue  # it was told already
            if connection.subscriber in takeovers.handed:
                continue  # it could not be asked for yet: its worker goes on with it, or hangs
            if self._is_waited_for(connection, now):
                continue  # it is asked for again
            why = self._why.get(connection.subscriber, "")
            text = f"{cause.text}; {why}" if why else cause.text
            actions.append(Say(worker, Evict(connection.subscriber, cause.number, text)))
        return actions

    def _is_waited_for(self, connection: Accepted, now: float) -> bool:
        """Whether it is in its handshake, and not for too long, or was when it was asked for."""
        if connection.version is None:
            return now - connection.came_at < self._patience
        return connection.subscriber in self._newcomers

    def _dismiss(self, worker: int) -> list[Action]:
        """It has no connections: its process is to end."""
        supervision = self._state.supervision
        life = supervision.lives[worker]
        life.is_dismissed = True
        if life.state is WorkerState.READY:
            return [Say(worker, Finish(0.0))]
        return supervision.condemn(worker, "it is not wanted any more")
