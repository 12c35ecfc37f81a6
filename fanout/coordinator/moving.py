"""Moving: connections go from one worker that serves to another one. Shell around takeovers.

The worker that has one is asked to give it up, and another one goes on with it as with one of a
lost worker. Whichever of the two is lost meanwhile, the takeover goes on with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fanout.coordinator.actions import Answer, tell_of
from fanout.errors import ConfigError, NotMovedError
from fanout.events import EventKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.control.takeover import Released, Resumed
    from fanout.coordinator.actions import Action
    from fanout.coordinator.answers import Flag
    from fanout.coordinator.handing_on import HandingOn
    from fanout.coordinator.roster import Accepted
    from fanout.coordinator.state import State

AGAIN = 0.05  # seconds until a worker is asked again that could not give a connection up just then
PAUSE = 0.5  # seconds in which nobody more is asked, so that who asks for figures is answered
BY_TLS = "it is by TLS, and only its worker can go on with that"
# How often it is asked, 2 s if it answers at once: what passes by itself is over long before. It is
# no time, so that on a busy machine, where all takes longer, nothing comes to an end before it.
ASKED_MAX = 40


@dataclass(slots=True)
class Move:
    """A connection that is to go to another worker, and what has become of that.

    Attributes:
        problem: why it is not there, for people; None = it is, once `flag` is set.
    """

    connection: Accepted
    source: int
    target: int
    why: str  # for people
    asks: int  # how often its worker may still be asked
    flag: Flag | None = None
    again_at: float = 0.0  # seconds; when its worker is to be asked
    problem: str | None = None
    said: str = field(default="", repr=False)  # by its worker, when it was asked last
    refused: bool = field(default=False, repr=False)  # the other one had no room for it


class Moving:
    """Moves connections; on the coordinator's thread.

    Exact figures are had when nobody is on the way. So while somebody waits for these, nobody more
    is asked for, or there would always be one: but not for long, if one gets nowhere.

    Its mutable state: the moves that are under way, and until when no others begin.

    Args:
        handing_on: has the connections given up, and gives them to others.
        now: seconds.
    """

    def __init__(self, state: State, handing_on: HandingOn, now: Callable[[], float]) -> None:
        self._state = state
        self._handing_on = handing_on
        self._now = now
        self._moves: dict[int, Move] = {}  # by subscriber
        self._pauses_until = math.inf  # if anybody asks for figures

    def __len__(self) -> int:
        return len(self._moves)

    def __contains__(self, subscriber: int) -> bool:
        return subscriber in self._moves

    @property
    def may_wait(self) -> float:
        """Seconds after which there is somebody to ask again, if nothing happens before."""
        times = [one.again_at for one in self._moves.values() if not self._is_on_its_way(one)]
        begins_at = self._pauses_until if self._state.takeovers.asked else 0.0
        return max(0.0, max(begins_at, min(times, default=math.inf)) - self._now())

    def begin(
        self,
        subscriber: int,
        target: int,
        why: str,
        flag: Flag | None = None,
        asks: int = ASKED_MAX,
    ) -> Move:
        """Have a connection go to another worker; `go_on()` asks for it.

        Args:
            why: for people.
            flag: set once it is there, or will not come there; at once if it is there already.
            asks: how often its worker is asked at most.

        Raises:
            ConfigError: there is no such subscriber, or no such worker.
            NotMovedError: that worker does not serve, or it is moved already, or in its handshake,
                or the publisher ends.
        """
        connection = self._state.roster.connections.get(subscriber)
        if connection is None:
            text = f"no subscriber {subscriber!r} is connected: see subscribers()"
            raise ConfigError(text)
        count = self._state.staffing.size
        if target not in range(len(self._state.supervision.lives)):
            raise ConfigError(f"no worker {target!r}: there are 0 to {count - 1}")
        source = connection.worker
        move = Move(connection, source, target, why, asks, flag)
        if source == target and not self._state.takeovers.knows(subscriber):
            if flag is not None:
                flag.set()
            return move
        problem = self._problem_with(connection, target)
        if problem:
            raise NotMovedError(subscriber, problem)
        self._moves[subscriber] = move
        return move

    def _problem_with(self, connection: Accepted, target: int) -> str:
        if connection.version is None:
            return "it is in its handshake"
        if connection.is_by_tls:
            return BY_TLS
        if target not in self._state.supervision.taking:
            return f"worker {target} does not serve, or is about to end"
        is_moving = connection.subscriber in self._moves
        if is_moving or self._state.takeovers.knows(connection.subscriber):
            return "it is being moved already, or taken over"
        return "the publisher ends" if self._handing_on.is_ending else ""

    def heard(self, message: Released) -> list[Action]:
        """A worker has said what has become of one that it was to give up."""
        move = self._moves.get(message.subscriber)
        if move is not None:
            move.said = message.reason or f"worker {move.target} did not go on with it"
        if move is not None and not message.ok:
            move.again_at = self._now() + AGAIN
        return self._handing_on.given_up(message)

    def refused(self, worker: int, message: Resumed) -> None:
        """That worker did not go on with one."""
        move = self._moves.get(message.subscriber)
        if move is not None and worker == move.target:
            move.refused = True
            move.said = f"worker {worker} did not go on with it: {message.reason}"

    def go_on(self) -> list[Action]:
        """Ask for those for whom it is time, and see who is there."""
        now = self._now()
        if not self._state.takeovers.asked:
            self._pauses_until = math.inf
        elif self._pauses_until == math.inf:
            self._pauses_until = now + PAUSE
        is_pausing = now < self._pauses_until < math.inf
        actions: list[Action] = []
        for subscriber, move in list(self._moves.items()):
            if self._state.roster.connections.get(subscriber) is not move.connection:
                actions += self._end(move, "it has left, or was closed, meanwhile")
            elif self._is_on_its_way(move):
                if subscriber not in self._state.takeovers.leaving:
                    move.asks = 0  # it gets there, or is not asked for again if it comes back
            elif move.connection.worker == move.target:
                actions += self._end(move, None)
            elif move.refused:
                actions += self._end(move, move.said)
            elif move.connection.worker != move.source:
                text = f"a worker was lost meanwhile, it is with worker {move.connection.worker}"
                actions += self._end(move, text)
            elif self._handing_on.is_ending:
                actions += self._end(move, "the publisher ends")
            elif is_pausing or now < move.again_at:
                continue
            elif move.asks:
                actions += self._ask(move)
            else:
                actions += self._end(move, move.said or "its worker does not answer")
        return actions

    def abandon(self) -> list[Action]:
        """There is no worker any more."""
        actions: list[Action] = []
        for move in list(self._moves.values()):
            actions += self._end(move, "the publisher has ended")
        return actions

    def _is_on_its_way(self, move: Move) -> bool:
        return self._state.takeovers.knows(move.connection.subscriber)

    def _ask(self, move: Move) -> list[Action]:
        ready = self._state.supervision.ready
        for worker in (move.source, move.target):
            if worker not in ready:
                return self._end(move, f"worker {worker} does not serve")
        move.asks -= 1
        if not self._handing_on.can_duplicate(move.connection):
            # Nobody could serve it from when its worker has given it up until there is one.
            move.said = "no descriptor was free"
            move.again_at = self._now() + AGAIN
            return []
        return self._handing_on.ask_for(move.connection, move.target)

    def _end(self, move: Move, problem: str | None) -> list[Action]:
        del self._moves[move.connection.subscriber]
        move.problem = problem
        actions: list[Action] = []
        if problem is None:
            text = f"from worker {move.source} to worker {move.target}: {move.why}"
            actions.append(tell_of(EventKind.SUBSCRIBER_MOVED, move.connection, text))
        if move.flag is not None:
            actions.append(Answer(move.flag))
        return actions
