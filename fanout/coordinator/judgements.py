"""What follows from who is to be judged, and from what was found. Pure.

A worker asks once for each connection, and only where the endpoint has somebody who judges. What
takes too long is given up: that is our fault and not the subscriber's, so it may come back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.control.judging import AuthRequest, Judged, Judgement
from fanout.control.messages import ControlError, Evict
from fanout.coordinator.actions import GiveUp, Judge, NoteUser, Say, Tell
from fanout.events import Event, EventKind
from fanout.reasons import Reason
from fanout.security.verdicts import (
    OVERDUE,
    Allow,
    Deny,
    Later,
    Request,
    shown_text,
    shown_user,
)
from fanout.security.z85 import z85_encode
from fanout.zmtp.mechanisms import TLS

if TYPE_CHECKING:
    from fanout.coordinator.actions import Action
    from fanout.coordinator.roster import Accepted
    from fanout.coordinator.state import State
    from fanout.security.verdicts import Verdict

# Of credentials: user and password; the public key; user and certificate.
_FIELDS = {"PLAIN": 2, "CURVE": 1, TLS: 2}


def asked(state: State, message: AuthRequest, now: float) -> list[Action]:
    """A worker wants to know whether somebody may subscribe; nothing if that one has left.

    Raises:
        ControlError: nobody has said that this one is to be judged.
    """
    connection = state.roster.connections.get(message.subscriber)
    if connection is None:
        return []
    security = state.judging.begin(message.subscriber, now)
    fields = message.credentials
    if security is None or len(fields) != _FIELDS.get(message.mechanism):
        raise ControlError("a worker wants somebody judged who is not to be")
    who = connection.subscriber, connection.peer, connection.endpoint, message.mechanism
    if message.mechanism == "CURVE":
        return [Judge(security, Request(*who, public_key=z85_encode(fields[0])))]
    if message.mechanism == TLS:
        name = fields[0].decode("utf-8", "surrogateescape")
        return [Judge(security, Request(*who, name, certificate=fields[1]))]
    user, password = (one.decode("utf-8", "surrogateescape") for one in fields)
    return [Judge(security, Request(*who, user, password))]


def judged(
    state: State, request: Request, verdict: Verdict, failure: str = "", now: float = 0.0
) -> list[Action]:
    """This was found; nothing if nobody waits for it any more.

    Args:
        failure: why nobody could say it, empty = somebody has.
        now: seconds, see `Supervision`.
    """
    is_awaited = state.judging.end(request.subscriber)
    connection = state.roster.connections.get(request.subscriber)
    if connection is None or not is_awaited:
        return []
    actions: list[Action] = []
    if failure:
        kind, text = EventKind.CALLBACK_FAILED, shown_text(failure)
        actions.append(Tell(Event(kind, text, connection.subscriber, connection.peer)))
    if isinstance(verdict, Allow):
        user = request.user if verdict.user is None else verdict.user
        objection = _objection(state, request, verdict, user)
        if objection is None:
            return [*actions, *_let_in(state, connection, request, verdict, user, now)]
    else:
        objection = verdict
    denied = isinstance(objection, Deny)
    cause, judgement = (
        (Reason.DENIED, Judgement.DENY) if denied else (Reason.PUT_OFF, Judgement.LATER)
    )
    who = f"{'key' if request.public_key else 'user'} {shown_user(request.user)!r}"
    why = f": {shown_text(objection.text)}" if objection.text else ""
    return [*actions, _say(connection, judgement, f"{cause.text}: {who}{why}")]


def due(state: State, now: float) -> list[Action]:
    """Give up those who have waited for too long, and end those whose time is over."""
    actions: list[Action] = []
    for subscriber in state.access.expired(now):
        connection = state.roster.connections.get(subscriber)
        if connection is not None:
            cause = Reason.EXPIRED
            actions.append(Say(connection.worker, Evict(subscriber, cause.number, cause.text)))
    for subscriber in state.judging.overdue(now):
        actions.append(GiveUp(subscriber))
        connection = state.roster.connections.get(subscriber)
        state.judging.end(subscriber)
        if connection is not None:
            event = Event(EventKind.CALLBACK_FAILED, OVERDUE, subscriber, connection.peer)
            said = _say(connection, Judgement.LATER, f"{Reason.PUT_OFF.text}: {OVERDUE}")
            actions += [Tell(event), said]
    return actions


def _objection(state: State, request: Request, verdict: Allow, user: str) -> Deny | Later | None:
    """Why somebody is not let in though the check has nothing against it."""
    access = state.access
    if access.is_refused(user, request.public_key):
        return Deny(Reason.DISCONNECTED_BY_CALL.text)
    most = verdict.max_connections
    if most is not None and access.count(user) >= most:
        return Later(f"has {most:,} connections, and may have no more (max_connections)")
    return None


def _let_in(
    state: State, connection: Accepted, request: Request, verdict: Allow, user: str, now: float
) -> list[Action]:
    connection.mechanism, connection.user = request.mechanism, shown_user(user)
    expires = None if verdict.expires is None else now + verdict.expires
    login = user, request.public_key
    permit = state.access.enter(connection, login, verdict.prefixes, expires)
    permits = [] if permit is None else [Say(connection.worker, permit)]
    return [NoteUser(connection), *permits, _say(connection, Judgement.ALLOW, "")]


def _say(connection: Accepted, judgement: Judgement, text: str) -> Say:
    return Say(connection.worker, Judged(connection.subscriber, int(judgement), text))
