"""What follows from what subscribers do: they say too much, or nothing any more. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.control.conduct import Throttled
from fanout.coordinator.actions import tell_of
from fanout.events import EventKind
from fanout.reasons import Reason

if TYPE_CHECKING:
    from fanout.control.conduct import OfConduct
    from fanout.coordinator.actions import Action
    from fanout.coordinator.roster import Accepted
    from fanout.coordinator.state import State

HALF_CLOSED = "it has ended its side of the connection, and is served on"


def take(state: State, message: OfConduct, now: float) -> list[Action]:
    """A worker says what a subscriber does; nothing if it is not known any more.

    Args:
        now: seconds, see `Supervision`.
    """
    connection = state.roster.connections.get(message.subscriber)
    if connection is None:
        return []
    if isinstance(message, Throttled):
        return _throttled(state, connection, now)
    if connection.half_closed:  # as the worker before has said
        return []
    connection.half_closed = True
    state.ledger.half_closed += 1
    return [tell_of(EventKind.SUBSCRIBER_HALF_CLOSED, connection, HALF_CLOSED)]


def _throttled(state: State, connection: Accepted, now: float) -> list[Action]:
    state.ledger.throttled += 1
    state.roster.addresses.exceeded(connection.peer, now, again=connection.is_over)
    connection.is_over, connection.owed_at = True, now
    cause = Reason.BUSY
    owed = f"; its address owed {connection.debt / 1e9:.3g} s of CPU when it came"
    text = cause.text + (owed if connection.debt else "")
    return [tell_of(EventKind.SUBSCRIBER_THROTTLED, connection, text, cause=cause)]
